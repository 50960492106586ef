import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { QueueServiceClient } from "@azure/storage-queue";
import { test as base } from "vitest";
import { startAzurite } from "./azurite.ts";
import { waitFor } from "./host/testing/fixtures.ts";

const test = base.extend<{ folder: string }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixtures that a fixture needs from its pattern
  folder: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), "azurite-test-"));
    await use(folder);
    await rm(folder, { recursive: true });
  },
});

test("serves the accounts asked for, keeps what is in its folder, and uses the keys given", async ({
  expect,
  folder,
}) => {
  const keys = { one: Buffer.alloc(64, 1).toString("base64"), two: Buffer.alloc(64, 2).toString("base64") };
  const first = await startAzurite({ accounts: keys, folder });
  for (const name of ["one", "two"]) {
    const service = QueueServiceClient.fromConnectionString(first.account(name).connectionString);
    await service.createQueue(`queue-of-${name}`);
  }
  expect(first.account("one").key).toBe(keys.one);
  expect(() => first.account("three")).toThrow("this Azurite serves one,two, not 'three'");
  await first.stop();

  const second = await startAzurite({ accounts: keys, folder });
  const service = QueueServiceClient.fromConnectionString(second.account("two").connectionString);
  const names: string[] = [];
  for await (const { name } of service.listQueues()) names.push(name);
  await second.stop();
  expect(names).toEqual(["queue-of-two"]);
});

test("reports each request that it answered, in order", async ({ expect }) => {
  const lines: string[] = [];
  const azurite = await startAzurite({ accounts: ["one"], onRequest: (line) => lines.push(line) });
  const { blobEndpoint, queueEndpoint, tableEndpoint } = azurite.account("one");
  const endpoints = [blobEndpoint, queueEndpoint, tableEndpoint];
  for (const endpoint of endpoints) await (await fetch(`${endpoint}/nothing`)).arrayBuffer();
  await waitFor("the log", async () => lines[endpoints.length - 1]);
  await azurite.stop();
  expect(lines.map((line) => /"(.*)"/.exec(line)?.[1])).toEqual(endpoints.map(() => "GET /one/nothing HTTP/1.1"));
});

test("reports why it does not start", async ({ expect }) => {
  const first = await startAzurite({ accounts: ["one"] });
  const { port } = new URL(first.account("one").blobEndpoint);
  const ports = { blob: Number(port), queue: 0, table: 0 };
  await expect(startAzurite({ accounts: ["one"], ports })).rejects.toThrow(/azurite did not start:.*EADDRINUSE/);
  await first.stop();
});

test("ends with the process that started it, even if that is killed", async ({ expect, folder }) => {
  const script = join(folder, "start.mts");
  const azurite = pathToFileURL(join(import.meta.dirname, "azurite.ts")).href;
  await writeFile(
    script,
    `import { startAzurite } from ${JSON.stringify(azurite)};
     const started = await startAzurite({ accounts: ["one"] });
     process.send(started.account("one").queueEndpoint);
     setInterval(() => undefined, 1_000);`,
  );
  const parent = fork(script, { execArgv: ["--disable-warning=ExperimentalWarning"] });
  const [endpoint] = (await once(parent, "message")) as [string];
  expect((await fetch(endpoint)).status).toBeGreaterThanOrEqual(400);
  parent.kill("SIGKILL");
  const gone = await waitFor("the end of Azurite", async () =>
    fetch(endpoint).then(
      () => undefined,
      () => true,
    ),
  );
  expect(gone).toBe(true);
});
