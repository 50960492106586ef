import { TableClient } from "@azure/data-tables";
import { BlobServiceClient } from "@azure/storage-blob";
import { type QueueClient, QueueServiceClient } from "@azure/storage-queue";
import { afterAll, beforeAll, test } from "vitest";
import { type Azurite, startAzurite } from "../../azurite.ts";
import { allTriggersSettings, appFolder, waitFor } from "../testing/fixtures.ts";
import { startTestHost, type TestHost } from "../testing/test-host.ts";

let azurite: Azurite;
let host: TestHost;
let settings: Record<string, string>;

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["one"] });
  settings = allTriggersSettings(azurite.account("one"));
  host = await startTestHost({ app: appFolder("all-triggers"), settings });
});

afterAll(async () => {
  await host?.stop();
  await azurite?.stop();
});

function queue(name: string): QueueClient {
  return QueueServiceClient.fromConnectionString(azurite.account("one").connectionString).getQueueClient(name);
}

async function send(name: string, message: unknown): Promise<void> {
  const text = typeof message === "string" ? message : JSON.stringify(message);
  await queue(name).createIfNotExists();
  await queue(name).sendMessage(Buffer.from(text).toString("base64"));
}

/** Takes the next message out of a queue, decoded. */
async function take(name: string, timeoutMs?: number): Promise<string> {
  return waitFor(
    `a message in queue '${name}'`,
    async () => {
      const response = await queue(name)
        .receiveMessages()
        .catch((error: { statusCode?: number }) => {
          if (error.statusCode !== 404) throw error;
        });
      const message = response?.receivedMessageItems[0];
      if (message === undefined) return undefined;
      await queue(name).deleteMessage(message.messageId, message.popReceipt);
      return Buffer.from(message.messageText, "base64").toString();
    },
    timeoutMs,
  );
}

async function isEmpty(name: string): Promise<boolean> {
  // Counts invisible messages, too.
  return (await queue(name).getProperties()).approximateMessagesCount === 0;
}

test("a message reaches its function with its metadata, and is gone after it", async ({ expect }) => {
  await send("relay", { order: 5 });
  const { message, metadata } = JSON.parse(await take("relayed"));
  expect(message).toEqual({ order: 5 });
  expect(metadata).toMatchObject({
    queueTrigger: { order: 5 },
    dequeueCount: 1,
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    popReceipt: expect.any(String),
    insertionTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*\+00:00$/),
  });
  await waitFor("an empty queue", async () => ((await isEmpty("relay")) ? true : undefined));
});

test("text that is no JSON stays text", async ({ expect }) => {
  await send("relay", "plain text, ünïcode 🗄");
  expect(JSON.parse(await take("relayed")).message).toBe("plain text, ünïcode 🗄");
});

test("an array in a queue output becomes one message for each element", async ({ expect }) => {
  await send("to-split", ["one", { two: 2 }, 3]);
  expect([await take("extra"), await take("extra"), await take("extra")]).toEqual(["one", '{"two":2}', "3"]);
});

test("many messages are worked at once", async ({ expect }) => {
  const begunAt = performance.now();
  const names = Array.from({ length: 24 }, (_, at) => `m${at}`);
  await Promise.all(names.map((name) => send("slow", { ms: 1_000, name })));
  const done = new Set<string>();
  while (done.size < names.length) done.add(JSON.parse(await take("slow-done")).name);
  expect(done.size).toBe(24);
  // One after the other they would need 24 s.
  expect(performance.now() - begunAt).toBeLessThan(12_000);
});

test("a message that fails every time ends in the poison queue, as it was", async ({ expect }) => {
  await send("broken", '{"a": 1}');
  expect(await take("broken-poison")).toBe('{"a": 1}');
  const failures = host.output.filter((line) => /broken failed after/.test(line));
  expect(failures).toHaveLength(5);
  await waitFor("an empty queue", async () => ((await isEmpty("broken")) ? true : undefined));
});

test("a message that is not base64 ends in the poison queue at once, as it was", async ({ expect }) => {
  await queue("relay").sendMessage("{not base64}");
  const raw = await waitFor("the poisoned message", async () => {
    const response = await queue("relay-poison")
      .receiveMessages()
      .catch(() => undefined);
    return response?.receivedMessageItems[0]?.messageText;
  });
  expect(raw).toBe("{not base64}");
});

test("a function that ends the worker fails, and its message comes again to the next worker", async ({ expect }) => {
  const before = host.workerPid();
  await send("deadly", "x");
  expect(JSON.parse(await take("survived"))).toEqual({ dequeueCount: 2 });
  expect(host.workerPid()).not.toBe(before);
});

test("an activity's queue output is written, and a queue function can start an orchestration", async ({ expect }) => {
  await send("ordered", "order-7");
  expect(await take("extra")).toBe("order-7 packed");
});

test("a blob output makes its container, and takes its name from the request", async ({ expect }) => {
  const response = await fetch(`${host.baseUrl}/outputs/blob`, { method: "PUT", body: '{"a":1}' });
  expect(response.status).toBe(201);
  const service = BlobServiceClient.fromConnectionString(azurite.account("one").connectionString);
  const content = await service.getContainerClient("box").getBlobClient("blob.json").downloadToBuffer();
  expect(content.toString()).toBe('{"a":1}');
});

test("a table output makes its table and adds a row", async ({ expect }) => {
  const row = { PartitionKey: "p", RowKey: "r", count: 3 };
  const put = () => fetch(`${host.baseUrl}/outputs/table`, { method: "PUT", body: JSON.stringify(row) });
  expect((await put()).status).toBe(201);
  const table = TableClient.fromConnectionString(azurite.account("one").connectionString, "rows", {
    allowInsecureConnection: true,
  });
  expect(await table.getEntity("p", "r")).toMatchObject({ count: 3 });
  expect((await put()).status).toBe(500);
});

test("an output that cannot be written fails the execution", async ({ expect }) => {
  const put = (body: string) => fetch(`${host.baseUrl}/outputs/queue`, { method: "PUT", body });
  expect((await put("small")).status).toBe(201);
  expect(await take("extra")).toBe("small");
  expect((await put("x".repeat(70_000))).status).toBe(500);
  expect(host.output.join("\n")).toMatch(/output queue of function 'put' could not be written/);
});

test("the admin API runs queue and timer functions by hand", async ({ expect }) => {
  const run = (name: string, body: unknown) =>
    fetch(`${host.baseUrl}/admin/functions/${name}`, { method: "POST", body: JSON.stringify(body) });
  expect((await run("relay", { input: "by hand" })).status).toBe(202);
  expect(JSON.parse(await take("relayed"))).toEqual({ message: "by hand", metadata: { queueTrigger: "by hand" } });
  expect((await run("tick", { input: "" })).status).toBe(202);
  expect(JSON.parse(await take("ticks"))).toEqual({ isPastDue: false });
});

test("a message whose host is killed comes back within seconds, one that is being worked does not", async ({
  expect,
}) => {
  await send("slow", { ms: 600_000, name: "survivor" });
  await waitFor("the message to be taken", async () => {
    const { peekedMessageItems } = await queue("slow").peekMessages();
    return peekedMessageItems.length === 0 ? true : undefined;
  });
  await host.kill();
  host = await startTestHost({ app: appFolder("all-triggers"), settings });
  // Longer than a lease, so that it would come again were its lease not renewed.
  await send("slow", { ms: 24_000, name: "steady" });
  expect(JSON.parse(await take("slow-done", 25_000))).toEqual({ name: "survivor", dequeueCount: 2 });
  expect(JSON.parse(await take("slow-done", 30_000))).toEqual({ name: "steady", dequeueCount: 1 });
});

test("a host that is interrupted lets its messages end first", async ({ expect }) => {
  await send("slow", { ms: 1_500, name: "patient" });
  await waitFor("the message to be taken", async () => {
    const { peekedMessageItems } = await queue("slow").peekMessages();
    return peekedMessageItems.length === 0 ? true : undefined;
  });
  const { length } = (await queue("slow-done").receiveMessages()).receivedMessageItems;
  expect(length).toBe(0);
  expect(await host.stop()).toBe(0);
  expect(JSON.parse(await take("slow-done"))).toEqual({ name: "patient", dequeueCount: 1 });
  expect(await isEmpty("slow")).toBe(true);
});
