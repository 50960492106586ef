import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { InvocationContext } from "@azure/functions";
import { type DurableClient, getClient, type Task } from "durable-functions";
import { afterEach, beforeEach, test } from "vitest";
import { z } from "zod";
import { MemoryStore } from "../../local/host/durable/testing/histories.ts";
import { type ActivityBody, ScriptedApp } from "../../local/host/durable/testing/scripted-app.ts";
import { TestClock, turns, until } from "../../local/host/durable/testing/test-clock.ts";
import { TestHost } from "../../local/host/durable/testing/test-host.ts";
import { runFlow } from "../../test/support/run-flow.ts";
import { VaultError } from "../foundation/errors.ts";
import type { Activity, Durable, Flow } from "../foundation/flow.ts";
import { durableFlow } from "./durable-flow.ts";
import { DurableOrchestrations } from "./durable-orchestrations.ts";

const double: Activity<number, number> = { name: "double", parse: (input) => z.number().parse(input) };

/** Asks for all that a flow has: a call, a wait, the time, and a call after the wait. */
function* doubleTwice(flow: Flow, input: number): Durable<unknown> {
  try {
    const begunAt = flow.now();
    const once = yield* flow.call(double, input);
    yield* flow.waitForAll([]);
    yield* flow.waitForAll(["one", "two.$"]);
    const twice = yield* flow.call(double, once);
    return { twice, passed: flow.now() >= begunAt };
  } catch (error) {
    return error instanceof VaultError ? error.toFailure() : `${error}`;
  }
}

const ok = (value: unknown) => ({ ok: true, value });

async function started(activities: Record<string, ActivityBody>) {
  const clock = new TestClock();
  const app = new ScriptedApp(
    {
      *main(context) {
        return yield* doubleTwice(durableFlow(context), context.df.getInput<number>()) as Generator<Task>;
      },
    },
    activities,
  );
  const host = new TestHost({ app, store: new MemoryStore(), clock });
  await host.durable.start();
  return { app, clock, host };
}

test("calls activities and waits for events that come in any order, also before they are waited for", async ({
  expect,
}) => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { host, app } = await started({
    double: async (input) => {
      await held;
      return ok(Number(input) * 2);
    },
  });
  await host.start("main", "a", 5);
  await host.raise("a", "two.$", null);
  release();
  await until(() => app.count("double") === 1);
  await turns();
  expect((await host.status("a")).runtimeStatus).toBe("Running");
  await host.raise("a", "one", null);
  expect(await host.finished("a")).toMatchObject({
    runtimeStatus: "Completed",
    output: { twice: 20, passed: true },
  });
});

test("does not retry a failure that an activity returns", async ({ expect }) => {
  const failure = { code: "instance/busy", message: "job 'x' is at work", hint: "wait" };
  const { host, app } = await started({ double: () => ({ ok: false, failure }) });
  await host.start("main", "a", 5);
  expect((await host.finished("a")).output).toEqual(failure);
  expect(app.count("double")).toBe(1);
});

test("retries a thrown failure, five attempts within two minutes, then reports it", async ({ expect }) => {
  const { host, app, clock } = await started({
    double: () => {
      throw new Error("storage/throttled: the vault account throttles requests");
    },
  });
  await host.start("main", "a", 5);
  await until(() => app.count("double") === 1);
  await turns();
  await clock.advance(120_000);
  expect((await host.finished("a")).output).toEqual({
    code: "storage/throttled",
    message: "the vault account throttles requests",
  });
  expect(app.count("double")).toBe(5);
});

test("continues after a transient failure", async ({ expect }) => {
  let calls = 0;
  const { host, app, clock } = await started({
    double: (input) => {
      calls += 1;
      if (calls === 1) throw new Error("internal/unexpected: unexpected TypeError");
      return ok(Number(input) * 2);
    },
  });
  await host.start("main", "a", 1);
  await until(() => app.count("double") === 1);
  await turns();
  await clock.advance(5_000);
  await host.raise("a", "one");
  await host.raise("a", "two.$");
  expect((await host.finished("a")).output).toEqual({ twice: 4, passed: true });
});

test("treats any other thrown error as unexpected, without its message", async ({ expect }) => {
  const { host, app, clock } = await started({
    double: () => {
      throw new Error("https://host/?sig=secret");
    },
  });
  await host.start("main", "a", 5);
  await until(() => app.count("double") === 1);
  await turns();
  await clock.advance(120_000);
  expect((await host.finished("a")).output).toEqual({
    code: "internal/unexpected",
    message: "activity 'double' failed",
    hint: "see the app's log at this time",
  });
});

test("ends a wait when the job is failed, whatever other events were raised", async ({ expect }) => {
  const { host, app } = await started({ double: (input) => ok(input) });
  await host.start("main", "a", 5);
  await host.raise("a", "one");
  await host.raise("a", "failed", { code: "message/poisoned", message: "a message was given up" });
  expect((await host.finished("a")).output).toEqual({ code: "message/poisoned", message: "a message was given up" });
  expect(app.count("double")).toBe(1);
});

test("the flow of tests takes the same steps to the same end as the real library", async ({ expect }) => {
  const events = [{ event: "two.$" }, { event: "one" }];
  const run = await runFlow(doubleTwice, 5, { double: (input: number) => input * 2 }, events);
  expect(run.outcome).toEqual({ ok: true, value: { twice: 20, passed: true } });
  expect(run.steps).toEqual([
    { kind: "call", activity: "double", input: 5 },
    { kind: "wait", events: ["one", "two.$"] },
    { kind: "call", activity: "double", input: 10 },
  ]);
  expect(run.replays).toBe(4);

  const failed = { event: "failed", value: { code: "message/poisoned", message: "given up" } };
  expect((await runFlow(doubleTwice, 5, { double: (n: number) => n }, [failed])).outcome).toEqual({
    ok: true,
    value: { code: "message/poisoned", message: "given up" },
  });
});

test("the flow of tests detects a non-deterministic orchestration", async ({ expect }) => {
  let runs = 0;
  function* fickle(flow: Flow): Durable<number> {
    runs += 1;
    return yield* flow.call(double, runs);
  }
  await expect(runFlow(fickle, undefined, { double: (n: number) => n })).rejects.toThrow("in a replay");
});

let server: Server;
let host: TestHost;
let client: DurableClient;

beforeEach(async () => {
  host = (await started({ double: (input) => ok(Number(input) * 2) })).host;
  server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const path = incoming.url?.replace("/durabletask/", "") ?? "";
    const { status, headers, body } = await host.request(incoming.method ?? "", path, Buffer.concat(chunks).toString());
    outgoing.writeHead(status, headers).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const binding = {
    ...JSON.parse(host.durable.clientBinding()),
    rpcBaseUrl: `http://127.0.0.1:${port}/durabletask/`,
  };
  client = getClient({
    options: { extraInputs: [{ type: "durableClient", name: "client" }] },
    extraInputs: { get: () => binding },
  } as unknown as InvocationContext);
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test("starts an id once, raises events to it, and knows how it is", async ({ expect }) => {
  const orchestrations = new DurableOrchestrations(client);
  expect(await orchestrations.state("backup-1")).toBeUndefined();
  await orchestrations.startOnce("main", "backup-1", 7);
  await orchestrations.startOnce("main", "backup-1", 8);
  await until(async () => (await orchestrations.state("backup-1")) === "running");
  await orchestrations.raise("backup-1", "one", null);
  await orchestrations.raise("backup-1", "two.$", undefined);
  expect((await host.finished("backup-1")).output).toEqual({ twice: 28, passed: true });
  expect(await orchestrations.state("backup-1")).toBe("ended");
});

test("does not change an ended orchestration, nor raise events to it", async ({ expect }) => {
  const orchestrations = new DurableOrchestrations(client);
  await orchestrations.startOnce("main", "a", 1);
  await orchestrations.raise("a", "failed", { code: "job/cancelled", message: "cancelled" });
  const { output } = await host.finished("a");
  await orchestrations.startOnce("main", "a", 2);
  await orchestrations.raise("a", "one", null);
  expect((await host.status("a")).output).toEqual(output);
  expect(await orchestrations.state("a")).toBe("ended");
});

test("raises an event to an unknown id without effect", async ({ expect }) => {
  const orchestrations = new DurableOrchestrations(client);
  await orchestrations.raise("never-started", "one", null);
  expect(await orchestrations.state("never-started")).toBeUndefined();
});

test("treats a start that another won as done, and throws any other refusal", async ({ expect }) => {
  const orchestrations = new DurableOrchestrations({
    getStatus: client.getStatus.bind(client),
    raiseEvent: client.raiseEvent.bind(client),
    terminate: client.terminate.bind(client),
    startNew: async (name, options) => {
      await client.startNew(name, options);
      return client.startNew(name, options);
    },
  });
  await orchestrations.startOnce("main", "raced", 1);
  expect(await orchestrations.state("raced")).toBe("running");
  await expect(orchestrations.startOnce("no-such-function", "b", 1)).rejects.toThrow();
});
