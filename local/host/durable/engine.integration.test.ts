import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, test } from "vitest";
import { startAzurite } from "../../azurite.ts";
import { systemClock } from "../core/system-clock.ts";
import type { DurableHost } from "../protocol.ts";
import { openInProcessApp } from "../worker/in-process.ts";
import { openDurableHost } from "./engine.ts";
import type { DurableStore } from "./store.ts";
import { TableStore } from "./table-store.ts";
import { CrashingStore } from "./testing/crashing-store.ts";

const azurite = await startAzurite({ accounts: ["hub"] });
const { connectionString } = azurite.account("hub");
const server: Server = createServer();
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
process.env["WEBSITE_HOSTNAME"] = new URL(origin).host;

/** The host that the server passes requests on to; tests replace it as if it had been started again. */
let durable: DurableHost;
const app = await openInProcessApp("local/host/durable/testing/app", () => durable.clientBinding());

server.on("request", async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const url = new URL(request.url ?? "", origin);
  const answer = await durable.handle(url.pathname.replace(/^\/(durabletask|runtime\/webhooks\/durabletask)\//, ""), {
    method: request.method ?? "GET",
    url,
    headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
    body: Buffer.concat(chunks),
  });
  response.writeHead(answer.status, { ...answer.headers }).end(answer.body);
});

async function restart(store?: DurableStore): Promise<void> {
  durable = openDurableHost({
    functions: app.functions,
    invoker: app.invoker,
    connectionString,
    taskHubName: "IntegrationTests",
    baseUrl: () => origin,
    systemKey: () => "",
    clock: systemClock,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    limits: { concurrentActivities: 20, concurrentOrchestrations: 20 },
    ...(store && { store }),
  });
  await durable.start();
}

await restart();

afterAll(async () => {
  await durable.stop();
  server.close();
  server.closeAllConnections();
  await azurite.stop();
});

interface Status {
  readonly runtimeStatus: string;
  readonly output: unknown;
  readonly customStatus: unknown;
  readonly instanceId: string;
}

/** Calls a method of the durable client as the app has it. */
async function client(method: string, ...args: unknown[]): Promise<unknown> {
  const body = Buffer.from(JSON.stringify({ method, args }));
  const http = {
    url: `${origin}/api/client`,
    method: "POST",
    nullableHeaders: {},
    nullableQuery: {},
    body: { bytes: body },
  };
  const response = await app.invoker.invoke("client", { triggerData: { http } });
  if (!response.ok) throw new Error(response.error.message);
  const { value, error } = JSON.parse(Buffer.from(response.returnValue?.http?.body?.bytes ?? []).toString());
  if (error !== undefined) throw new Error(error);
  return value;
}

async function statusWhen(instanceId: string, isReached: (status: Status) => boolean): Promise<Status> {
  for (;;) {
    const status = (await client("getStatus", instanceId)) as Status;
    if (isReached(status)) return status;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const finished = (instanceId: string) =>
  statusWhen(instanceId, ({ runtimeStatus }) => ["Completed", "Failed", "Terminated"].includes(runtimeStatus));

test("runs activities, children, events, timers and large values through the real client", async ({ expect }) => {
  expect(await client("startNew", "mixed", { instanceId: "mixed-1", input: { any: "thing" } })).toBe("mixed-1");
  await statusWhen("mixed-1", ({ customStatus }) => customStatus === "squared");
  await client("raiseEvent", "mixed-1", "go", { a: "b" });
  expect((await finished("mixed-1")).output).toEqual({ one: 25, child: 14, event: { a: "b" }, length: 200_000 });
  expect((await finished("mixed-1-child")).output).toBe(14);
});

test("starts over, purges and lists through the real client", async ({ expect }) => {
  await client("startNew", "rounds", { instanceId: "rounds-1", input: 0 });
  expect((await finished("rounds-1")).output).toBe(5);
  await expect(client("getStatus", "nobody")).rejects.toThrow("HTTP 404");
  const all = (await client("getStatusBy", { runtimeStatus: ["Completed"] })) as Status[];
  expect(all.map(({ instanceId }) => instanceId)).toContain("rounds-1");
  expect(await client("purgeInstanceHistory", "rounds-1")).toEqual({ instancesDeleted: 1 });
  expect(await client("purgeInstanceHistory", "rounds-1")).toEqual({ instancesDeleted: 0 });
});

test("suspends, resumes and terminates through the real client", async ({ expect }) => {
  await client("startNew", "events", { instanceId: "switched", input: 1 });
  await statusWhen("switched", ({ runtimeStatus }) => runtimeStatus === "Running");
  await client("suspend", "switched", "hold");
  await statusWhen("switched", ({ runtimeStatus }) => runtimeStatus === "Suspended");
  await client("resume", "switched", "go");
  await statusWhen("switched", ({ runtimeStatus }) => runtimeStatus === "Running");
  await client("terminate", "switched", "enough");
  expect(await finished("switched")).toMatchObject({ runtimeStatus: "Terminated", output: "enough" });
  await client("terminate", "switched", "again");
  await expect(client("rewind", "switched", "no")).rejects.toThrow("use Azure Functions Core Tools");
});

test("takes a thousand activities and two hundred events at once", async ({ expect }) => {
  await client("startNew", "fanOut", { instanceId: "wide", input: 1_000 });
  await client("startNew", "events", { instanceId: "many", input: 200 });
  await Promise.all(Array.from({ length: 200 }, (_, n) => client("raiseEvent", "many", "number", n)));
  expect((await finished("wide")).output).toBe(332_833_500);
  const seen = (await finished("many")).output as number[];
  expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, n) => n));
});

test("goes on from the tables after the host died between two writes", async ({ expect }) => {
  await durable.stop();
  let tried = 0;
  for (let call = 4; call <= 40; call += 6) {
    const store = new TableStore(connectionString, "IntegrationTests");
    const crashing = new CrashingStore(store, { call, when: call % 4 === 0 ? "before" : "after" });
    await restart(crashing.store);
    const ids = Array.from({ length: 4 }, (_, n) => `crash-${call}-${n}`);
    const requests = ids.map((id) => client("startNew", "mixed", { instanceId: id }).catch(() => undefined));
    await Promise.race([crashing.died, Promise.all(requests).then(() => crashing.died)]);

    await restart();
    for (const id of ids) {
      // What had no answer from the dead host is asked for again; where it was stored, the start is refused.
      await client("startNew", "mixed", { instanceId: id }).catch(() => undefined);
      await statusWhen(id, ({ customStatus }) => customStatus === "squared");
      await client("raiseEvent", id, "go", id);
    }
    for (const id of ids) {
      expect((await finished(id)).output, id).toEqual({ one: 25, child: 14, event: id, length: 200_000 });
    }
    await durable.stop();
    tried += 1;
  }
  await restart();
  expect(tried).toBe(7);
});
