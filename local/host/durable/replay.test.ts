import { test } from "vitest";
import type { HistoryEvent } from "./history.ts";
import { ReplayDriver } from "./testing/replay-driver.ts";
import { type OrchestratorBody, RetryOptions } from "./testing/scripted-app.ts";

const DAY_MS = 86_400_000;

async function driven(body: OrchestratorBody): Promise<ReplayDriver> {
  const driver = new ReplayDriver(body);
  await driver.episode([]);
  return driver;
}

/** Ends the oldest open work with a result. */
function end(driver: ReplayDriver, result: unknown = null, which = 0): HistoryEvent {
  const scheduled = driver.pending[which];
  if (scheduled === undefined) throw new Error("nothing is open");
  return driver.completed(scheduled, result);
}

test("hands out ids to activities, timers and children from left to right, and none to events", async ({ expect }) => {
  const driver = await driven(function* ({ df }) {
    yield df.Task.all([
      df.callActivity("work", 1),
      df.waitForExternalEvent("e"),
      df.Task.any([
        df.createTimer(new Date(df.currentUtcDateTime.getTime() + 5_000)),
        df.callSubOrchestrator("child", 2),
      ]),
      df.callActivity("other"),
    ]);
  });
  expect(driver.commands).toEqual([
    { kind: "activity", id: 0, name: "work", input: "[1]" },
    { kind: "timer", id: 1, fireAt: "2026-01-01T00:00:05.000Z" },
    { kind: "subOrchestration", id: 2, name: "child", version: "", instanceId: "execution:2", input: "2" },
    { kind: "activity", id: 3, name: "other", input: "[null]" },
  ]);
});

test("cuts a timer of more than six days into pieces of three", async ({ expect }) => {
  const driver = await driven(function* ({ df }) {
    const start = df.currentUtcDateTime.getTime();
    yield df.createTimer(new Date(start + 10 * DAY_MS + 1_000));
    return (df.currentUtcDateTime.getTime() - start) / 1_000;
  });
  while (driver.outcome.kind === "running") await driver.episode([end(driver)]);
  expect(driver.commands.map((command) => command.kind === "timer" && command.fireAt.slice(8, 19))).toEqual([
    "04T00:00:00",
    "07T00:00:00",
    "10T00:00:00",
    "11T00:00:01",
  ]);
  expect(driver.outcome).toEqual({ kind: "completed", output: String(10 * 86_400 + 1) });
});

test("leaves a timer of six days in one piece", async ({ expect }) => {
  const driver = await driven(function* ({ df }) {
    yield df.createTimer(new Date(df.currentUtcDateTime.getTime() + 6 * DAY_MS));
  });
  expect(driver.commands).toEqual([{ kind: "timer", id: 0, fireAt: "2026-01-07T00:00:00.000Z" }]);
});

test("gives a retried call one id an attempt, one a pause, and a last timer that fires at once", async ({ expect }) => {
  const driver = await driven(function* ({ df }) {
    const policy = new RetryOptions(10_000, 3);
    policy.backoffCoefficient = 3;
    policy.maxRetryIntervalInMilliseconds = 20_000;
    yield df.callActivityWithRetry("work", policy);
  });
  while (driver.outcome.kind === "running") {
    const [scheduled] = driver.pending;
    if (scheduled === undefined) throw new Error("it hangs");
    await driver.episode(["Name" in scheduled ? driver.failed(scheduled, "no") : driver.completed(scheduled, null)]);
  }
  expect(
    driver.commands.map((command) => (command.kind === "timer" ? command.fireAt.slice(17, 19) : command.kind)),
  ).toEqual(["activity", "10", "activity", "30", "activity", "30"]);
  expect(driver.outcome).toMatchObject({
    kind: "failed",
    message: expect.stringContaining("Orchestrator function 'main' failed: no"),
  });
});

test("does not finish while a timer that lost is open, and finishes at once when it was cancelled", async ({
  expect,
}) => {
  const race = (cancels: boolean): OrchestratorBody =>
    function* ({ df }) {
      const timer = df.createTimer(new Date(df.currentUtcDateTime.getTime() + 60_000));
      yield df.Task.any([df.callActivity("work"), timer]);
      if (cancels) timer.cancel();
      return "done";
    };
  const patient = await driven(race(false));
  await patient.episode([end(patient)]);
  expect(patient.outcome).toEqual({ kind: "running" });
  await patient.episode([end(patient)]);
  expect(patient.outcome).toEqual({ kind: "completed", output: '"done"' });

  const quick = await driven(race(true));
  await quick.episode([end(quick)]);
  expect(quick.outcome).toEqual({ kind: "completed", output: '"done"' });
});

test("gives a cancelled timer its id, so that what follows keeps its own", async ({ expect }) => {
  const driver = await driven(function* ({ df }) {
    const timer = df.createTimer(new Date(df.currentUtcDateTime.getTime() + 60_000));
    yield df.Task.any([timer, df.waitForExternalEvent("go")]);
    timer.cancel();
    yield df.callActivity("work", "one");
    yield df.callActivity("work", "two");
  });
  await driver.episode([driver.raised("go", null)]);
  expect(driver.pending.map(({ EventId }) => EventId)).toEqual([1]);
  await driver.episode([end(driver)]);
  await driver.episode([end(driver)]);
  expect(driver.outcome).toEqual({ kind: "completed", output: null });
  expect(driver.commands.map(({ id }) => id)).toEqual([0, 1, 2]);
});

test("waits for every child of a failed 'all' before it starts what comes next", async ({ expect }) => {
  const driver = await driven(function* ({ df }) {
    try {
      yield df.Task.all([df.callActivity("work", 1), df.callActivity("work", 2)]);
    } catch {
      yield df.callActivity("other");
    }
  });
  const [first] = driver.pending;
  if (first === undefined) throw new Error("nothing was started");
  expect(await driver.episode([driver.failed(first, "no")])).toEqual([]);
  expect(await driver.episode([end(driver)])).toMatchObject([{ id: 2, name: "other" }]);
});

test("gives events to waits of the same name last in, first out, as the library does", async ({ expect }) => {
  const driver = await driven(function* ({ df }) {
    return yield df.Task.all([df.waitForExternalEvent("e"), df.waitForExternalEvent("e")]);
  });
  await driver.episode([driver.raised("e", 1), driver.raised("e", 2)]);
  expect(driver.outcome).toEqual({ kind: "completed", output: "[2,1]" });
});

test("gives an event to the latest wait for it, so that a wait that lost holds nothing up", async ({ expect }) => {
  const driver = await driven(function* ({ df }) {
    yield df.Task.any([df.waitForExternalEvent("e"), df.callActivity("work")]);
    yield df.waitForExternalEvent("e");
    yield df.callActivity("other");
  });
  await driver.episode([end(driver)]);
  expect(await driver.episode([driver.raised("e", 1)])).toMatchObject([{ id: 1, name: "other" }]);
});

test("starts over with the new input, and carries over events that came after the decision", async ({ expect }) => {
  const driver = await driven(function* ({ df }) {
    const value = yield df.waitForExternalEvent("e");
    df.continueAsNew({ value });
  });
  await driver.episode([driver.raised("other", 0), driver.raised("e", 1), driver.raised("e", 2)]);
  expect(driver.outcome).toMatchObject({
    kind: "continuedAsNew",
    input: '{"value":1}',
    carried: [{ Name: "e", Input: "2" }],
  });
});

test("hands the text of a string input to the next run with its quotes, as the real host does", async ({ expect }) => {
  const driver = await driven(function* ({ df }) {
    yield df.waitForExternalEvent("e");
    df.continueAsNew("second");
  });
  await driver.episode([driver.raised("e", 1)]);
  expect(driver.outcome).toMatchObject({ input: JSON.stringify('"second"') });
});

test.for<[string, OrchestratorBody, string]>([
  [
    "an activity that is not scheduled any more",
    function* ({ df }) {
      yield df.waitForExternalEvent("e");
    },
    "Non-Deterministic workflow detected: A previous execution of this orchestration scheduled an activity task with sequence ID 0 and name 'work' (version ''), but the current replay execution hasn't (yet?) scheduled this task. Was a change made to the orchestrator code after this instance had already started running?",
  ],
  [
    "another activity",
    function* ({ df }) {
      yield df.callActivity("other");
    },
    "Non-Deterministic workflow detected: A previous execution of this orchestration scheduled an activity task with sequence number 0 named 'work', but the current orchestration replay instead scheduled an activity task named 'other' with this sequence number.  Was a change made to the orchestrator code after this instance had already started running?",
  ],
  [
    "a timer in place of an activity",
    function* ({ df }) {
      yield df.createTimer(new Date(df.currentUtcDateTime.getTime() + 1_000));
    },
    "Non-Deterministic workflow detected: A previous execution of this orchestration scheduled an activity task with sequence number 0 named 'work', but the current orchestration replay instead produced a CreateTimerOrchestratorAction action with this sequence number. Was a change made to the orchestrator code after this instance had already started running?",
  ],
])("fails an orchestrator that replays %s", async ([, changed, message], { expect }) => {
  const driver = await driven(function* ({ df }) {
    yield df.callActivity("work");
    yield df.callActivity("other");
  });
  driver.deploy(changed);
  await driver.episode([driver.raised("unheard", null)]);
  expect(driver.outcome).toEqual({ kind: "failed", message });
});

test.for<[string, OrchestratorBody, string]>([
  [
    "an activity that does not exist",
    function* ({ df }) {
      yield df.callActivity("missing");
    },
    "The function 'missing' doesn't exist, is disabled, or is not an activity function. Additional info: The following are the known activity functions: 'work', 'other'.",
  ],
  [
    "an orchestrator that does not exist",
    function* ({ df }) {
      yield df.callSubOrchestrator("missing");
    },
    "The function 'missing' doesn't exist, is disabled, or is not an orchestrator function. Additional info: The following are the known orchestrator functions: 'child'.",
  ],
  [
    "itself as its child",
    function* ({ df }) {
      yield df.callSubOrchestrator("child", null, "instance");
    },
    "The instance ID of a sub-orchestration must be different than the instance ID of a parent orchestration.",
  ],
  [
    "an HTTP endpoint",
    function* ({ df }) {
      yield df.callHttp({ method: "GET", url: "http://127.0.0.1/" });
    },
    "the embedded host does not support callHttp, use Azure Functions Core Tools",
  ],
  [
    "an entity",
    function* ({ df }) {
      yield df.callEntity({ name: "counter", key: "one" } as never, "get");
    },
    "the embedded host does not support callEntity, use Azure Functions Core Tools",
  ],
  [
    "an activity with a retry timeout",
    function* ({ df }) {
      const policy = new RetryOptions(1_000, 2);
      policy.retryTimeoutInMilliseconds = 5_000;
      yield df.callActivityWithRetry("work", policy);
    },
    "retryTimeoutInMilliseconds hangs an orchestration on the real host; leave it out",
  ],
])("fails an orchestrator that calls %s", async ([, body, reason], { expect }) => {
  const driver = await driven(body);
  expect(driver.outcome).toEqual({ kind: "failed", message: `Orchestrator function 'main' failed: ${reason}` });
});

test("starts a task again that is waited for in a second 'any', as the real host does", async ({ expect }) => {
  const driver = await driven(function* ({ df }) {
    const slow = df.callActivity("work", 2);
    yield df.Task.any([df.callActivity("work", 1), slow]);
    yield df.Task.any([slow]);
  });
  await driver.episode([end(driver)]);
  expect(driver.commands).toMatchObject([{ input: "[1]" }, { input: "[2]" }, { input: "[2]" }]);
});
