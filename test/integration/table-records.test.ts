import { TableClient } from "@azure/data-tables";
import { afterAll, beforeAll, test } from "vitest";
import { z } from "zod";
import { type Azurite, startAzurite } from "../../local/azurite.ts";
import { TableRecords } from "../../src/azure/table-records.ts";
import { VaultError } from "../../src/foundation/errors.ts";
import { listRecords } from "../../src/foundation/records.ts";

const Note = z.object({ text: z.string(), count: z.int() });

let azurite: Azurite;
let tables = 0;

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["state"] });
});
afterAll(() => azurite.stop());

function client(name = `Notes${++tables}`): TableClient {
  const { connectionString } = azurite.account("state");
  return TableClient.fromConnectionString(connectionString, name, { allowInsecureConnection: true });
}

function notes(table = client()): TableRecords<z.infer<typeof Note>> {
  return new TableRecords(table, Note);
}

async function failure(run: () => Promise<unknown>): Promise<VaultError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof VaultError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

test("stores a document that is longer than the maximum of one property, including characters beyond U+FFFF", async ({
  expect,
}) => {
  const records = notes();
  const text = `${"x".repeat(29_980)}${"é🙂".repeat(20_000)}`;
  await records.put("p", "long", { text, count: 1 });
  const read = (await records.get("p", "long"))?.value.text;
  // Not toBe(text): the difference of two such texts would be huge.
  expect(read === text).toBe(true);
});

test("leaves nothing of a longer document behind a new one", async ({ expect }) => {
  const records = notes();
  await records.put("p", "r", { text: "x".repeat(100_000), count: 1 });
  await records.put("p", "r", { text: "short", count: 2 });
  expect((await records.get("p", "r"))?.value).toEqual({ text: "short", count: 2 });
});

test("refuses a document that is too long for a row, with row and table in the message", async ({ expect }) => {
  const records = notes(client("Largest"));
  const error = await failure(() => records.put("p", "r", { text: "x".repeat(500_001), count: 1 }));
  expect(error.code).toBe("request/too-large");
  expect(error.message).toMatch(/^row 'r' of table 'Largest' would have \d+ characters; the limit is 500000$/);
  await records.put("p", "largest", { text: "x".repeat(499_900), count: 1 });
});

test("refuses a row that something else wrote", async ({ expect }) => {
  const table = client("Foreign");
  const records = notes(table);
  await records.put("p", "r", { text: "", count: 1 });
  await table.upsertEntity({ partitionKey: "p", rowKey: "other", d0: '{"text":1}' }, "Replace");
  await table.upsertEntity({ partitionKey: "p", rowKey: "empty" }, "Replace");
  expect((await failure(() => records.get("p", "other"))).code).toBe("format/corrupt");
  expect((await failure(() => records.get("p", "empty"))).message).toBe("row 'empty' of table 'Foreign' is not JSON");
});

test("reads a partition in pages of the requested length, through prefixes, quotes and other partitions", async ({
  expect,
}) => {
  const records = notes();
  const rows = ["a|1", "a|2", "a|3", "b|'1", "b|2", "b}"];
  for (const row of [...rows].reverse()) await records.put("it's", row, { text: row, count: 0 });
  await records.put("it", "a|9", { text: "another partition", count: 0 });

  const seen: string[] = [];
  let continuation: string | undefined;
  let pages = 0;
  do {
    const page = await records.list("it's", { limit: 2, ...(continuation === undefined ? {} : { continuation }) });
    expect(page.records.length).toBeLessThanOrEqual(2);
    seen.push(...page.records.map(({ row }) => row));
    continuation = page.continuation;
    pages += 1;
  } while (continuation !== undefined);
  expect(pages).toBe(3);
  expect(seen).toEqual(rows);

  const found: string[] = [];
  for await (const { row } of listRecords(records, "it's", "b|")) found.push(row);
  expect(found).toEqual(["b|'1", "b|2"]);
});

test("creates its table once, also at concurrent first uses", async ({ expect }) => {
  const table = client("Fresh");
  const records = notes(table);
  const inserted = await Promise.all(
    Array.from({ length: 20 }, (_, n) => records.insert("p", "same", { text: `${n}`, count: n })),
  );
  expect(inserted.filter((written) => written)).toHaveLength(1);
});

test("reports a lost race and a deleted row as a conflict", async ({ expect }) => {
  const records = notes();
  await records.put("p", "r", { text: "first", count: 1 });
  const stale = (await records.get("p", "r"))?.etag ?? "";
  await records.put("p", "r", { text: "second", count: 2 });
  expect((await failure(() => records.replace("p", "r", { text: "third", count: 3 }, stale))).code).toBe(
    "storage/conflict",
  );
  expect((await failure(() => records.remove("p", "r", stale))).code).toBe("storage/conflict");
  await records.remove("p", "r");
  await records.remove("p", "r");
  expect((await failure(() => records.replace("p", "r", { text: "", count: 0 }, stale))).code).toBe("storage/conflict");
  expect(await records.get("p", "r")).toBeUndefined();
});

test("reports an unavailable state account without its address", async ({ expect }) => {
  const nowhere = TableClient.fromConnectionString(
    "DefaultEndpointsProtocol=http;AccountName=state;AccountKey=AAAA;TableEndpoint=http://127.0.0.1:9/state",
    "Nowhere",
    { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } },
  );
  const error = await failure(() => notes(nowhere).get("p", "r"));
  expect(error.code).toBe("storage/unavailable");
  expect(error.message).toMatch(/^the state account cannot be reached \(\w+\)$/);
});
