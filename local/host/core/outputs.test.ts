import { test } from "vitest";
import { fillExpressions, toMessages } from "./outputs.ts";
import { decodeMessage } from "./queue-listener.ts";
import { parseTimeSpan } from "./time-span.ts";

test("a queue output gives one message, and an array one for each element", async ({ expect }) => {
  const texts = (data: Parameters<typeof toMessages>[0]) => toMessages(data).map((message) => message.toString());
  expect(texts({ string: "plain" })).toEqual(["plain"]);
  expect(texts({ json: '{"a":1}' })).toEqual(['{"a":1}']);
  expect(texts({ json: '[{"a":1},"two",3]' })).toEqual(['{"a":1}', "two", "3"]);
  expect(texts({ string: '["one","two"]' })).toEqual(["one", "two"]);
  expect(texts({ string: "[not json" })).toEqual(["[not json"]);
  expect(texts({ json: "[]" })).toEqual([]);
  expect(texts({ bytes: new Uint8Array([104, 105]) })).toEqual(["hi"]);
  expect(texts({ int: 5 })).toEqual(["5"]);
});

test("expressions take their values from the trigger's metadata", async ({ expect }) => {
  const metadata = { QueueTrigger: { string: "orders" }, DequeueCount: { json: "2" } };
  expect(fillExpressions("box/{queueTrigger}-{dequeueCount}.json", metadata)).toBe("box/orders-2.json");
  expect(fillExpressions("box/{rand-guid}", metadata)).toMatch(/^box\/[0-9a-f-]{36}$/);
  expect(() => fillExpressions("box/{other}", metadata)).toThrow("'{other}' in 'box/{other}' has no value here");
});

test("a message is decoded as host.json says, or not at all", async ({ expect }) => {
  expect(decodeMessage("aGVsbG8=", "base64")).toBe("hello");
  expect(decodeMessage("aGVsbG8=", "none")).toBe("aGVsbG8=");
  expect(decodeMessage('{"a":1}', "base64")).toBeUndefined();
  expect(decodeMessage("", "base64")).toBe("");
});

test("time spans are read as .NET writes them", async ({ expect }) => {
  expect(parseTimeSpan("00:05:00")).toBe(300_000);
  expect(parseTimeSpan("1.02:03:04.5")).toBe(93_784_500);
  expect(parseTimeSpan("00:30")).toBe(1_800_000);
  expect(parseTimeSpan("25:00:00")).toBeUndefined();
  expect(parseTimeSpan("soon")).toBeUndefined();
});
