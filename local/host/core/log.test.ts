import { test } from "vitest";
import { openLog } from "./log.ts";

function record(levels: Record<string, string>): { lines: string[]; at: ReturnType<typeof openLog>["category"] } {
  const lines: string[] = [];
  const book = openLog((line) => lines.push(line.slice("00:00:00.000 ".length)));
  book.filterBy(levels);
  return { lines, at: book.category };
}

test("shows information and worse by default", async ({ expect }) => {
  const { lines, at } = record({});
  at("Host").debug("a");
  at("Host").info("b");
  at("Host").warn("c");
  at("Host").error("d");
  expect(lines).toEqual(["info  b", "warn  c", "error d"]);
});

test("the level of a category is that of its longest prefix", async ({ expect }) => {
  const { lines, at } = record({ default: "Warning", "function.ECHO": "Debug", "Function.echo.User": "None" });
  at("Host").info("hidden");
  at("Function.echo").debug("shown");
  at("Function.echo.User").error("hidden");
  at("Function.other").info("hidden");
  expect(lines).toEqual(["debug shown"]);
});

test("keys, signatures and codes are taken out, whoever wrote them", async ({ expect }) => {
  const { lines, at } = record({});
  at("Host").info("DefaultEndpointsProtocol=http;AccountName=one;AccountKey=c2VjcmV0==;BlobEndpoint=x");
  at("Host").info("GET http://127.0.0.1/a?code=s3cr3t&x=1 and http://b/c?sv=1&sig=a%2Bb&se=2");
  expect(lines).toEqual([
    "info  DefaultEndpointsProtocol=http;AccountName=one;AccountKey=***;BlobEndpoint=x",
    "info  GET http://127.0.0.1/a?code=***&x=1 and http://b/c?sv=1&sig=***&se=2",
  ]);
});

test("an event of several lines stays together", async ({ expect }) => {
  const { lines, at } = record({});
  at("Host").error("one\ntwo");
  expect(lines).toEqual(["error one\n    two"]);
});
