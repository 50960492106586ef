import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { QueueServiceClient } from "@azure/storage-queue";
import { afterAll, beforeAll, test } from "vitest";
import { type Azurite, startAzurite } from "../../azurite.ts";
import { allTriggersSettings, appFolder, waitFor } from "../testing/fixtures.ts";
import { startTestHost, TestHostEnded } from "../testing/test-host.ts";
import { type Host, type HostOptions, startHost } from "./host.ts";
import { makeSelfSigned } from "./self-signed.ts";
import { HostStartError } from "./start-error.ts";
import { openStorage } from "./storage.ts";
import { openTimerTable, TIMER_TABLE } from "./timer-table.ts";

let azurite: Azurite;
let settings: Record<string, string>;

/** What of this process's environment a worker needs. */
const SYSTEM = { PATH: process.env["PATH"], HOME: process.env["HOME"] };

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["one", "two"] });
  settings = allTriggersSettings(azurite.account("one"));
});

afterAll(async () => {
  await azurite?.stop();
});

interface LocalHost extends Host {
  /** What the host has logged. */
  readonly lines: readonly string[];
}

/** Starts a host in this process; its worker is one of its own all the same. */
async function withHost(options: Partial<HostOptions>, use: (host: LocalHost) => Promise<void>): Promise<void> {
  const stateFolder = await mkdtemp(join(tmpdir(), "host-state-"));
  const lines: string[] = [];
  try {
    const host = await startHost({
      ...{ scriptRoot: appFolder("all-triggers"), port: 0, stateFolder },
      environment: { ...SYSTEM, ...settings },
      writeLine: (line) => lines.push(line),
      ...options,
    });
    try {
      await use(Object.assign(host, { lines }));
    } finally {
      await host.stop();
    }
  } finally {
    await rm(stateFolder, { recursive: true });
  }
}

async function refusalOf(options: Partial<HostOptions>): Promise<string> {
  try {
    await withHost(options, async () => undefined);
  } catch (error) {
    if (error instanceof HostStartError) return error.message;
    throw error;
  }
  throw new Error("the host started");
}

test("an app with unsupported bindings is refused, each named with the way out", async ({ expect }) => {
  const message = await refusalOf({ scriptRoot: appFolder("unsupported") });
  expect(message).toContain(
    "function 'onBlob': its blobTrigger binding is not supported by this host: use Azure Functions Core Tools (func start)",
  );
  expect(message).toContain("function 'counter': its entityTrigger binding is not supported by this host");
  expect(message).toContain(
    "function 'tick': its timerTrigger binding needs the app setting 'Missing', which is not set",
  );
});

test("a refusal is printed without a stack, and is the process's exit status", async ({ expect }) => {
  const start = startTestHost({ app: appFolder("unsupported"), settings });
  await expect(start).rejects.toThrow(TestHostEnded);
  await expect(start).rejects.toMatchObject({ status: 1, message: expect.not.stringContaining("    at ") });
});

test("an app without functions is refused with the likely reasons", async ({ expect }) => {
  expect(await refusalOf({ scriptRoot: appFolder("empty") })).toMatch(
    /no function was registered by functions.ts.*app.http\(\)/,
  );
});

test("an app that does not load is refused with its own error", async ({ expect }) => {
  expect(await refusalOf({ scriptRoot: appFolder("broken") })).toMatch(
    /the app did not load: Error: the app's own start went wrong\n.*broken\/functions.ts/,
  );
});

test("a folder that holds no app is refused", async ({ expect }) => {
  expect(await refusalOf({ scriptRoot: appFolder("") })).toMatch(/host.json does not exist/);
});

test("a missing connection, and one by identity, are refused by name", async ({ expect }) => {
  const rest = { ...SYSTEM, ...settings, VaultStorage: undefined };
  expect(await refusalOf({ environment: rest })).toContain(
    "function 'relay': its queueTrigger binding uses the connection 'VaultStorage', which is not set",
  );
  const identity = { ...rest, VaultStorage__queueServiceUri: "https://vault.queue.core.windows.net" };
  expect(await refusalOf({ environment: identity })).toContain("'VaultStorage__queueServiceUri'");
});

test("a storage account that does not answer is refused, without a word of its key", async ({ expect }) => {
  const { key, connectionString } = azurite.account("one");
  const withStorage = (AzureWebJobsStorage: string) =>
    refusalOf({ environment: { ...SYSTEM, ...settings, AzureWebJobsStorage } });

  const message = await withStorage(connectionString.replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:9"));
  expect(message).toMatch(/storage account 'one' at 127.0.0.1:9 does not answer .*is Azurite running/);
  const wrongKey = await withStorage(connectionString.replace(key, Buffer.from("wrong").toString("base64")));
  expect(wrongKey).toMatch(/storage account 'one' at 127.0.0.1:\d+ does not answer/);
  const unreadable = await withStorage(`AccountName=one;AccountKey=${key}`);
  expect(unreadable).toMatch(/the connection string of storage account 'one' cannot be read/);
  expect(message + wrongKey + unreadable).not.toContain(key);
});

test("a second host on the same storage and hub is refused, on another storage it is not", async ({ expect }) => {
  await withHost({}, async () => {
    expect(await refusalOf({})).toContain(`another host, process ${process.pid} for`);
    const environment = { ...SYSTEM, ...allTriggersSettings(azurite.account("two")) };
    await withHost({ environment }, async (second) => {
      expect((await fetch(`${second.baseUrl}/admin/host/status`)).status).toBe(200);
    });
  });
});

test("a host that was killed leaves no lock behind, and no worker", async ({ expect }) => {
  const host = await startTestHost({ app: appFolder("all-triggers"), settings });
  await host.kill();
  await withHost({}, async (next) => {
    expect((await fetch(`${next.baseUrl}/text`)).status).toBe(201);
  });
});

test("a worker ends when its host is killed, also in the middle of an endless loop", async ({ expect }) => {
  const host = await startTestHost({ app: appFolder("all-triggers"), settings });
  const worker = host.workerPid();
  fetch(`${host.baseUrl}/loops`).catch(() => undefined);
  await waitFor("the loop", async () => (host.output.some((line) => line.includes("looping")) ? true : undefined));
  process.kill(host.pid, "SIGKILL");
  await waitFor("the worker's end", async () => {
    try {
      process.kill(worker, 0);
      return undefined;
    } catch {
      return true;
    }
  });
  expect(() => process.kill(worker, 0)).toThrow("ESRCH");
});

test("a port that is taken is refused", async ({ expect }) => {
  await withHost({}, async (host) => {
    const { port } = new URL(host.baseUrl);
    const environment = { ...SYSTEM, ...allTriggersSettings(azurite.account("two")) };
    expect(await refusalOf({ environment, port: Number(port) })).toBe(
      `port ${port} is not free: choose another with --port`,
    );
  });
});

test("a function that ends the worker costs one 500; the next request finds a new worker", async ({ expect }) => {
  await withHost({}, async (host) => {
    const before = host.workerPid;
    expect((await fetch(`${host.baseUrl}/exits`)).status).toBe(500);
    expect((await fetch(`${host.baseUrl}/text`)).status).toBe(201);
    expect(host.workerPid).not.toBe(before);
    expect(host.lines.join("\n")).toContain("it ended with status 3");
  });
});

test("a function that takes longer than functionTimeout is ended with its worker", async ({ expect }) => {
  const environment = { ...SYSTEM, ...settings, AzureFunctionsJobHost__functionTimeout: "00:00:01" };
  await withHost({ environment }, async (host) => {
    expect((await fetch(`${host.baseUrl}/loops`)).status).toBe(500);
    expect((await fetch(`${host.baseUrl}/text`)).status).toBe(201);
    expect(host.lines.join("\n")).toContain("function 'loops' took longer than functionTimeout, 1000 ms");
  });
});

test("with enableAuth every level asks for its keys, in the header or the query", async ({ expect }) => {
  await withHost({ enableAuth: true }, async (host) => {
    const { master = "", host: common = "" } = host.keys ?? {};
    const status = async (path: string, key?: string): Promise<number> =>
      (await fetch(`${host.baseUrl}${path}`, key === undefined ? {} : { headers: { "x-functions-key": key } })).status;

    expect(await status("/text")).toBe(201);
    expect(await status("/keyed")).toBe(401);
    expect(await status("/keyed", "wrong")).toBe(401);
    expect(await status("/keyed", common)).toBe(200);
    expect(await status(`/keyed?code=${common}`)).toBe(200);
    expect(await status("/administered", common)).toBe(401);
    expect(await status("/administered", master)).toBe(200);
    expect(await status("/admin/host/status")).toBe(401);
    expect(await status("/admin/host/status", master)).toBe(200);
    expect(await status("/runtime/webhooks/durabletask/instances/none")).toBe(401);

    const admin = { headers: { "x-functions-key": master } };
    const own = await (await fetch(`${host.baseUrl}/admin/functions/keyed/keys`, admin)).json();
    expect(await status("/keyed", (own as { keys: { value: string }[] }).keys[0]?.value)).toBe(200);

    // The management URLs carry the key of the web hook, and the app's own client needs none.
    const started = await fetch(`${host.baseUrl}/greetings`, { method: "POST", body: '["Ada"]' });
    const { statusQueryGetUri } = (await started.json()) as { statusQueryGetUri: string };
    expect([200, 202]).toContain((await fetch(statusQueryGetUri)).status);

    expect(host.lines.join("\n")).not.toContain(master);
  });
});

test("without enableAuth nobody needs a key", async ({ expect }) => {
  await withHost({}, async (host) => {
    expect((await fetch(`${host.baseUrl}/administered`)).status).toBe(200);
    const keys = await (await fetch(`${host.baseUrl}/admin/host/keys`)).json();
    const [key] = (keys as { keys: { value: string }[] }).keys;
    expect(key?.value.length).toBeGreaterThan(40);
    expect(host.lines.join("\n")).not.toContain(key?.value);
  });
});

test("serves https, and the app's durable client works behind it", async ({ expect }) => {
  await withHost({ tls: makeSelfSigned(new Date()) }, async (host) => {
    const call = (method: string, url: string, body = "") =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        const outgoing = request(url, { method, rejectUnauthorized: false }, async (response) => {
          const parts: Buffer[] = [];
          for await (const part of response) parts.push(part);
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() });
        });
        outgoing.once("error", reject);
        outgoing.end(body);
      });
    expect(host.baseUrl).toMatch(/^https:/);
    expect((await call("GET", `${host.baseUrl}/text`)).text).toBe("hello");
    const started = await call("POST", `${host.baseUrl}/greetings`, '["Ada"]');
    const { statusQueryGetUri } = JSON.parse(started.text);
    expect(statusQueryGetUri).toMatch(/^https:/);
    const status = await waitFor("the end of the orchestration", async () => {
      const answer = await call("GET", statusQueryGetUri);
      return answer.status === 202 ? undefined : answer;
    });
    expect(JSON.parse(status.text)).toMatchObject({ output: ["hello Ada"] });
  });
});

test("a timer runs by its schedule", async ({ expect }) => {
  const queue = QueueServiceClient.fromConnectionString(azurite.account("one").connectionString).getQueueClient(
    "ticks",
  );
  await withHost({ environment: { ...SYSTEM, ...settings, Tick: "* * * * * *" } }, async () => {
    const ticks = await waitFor("three ticks", async () => {
      const { peekedMessageItems = [] } = await queue.peekMessages({ numberOfMessages: 32 }).catch(() => ({}) as never);
      return peekedMessageItems?.length >= 3 ? peekedMessageItems : undefined;
    });
    const times = ticks.map(({ insertedOn }) => insertedOn.getTime());
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(900);
  });
});

test("a timer's status is kept in a table", async ({ expect }) => {
  const table = openStorage().table(azurite.account("two").connectionString, TIMER_TABLE);
  const statuses = await openTimerTable(table, "Hub");
  expect(await statuses.read("tick")).toBeUndefined();
  const first = { next: new Date("2026-01-01T01:00:00Z"), lastUpdated: new Date("2026-01-01T00:30:00Z") };
  await statuses.write("tick", first);
  expect(await statuses.read("tick")).toEqual(first);
  const second = { ...first, last: new Date("2026-01-01T01:00:00Z") };
  await statuses.write("tick", second);
  expect(await statuses.read("tick")).toEqual(second);
});

test("the command line starts a host with https and keys, and prints each key once", async ({ expect }) => {
  const host = await startTestHost({
    app: appFolder("all-triggers"),
    settings,
    arguments: ["--useHttps", "--enableAuth"],
  });
  expect(host.baseUrl).toMatch(/^https:/);
  const master = host.output.find((line) => line.includes("of the host"))?.split(": ")[1] ?? "";
  expect(master.length).toBeGreaterThan(40);
  expect(await host.stop()).toBe(0);
  expect(host.output.filter((line) => line.includes(master))).toHaveLength(1);
});
