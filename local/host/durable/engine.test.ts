import { test } from "vitest";
import type { Invoker } from "../protocol.ts";
import { WORKER_GONE } from "./engine.ts";
import { MemoryStore } from "./memory-store.ts";
import { type ActivityBody, type OrchestratorBody, RetryOptions, ScriptedApp } from "./testing/scripted-app.ts";
import { TestClock, turns, until } from "./testing/test-clock.ts";
import { TestHost } from "./testing/test-host.ts";

async function started(
  orchestrators: Record<string, OrchestratorBody>,
  activities: Record<string, ActivityBody> = {},
  options: { store?: MemoryStore; clock?: TestClock; concurrentActivities?: number } = {},
) {
  const clock = options.clock ?? new TestClock();
  const store = options.store ?? new MemoryStore();
  const app = new ScriptedApp(orchestrators, activities);
  const limits = { concurrentActivities: options.concurrentActivities ?? 10, concurrentOrchestrations: 10 };
  const host = new TestHost({ app, store, clock, limits });
  await host.durable.start();
  return { app, clock, host, store };
}

test("runs activities one after the other and completes with what the orchestrator returns", async ({ expect }) => {
  const { host, app } = await started(
    {
      *main({ df }) {
        const one = yield df.callActivity("double", df.getInput());
        return yield df.callActivity("double", one);
      },
    },
    { double: (value) => Number(value) * 2 },
  );
  expect(await host.start("main", "a", 5)).toBe(202);
  expect(await host.finished("a")).toMatchObject({ runtimeStatus: "Completed", input: 5, output: 20 });
  expect(app.executions).toEqual(["main", "double", "main", "double", "main"]);
});

test("fans out to a thousand activities within its limit and few episodes", async ({ expect }) => {
  let running = 0;
  let most = 0;
  const { host, app } = await started(
    {
      *main({ df }) {
        const results = yield df.Task.all(Array.from({ length: 1_000 }, (_, n) => df.callActivity("square", n)));
        return (results as number[]).reduce((sum, n) => sum + n, 0);
      },
    },
    {
      square: async (n) => {
        running += 1;
        most = Math.max(most, running);
        await turns(1);
        running -= 1;
        return Number(n) ** 2;
      },
    },
    { concurrentActivities: 20 },
  );
  await host.start("main", "a");
  expect((await host.finished("a")).output).toBe(332_833_500);
  expect(most).toBe(20);
  expect(app.count("square")).toBe(1_000);
  expect(app.count("main")).toBeLessThan(120);
});

test("gives two hundred events to the waits in the order in which they were raised", async ({ expect }) => {
  const { host } = await started({
    *main({ df }) {
      const seen: unknown[] = [];
      for (let n = 0; n < 200; n += 1) seen.push(yield df.waitForExternalEvent("number"));
      return seen;
    },
  });
  await host.start("main", "a");
  for (let n = 0; n < 200; n += 1) expect(await host.raise("a", "number", n)).toBe(202);
  expect((await host.finished("a")).output).toEqual(Array.from({ length: 200 }, (_, n) => n));
});

test("takes a burst of more events than one episode can", async ({ expect }) => {
  const { host, app } = await started({
    *main({ df }) {
      const seen: unknown[] = [];
      for (let n = 0; n < 300; n += 1) seen.push(yield df.waitForExternalEvent("number"));
      return seen;
    },
  });
  await host.start("main", "a");
  const burst = Array.from({ length: 300 }, (_, n) => n);
  await Promise.all(burst.map((n) => host.raise("a", "number", n)));
  expect((await host.finished("a")).output).toEqual(burst);
  expect(app.count("main")).toBeLessThan(10);
});

test("fires a timer at its time and not before", async ({ expect }) => {
  const { host, clock } = await started({
    *main({ df }) {
      yield df.createTimer(new Date(df.currentUtcDateTime.getTime() + 60_000));
      return df.currentUtcDateTime.toISOString();
    },
  });
  await host.start("main", "a");
  await until(() => clock.waits.length === 1);
  await clock.advance(59_999);
  expect((await host.status("a")).runtimeStatus).toBe("Running");
  await clock.advance(1);
  expect((await host.finished("a")).output).toBe("2026-01-01T00:01:00.000Z");
});

test("retries with growing pauses and gives the error after the last attempt", async ({ expect }) => {
  const times: string[] = [];
  const clock = new TestClock();
  const { host } = await started(
    {
      *main({ df }) {
        const policy = new RetryOptions(1_000, 3);
        policy.backoffCoefficient = 2;
        try {
          return yield df.callActivityWithRetry("fail", policy);
        } catch (error) {
          return (error as Error).message;
        }
      },
    },
    {
      fail: () => {
        times.push(clock.now().toISOString().slice(17, 23));
        throw new Error("no luck");
      },
    },
    { clock },
  );
  await host.start("main", "a");
  await until(() => clock.waits.length === 1);
  await clock.advance(10_000);
  expect((await host.finished("a")).output).toContain("Activity function 'fail' failed:  no luck");
  expect(times).toEqual(["00.000", "01.000", "03.000"]);
});

test("completes at once with the output of an orchestrator that waits for nothing", async ({ expect }) => {
  const { host } = await started({
    // biome-ignore lint/correctness/useYield: the library takes generators only
    *main() {
      return { done: true };
    },
  });
  await host.start("main", "a");
  expect(await host.finished("a")).toMatchObject({ runtimeStatus: "Completed", output: { done: true } });
});

test("fails an orchestrator that throws, with the real host's words", async ({ expect }) => {
  const { host } = await started(
    {
      *main({ df }) {
        yield df.callActivity("ok");
        throw new Error("it broke");
      },
    },
    { ok: () => null },
  );
  await host.start("main", "a");
  expect(await host.finished("a")).toMatchObject({
    runtimeStatus: "Failed",
    output: "Orchestrator function 'main' failed: it broke",
  });
});

test("runs children, gives their results to the parent, and their failures as errors", async ({ expect }) => {
  const { host } = await started({
    *parent({ df }) {
      const good = yield df.callSubOrchestrator("child", 5, "the-child");
      try {
        yield df.callSubOrchestrator("child", -1);
      } catch (error) {
        return [good, (error as Error).message];
      }
      return "no error";
    },
    *child({ df }) {
      yield df.createTimer(df.currentUtcDateTime);
      if (Number(df.getInput()) < 0) throw new Error("negative");
      return [df.instanceId, df.getInput()];
    },
  });
  await host.start("parent", "p");
  const { output } = await host.finished("p");
  expect(output).toEqual([["the-child", 5], expect.stringContaining("Orchestrator function 'child' failed: negative")]);
  expect(await host.status("the-child")).toMatchObject({ runtimeStatus: "Completed" });
});

test("fails the parent's task when the child's id belongs to a running instance", async ({ expect }) => {
  const { host } = await started({
    *parent({ df }) {
      try {
        yield df.callSubOrchestrator("waits", null, "taken");
      } catch (error) {
        return (error as Error).message;
      }
      return "no error";
    },
    *waits({ df }) {
      yield df.waitForExternalEvent("never");
    },
  });
  await host.start("waits", "taken");
  await host.start("parent", "p");
  expect((await host.finished("p")).output).toContain("already exists");
});

test("tells the parent that its child was terminated", async ({ expect }) => {
  const { host } = await started({
    *parent({ df }) {
      yield df.callSubOrchestrator("waits", null, "c");
    },
    *waits({ df }) {
      yield df.waitForExternalEvent("never");
    },
  });
  await host.start("parent", "p");
  await until(async () => (await host.status("c")).runtimeStatus === "Running");
  await host.request("POST", "instances/c/terminate?reason=enough");
  expect(await host.finished("c")).toMatchObject({ runtimeStatus: "Terminated", output: "enough" });
  expect((await host.finished("p")).output).toContain("enough");
});

test("keeps events that come before the orchestrator waits for them", async ({ expect }) => {
  const { host, clock } = await started({
    *main({ df }) {
      yield df.createTimer(new Date(df.currentUtcDateTime.getTime() + 1_000));
      const first = yield df.waitForExternalEvent("e");
      return [first, yield df.waitForExternalEvent("e")];
    },
  });
  await host.start("main", "a");
  await host.raise("a", "e", "one");
  await host.raise("a", "e", "two");
  await clock.advance(1_000);
  expect((await host.finished("a")).output).toEqual(["one", "two"]);
});

test("buffers what comes while suspended, and goes on with it in order after the resume", async ({ expect }) => {
  const { host, app, clock } = await started(
    {
      *main({ df }) {
        const seen: unknown[] = [];
        for (let n = 0; n < 3; n += 1) seen.push(yield df.waitForExternalEvent("e"));
        return [...seen, yield df.callActivity("echo", "end")];
      },
    },
    { echo: (value) => value },
  );
  await host.start("main", "a");
  await until(() => app.count("main") === 1);
  expect((await host.request("POST", "instances/a/suspend?reason=wait")).status).toBe(202);
  await until(async () => (await host.status("a")).runtimeStatus === "Suspended");
  for (const value of [1, 2, 3]) expect(await host.raise("a", "e", value)).toBe(202);
  await clock.advance(60_000);
  expect(app.count("main")).toBe(1);
  expect((await host.request("POST", "instances/a/suspend")).status).toBe(500);
  expect((await host.request("POST", "instances/a/resume")).status).toBe(202);
  expect((await host.finished("a")).output).toEqual([1, 2, 3, "end"]);
});

test("terminates a suspended instance, and drops what its activities still return", async ({ expect }) => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { host, app } = await started(
    {
      *main({ df }) {
        yield df.callActivity("hold");
      },
    },
    { hold: () => held },
  );
  await host.start("main", "a");
  await until(() => app.count("hold") === 1);
  await host.request("POST", "instances/a/suspend");
  await until(async () => (await host.status("a")).runtimeStatus === "Suspended");
  expect((await host.request("POST", "instances/a/terminate?reason=stop%20it")).status).toBe(202);
  expect(await host.finished("a")).toMatchObject({ runtimeStatus: "Terminated", output: "stop it" });
  release();
  await turns();
  expect((await host.status("a")).runtimeStatus).toBe("Terminated");
  expect((await host.request("POST", "instances/a/terminate?reason=again")).status).toBe(410);
});

test("starts over with continue-as-new, without the old history", async ({ expect }) => {
  const { host, clock } = await started(
    {
      *main({ df }) {
        const round = Number(df.getInput());
        yield df.createTimer(new Date(df.currentUtcDateTime.getTime() + 1_000));
        yield df.callActivity("noop");
        if (round < 20) df.continueAsNew(round + 1);
        return round;
      },
    },
    { noop: () => null },
  );
  await host.start("main", "a", 0);
  await clock.advance(60_000);
  const status = await host.finished("a");
  expect(status).toMatchObject({ runtimeStatus: "Completed", output: 20, input: 20 });
  expect(status.createdTime).toBe("2026-01-01T00:00:20Z");
  const { historyEvents } = await host.status("a", "?showHistory=true");
  expect(historyEvents?.map(({ EventType: type }) => type)).toEqual([
    "ExecutionStarted",
    "TimerCreated",
    "TimerFired",
    "TaskCompleted",
    "ExecutionCompleted",
  ]);
});

test("shows the custom status that the orchestrator set last", async ({ expect }) => {
  const { host } = await started({
    *main({ df }) {
      df.setCustomStatus("one");
      yield df.waitForExternalEvent("go");
      df.setCustomStatus({ at: "two" });
      yield df.waitForExternalEvent("go");
    },
  });
  await host.start("main", "a");
  await host.reaches("a", "one");
  await host.raise("a", "go");
  await until(async () => JSON.stringify((await host.status("a")).customStatus) === '{"at":"two"}');
  expect((await host.status("a")).runtimeStatus).toBe("Running");
});

test("refuses a custom status of more than 16 KB", async ({ expect }) => {
  const { host } = await started({
    *main({ df }) {
      df.setCustomStatus("x".repeat(9_000));
      yield df.waitForExternalEvent("go");
    },
  });
  await host.start("main", "a");
  expect((await host.finished("a")).output).toContain("must not exceed 16 KB. The current payload size is 18 KB.");
});

test("runs again what its worker died under, and nothing that had ended", async ({ expect }) => {
  const clock = new TestClock();
  const app = new ScriptedApp(
    {
      *main({ df }) {
        const timer = df.createTimer(new Date(df.currentUtcDateTime.getTime() + 10_000));
        return yield df.Task.all([timer, df.callActivity("echo", 7), df.callActivity("echo", 8)]);
      },
    },
    { echo: (value) => value },
  );
  let deaths = 0;
  const invoker: Invoker = {
    invoke: async (name, request) => {
      // Dies under the first episode, under one activity, and twice under the episode that both results go to.
      const count = app.count(name) + deaths;
      const dies = name === "main" ? deaths < 1 || (deaths >= 2 && deaths < 4) : deaths === 1 && count === 1;
      if (!dies) return app.invoke(name, request);
      deaths += 1;
      if (deaths === 2) throw new Error("the channel to the worker is closed");
      return { ok: false, error: { name: WORKER_GONE, message: "the worker process ended", stack: "" } };
    },
  };
  const host = new TestHost({ app, invoker, store: new MemoryStore(), clock });
  await host.durable.start();
  await host.start("main", "a");
  await clock.advance(60_000);
  expect(await host.finished("a")).toMatchObject({ runtimeStatus: "Completed", output: [null, 7, 8] });
  expect(deaths).toBe(4);
  expect(app.count("echo")).toBe(2);
  const { historyEvents } = await host.status("a", "?showHistory=true");
  expect(historyEvents?.filter(({ EventType: type }) => type === "TimerFired")).toHaveLength(1);
});

test("goes on after the store failed, from what the store has", async ({ expect }) => {
  const clock = new TestClock();
  const store = new MemoryStore();
  const commit = store.commit.bind(store);
  let failures = 0;
  store.commit = async (change) => {
    failures += 1;
    // Fails before its effect, then after it, as a lost answer does.
    if (failures === 1) throw new Error("the table service is away");
    const revision = await commit(change);
    if (failures % 3 === 0 && failures < 10) throw new Error("the answer was lost");
    return revision;
  };
  const { host } = await started(
    {
      *main({ df }) {
        const one = yield df.callActivity("echo", 1);
        const event = yield df.waitForExternalEvent("e");
        return [one, event, yield df.callActivity("echo", 2)];
      },
    },
    { echo: (value) => value },
    { store, clock },
  );
  await host.start("main", "a");
  await host.raise("a", "e", "event");
  await clock.advance(300_000);
  expect((await host.finished("a")).output).toEqual([1, "event", 2]);
  expect(failures).toBeGreaterThan(3);
});

test("takes no event and no result twice when the answers of the store get lost", async ({ expect }) => {
  const clock = new TestClock();
  const store = new MemoryStore();
  const commit = store.commit.bind(store);
  let commits = 0;
  store.commit = async (change) => {
    const revision = await commit(change);
    commits += 1;
    if (commits % 2 === 0) throw new Error("the answer was lost");
    return revision;
  };
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { host, app } = await started(
    {
      *main({ df }) {
        const event = () => df.waitForExternalEvent("e");
        const slow = () => df.callActivity("slow");
        return [yield df.Task.all([slow(), event(), event(), event(), slow()]), yield event()];
      },
    },
    { slow: () => held.then(() => "slow") },
    { store, clock },
  );
  await host.start("main", "a");
  for (let n = 1; n <= 3; n += 1) {
    await host.raise("a", "e", n);
    await clock.advance(60_000);
  }
  release();
  await clock.advance(60_000);
  await host.raise("a", "e", "last");
  await clock.advance(60_000);
  expect((await host.finished("a")).output).toEqual([["slow", 3, 2, 1, "slow"], "last"]);
  expect(app.count("slow")).toBe(2);
  const { historyEvents } = await host.status("a", "?showHistory=true");
  expect(historyEvents?.filter(({ EventType: type }) => type === "TaskCompleted")).toHaveLength(2);
});

test("never lets time go back for an instance, even when the clock does", async ({ expect }) => {
  const body: OrchestratorBody = function* ({ df }) {
    yield df.waitForExternalEvent("e");
    yield df.createTimer(new Date(df.currentUtcDateTime.getTime() + 1_000));
  };
  const store = new MemoryStore();
  const first = await started({ main: body }, {}, { store });
  await first.host.start("main", "a");
  await until(async () => (await first.host.status("a")).runtimeStatus === "Running");
  await first.host.durable.stop();
  const clock = new TestClock("2025-12-31T00:00:00.000Z");
  const second = await started({ main: body }, {}, { store, clock });
  await second.host.raise("a", "e");
  await until(() => clock.waits.length === 1);
  expect(clock.waits).toEqual([new Date("2026-01-01T00:00:01.000Z")]);
  expect((await second.host.status("a")).lastUpdatedTime).toBe("2026-01-01T00:00:00Z");
});

test("re-arms a timer after a restart, and fires it once at its time", async ({ expect }) => {
  const body: OrchestratorBody = function* ({ df }) {
    yield df.createTimer(new Date(df.currentUtcDateTime.getTime() + 60_000));
    return df.currentUtcDateTime.toISOString();
  };
  const store = new MemoryStore();
  const first = await started({ main: body }, {}, { store });
  await first.host.start("main", "a");
  await until(() => first.clock.waits.length === 1);
  await first.host.durable.stop();
  expect(first.clock.waits).toEqual([]);

  const clock = new TestClock("2026-01-01T00:00:30.000Z");
  const second = await started({ main: body }, {}, { store, clock });
  await clock.advance(29_999);
  expect(second.app.count("main")).toBe(0);
  await clock.advance(1);
  expect((await second.host.finished("a")).output).toBe("2026-01-01T00:01:00.000Z");
  expect(second.app.count("main")).toBe(1);
});

test("fires a timer at once that came due while the host was down", async ({ expect }) => {
  const body: OrchestratorBody = function* ({ df }) {
    yield df.createTimer(new Date(df.currentUtcDateTime.getTime() + 60_000));
    return "fired";
  };
  const store = new MemoryStore();
  const first = await started({ main: body }, {}, { store });
  await first.host.start("main", "a");
  await until(() => first.clock.waits.length === 1);
  await first.host.durable.stop();
  const second = await started({ main: body }, {}, { store, clock: new TestClock("2026-01-02T00:00:00.000Z") });
  expect((await second.host.finished("a")).output).toBe("fired");
});

test("stops only after the activities under way are recorded, and starts no others", async ({ expect }) => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const orchestrators: Record<string, OrchestratorBody> = {
    *main({ df }) {
      return [yield df.callActivity("hold", 1), yield df.callActivity("next", 2)];
    },
  };
  const store = new MemoryStore();
  const first = await started(orchestrators, { hold: () => held.then(() => "held"), next: () => "n" }, { store });
  await first.host.start("main", "a");
  await until(() => first.app.count("hold") === 1);
  let hasStopped = false;
  const stopping = first.host.durable.stop().then(() => {
    hasStopped = true;
  });
  await turns();
  expect(hasStopped).toBe(false);
  release();
  await stopping;
  expect(first.app.count("next")).toBe(0);

  const second = await started(orchestrators, { hold: () => "again", next: () => "next" }, { store });
  expect((await second.host.finished("a")).output).toEqual(["held", "next"]);
});

test("waits for nothing, and so costs nothing, while all instances wait for events", async ({ expect }) => {
  const { host, clock, app } = await started({
    *main({ df }) {
      yield df.waitForExternalEvent("e");
    },
  });
  for (let n = 0; n < 10; n += 1) await host.start("main", `a${n}`);
  await until(() => app.count("main") === 10);
  await turns();
  expect(clock.waits).toEqual([]);
  expect(app.count("main")).toBe(10);
});
