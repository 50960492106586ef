import { test } from "vitest";
import { MemoryStore } from "./memory-store.ts";
import { CrashingStore, type CrashPoint } from "./testing/crashing-store.ts";
import { ScriptedApp } from "./testing/scripted-app.ts";
import { TestClock, turns } from "./testing/test-clock.ts";
import { type Status, TestHost } from "./testing/test-host.ts";

const STEP_MS = 10_000;

function makeApp(executed: unknown[]): ScriptedApp {
  return new ScriptedApp(
    {
      *main({ df }) {
        const one = yield df.callActivity("step", 1);
        const both = yield df.Task.all([df.callActivity("step", 2), df.callSubOrchestrator("child", 3)]);
        const first = yield df.waitForExternalEvent("first");
        yield df.createTimer(new Date(df.currentUtcDateTime.getTime() + 60_000));
        const second = yield df.waitForExternalEvent("second");
        return [one, both, first, second];
      },
      *child({ df }) {
        return Number(yield df.callActivity("step", df.getInput())) * 10;
      },
      *collect({ df }) {
        const list = df.getInput<unknown[]>() ?? [];
        const value = yield df.waitForExternalEvent("tick");
        if (value !== "stop") df.continueAsNew([...list, value]);
        return list;
      },
      *patient({ df }) {
        if (df.getInput<{ again?: boolean }>()?.again) return yield df.waitForExternalEvent("late");
        const timer = df.createTimer(new Date(df.currentUtcDateTime.getTime() + 60_000));
        yield df.Task.any([timer, df.waitForExternalEvent("go")]);
        // The timer is still open, so the new run begins only when it fires; what comes until then is for the new run.
        df.continueAsNew({ again: true });
        return null;
      },
    },
    {
      step: (input) => {
        executed.push(input);
        return input;
      },
    },
  );
}

type Request = readonly [name: string, send: (host: TestHost) => Promise<number>];

const REQUESTS: readonly Request[] = [
  ["start main", (host) => host.start("main", "m")],
  ["start patient", (host) => host.start("patient", "p", {})],
  ["go", (host) => host.raise("p", "go")],
  ["late", (host) => host.raise("p", "late", "l")],
  ["start collect", (host) => host.start("collect", "c", [])],
  ["first", (host) => host.raise("m", "first", "f")],
  ["tick 1", (host) => host.raise("c", "tick", 1)],
  ["tick 2", (host) => host.raise("c", "tick", 2)],
  ["second", (host) => host.raise("m", "second", "s")],
  ["tick 3", (host) => host.raise("c", "tick", 3)],
  ["tick stop", (host) => host.raise("c", "tick", "stop")],
];

interface Run {
  readonly main: Status;
  readonly collect: Status;
  readonly patient: Status;
  readonly executed: unknown[];
  readonly calls: readonly string[];
  readonly hasDied: boolean;
  /** Requests that were sent again because they had no answer. */
  readonly repeated: string[];
}

/** Sends the requests to a host that dies at the point, and the rest to the next one, which finishes the work. */
async function run(point?: CrashPoint): Promise<Run> {
  const store = new MemoryStore();
  const crashing = new CrashingStore(store, point);
  const executed: unknown[] = [];
  const answered: string[] = [];
  const sent: string[] = [];
  let hasDied = false;
  const died = crashing.died.then(() => {
    hasDied = true;
  });

  const send = async (host: TestHost, clock: TestClock, requests: readonly Request[]): Promise<void> => {
    for (const [name, request] of requests) {
      sent.push(name);
      await request(host);
      answered.push(name);
      await clock.advance(STEP_MS);
    }
    await clock.advance(100_000);
  };

  const clock = new TestClock();
  const host = new TestHost({ app: makeApp(executed), store: crashing.store, clock });
  await Promise.race([died, host.durable.start().then(() => send(host, clock, REQUESTS))]);
  if (!hasDied) await turns();

  const nextClock = new TestClock(new Date(clock.now().getTime() + 5_000).toISOString());
  const next = new TestHost({ app: makeApp(executed), store, clock: nextClock });
  await next.durable.start();
  const missing = REQUESTS.filter(([name]) => !answered.includes(name));
  const repeated = missing.map(([name]) => name).filter((name) => sent.includes(name));
  await send(next, nextClock, missing);
  const [main, collect, patient] = [await next.finished("m"), await next.finished("c"), await next.finished("p")];
  await next.durable.stop();
  return { main, collect, patient, executed, calls: crashing.calls, hasDied, repeated };
}

test("ends the same wherever the host died, with no event lost and each activity done", async ({ expect }) => {
  const calm = await run();
  expect(calm.main.output).toEqual([1, [2, 30], "f", "s"]);
  expect(calm.collect.output).toEqual([1, 2, 3]);
  expect(calm.patient.output).toBe("l");
  expect(calm.executed.toSorted()).toEqual([1, 2, 3]);

  let tried = 0;
  for (let call = 1; call <= calm.calls.length; call += 1) {
    for (const when of ["before", "after"] as const) {
      const where = `${when} call ${call}, ${calm.calls[call - 1]}`;
      const { main, collect, patient, executed, hasDied, repeated } = await run({ call, when });
      expect(hasDied, where).toBe(true);
      expect(main.output, where).toEqual(calm.main.output);
      expect(patient.output, where).toBe("l");
      expect(new Set(executed), where).toEqual(new Set([1, 2, 3]));
      // An event that was sent twice, because its first answer was lost, may come twice; no other may, and none is
      // lost.
      const values = (collect.output as number[]).filter(
        (value, index, all) => all[index - 1] !== value || !repeated.includes(`tick ${value}`),
      );
      expect(values, where).toEqual([1, 2, 3]);
      tried += 1;
    }
  }
  expect(tried).toBeGreaterThan(50);
}, 60_000);
