import { test } from "vitest";
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
