import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OrchestrationContext, RetryOptions as RetryPolicy, Task } from "durable-functions";
import { describe, test } from "vitest";
import { EventType } from "../../local/host/durable/testing/histories.ts";
import {
  type LibraryOrchestrator,
  libraryOrchestrator,
  RetryOptions,
  registeredOrchestrator,
} from "../../local/host/durable/testing/scripted-app.ts";
import { durableFlow } from "../../src/azure/durable-flow.ts";
import { planRanges, removeMarkers, writeMarkers } from "../../src/backup/activities.ts";
import { backupOrchestration } from "../../src/backup/backup-orchestration.ts";
import { type Activity, type Durable, type Flow, type Outcome, openOutcome } from "../../src/foundation/flow.ts";
import { endJob } from "../../src/jobs/end-job.ts";
import type { JobRef } from "../../src/jobs/job-ref.ts";
import { CALLABLE, ORCHESTRATIONS } from "./app-functions.ts";
import { CASES } from "./history-cases.ts";
import { parseHistory, type RecordedHistory, readHistories } from "./recorded-history.ts";
import { nameOf, recordHistories, recordHistory } from "./recorder.ts";
import { ReplayDifference, replayHistory } from "./replay-history.ts";

const HISTORIES = await readHistories();

function historyOf(name: string): RecordedHistory {
  const found = HISTORIES.find(({ file }) => file === `${name}.json`);
  if (found === undefined) throw new Error(`there is no history '${name}'`);
  return found;
}

test.for(HISTORIES.map((history): [string, RecordedHistory] => [history.file, history]))(
  "%s is replayed as it was recorded, from wherever a new version finds it",
  async ([, history], { expect }) => {
    const orchestrator = registeredOrchestrator(history.started.Name);
    expect(await replayHistory(history, orchestrator, CALLABLE)).toBeGreaterThan(2);
  },
);

test("every orchestration of the app has recorded histories, each up to its end", ({ expect }) => {
  expect(ORCHESTRATIONS.length).toBeGreaterThan(3);
  expect(new Set(HISTORIES.map(({ started }) => started.Name))).toEqual(new Set(ORCHESTRATIONS));
  for (const { file, started, episodes } of HISTORIES) {
    expect(file).toMatch(new RegExp(`^${started.Name}-[a-z0-9-]+\\.json$`));
    expect(
      episodes.at(-1)?.answer.map(({ EventType }) => EventType),
      file,
    ).toEqual([EventType.ExecutionCompleted]);
  }
});

test("every case of the recorder is recorded", ({ expect }) => {
  const files = new Set(HISTORIES.map(({ file }) => file));
  const missing = CASES.map(nameOf).filter((name) => !files.has(`${name}.json`));
  expect(missing, "npm run record:histories writes them").toEqual([]);
  expect(CASES.length).toBeGreaterThan(30);
});

describe("a replay refuses", () => {
  /** A backup over a flow with other members, as if its code had been changed. */
  function changed(change: (flow: Flow, context: OrchestrationContext) => Partial<Flow>): LibraryOrchestrator {
    return libraryOrchestrator(function* (context) {
      const flow = durableFlow(context);
      const body = backupOrchestration({ ...flow, ...change(flow, context) }, context.df.getInput<JobRef>());
      return yield* body as Generator<Task>;
    });
  }

  async function refusal(name: string, orchestrator: LibraryOrchestrator): Promise<string> {
    const thrown = await replayHistory(historyOf(name), orchestrator, CALLABLE).catch((error: unknown) => error);
    return thrown instanceof ReplayDifference ? thrown.message : `no difference: ${thrown}`;
  }

  test("another activity before all others", async ({ expect }) => {
    const another = libraryOrchestrator(function* (context) {
      const flow = durableFlow(context);
      const job = context.df.getInput<JobRef>();
      yield* flow.call(removeMarkers, job) as Generator<Task>;
      return yield* backupOrchestration(flow, job) as Generator<Task>;
    });
    expect(await refusal("backup-completed", another)).toBe(
      [
        "'backup' does not replay 'backup-completed.json': it differs at event 3, in episode 1 of 11, after ExecutionStarted",
        `  expected  activity 'finishPurges' (task 0) with {"vault":"vault","job":"one"}`,
        `  got       activity 'removeMarkers' (task 0) with {"vault":"vault","job":"one"}`,
        "  What to do about it stands in docs/testing.md, Recorded histories.",
      ].join("\n"),
    );
  });

  test("two calls that changed places", async ({ expect }) => {
    const places = new Map([
      [writeMarkers.name, planRanges.name],
      [planRanges.name, writeMarkers.name],
    ]);
    const swapped = changed((flow) => ({
      call: (activity, input) => flow.call({ ...activity, name: places.get(activity.name) ?? activity.name }, input),
    }));
    const message = await refusal("backup-completed", swapped);
    expect(message).toContain("in episode 3 of 11, after TaskCompleted of 'beginBackup' (task 1)\n");
    expect(message).toContain("expected  activity 'writeMarkers' (task 2)");
    expect(message).toContain("got       activity 'planRanges' (task 2)");
  });

  test("another input", async ({ expect }) => {
    const told = changed((flow) => ({
      call: (activity, input) => flow.call(activity, activity.name === endJob.name ? { ...input, note: 1 } : input),
    }));
    const message = await refusal("backup-completed", told);
    expect(message).toContain(`expected  activity 'endJob' (task 5) with {"vault":"vault","job":"one"}\n`);
    expect(message).toContain(`got       activity 'endJob' (task 5) with {"vault":"vault","job":"one","note":1}\n`);
  });

  test("a wait for other events, and one that is left out", async ({ expect }) => {
    const other = changed((flow) => ({ waitForAll: (events) => flow.waitForAll(events.map((event) => `${event}.2`)) }));
    const deaf = await refusal("backup-completed", other);
    expect(deaf).toContain("after EventRaised 'replicated._web'\n");
    expect(deaf).toContain("expected  activity 'sealRecoveryPoint' (task 4)");
    expect(deaf).toContain("got       nothing more before the next event\n");

    const hasty = await refusal(
      "backup-completed",
      changed((flow) => ({ waitForAll: () => flow.waitForAll([]) })),
    );
    expect(hasty).toContain("after TaskCompleted of 'planRanges' (task 3)\n");
    expect(hasty).toContain("expected  nothing more before the next event\n");
    expect(hasty).toContain("got       activity 'sealRecoveryPoint' (task 4)");
  });

  /** Calls with other retries; absent: with none. */
  const calling = (options?: RetryPolicy) =>
    changed((_flow, { df }) => ({
      *call<In, Out>({ name }: Activity<In, Out>, input: In): Durable<Out> {
        const task =
          options === undefined ? df.callActivity(name, input) : df.callActivityWithRetry(name, options, input);
        return openOutcome((yield task) as Outcome<Out>);
      },
    }));

  test("a call that is not retried, or less often", async ({ expect }) => {
    const once = await refusal("backup-retried", calling());
    expect(once).toContain("after TaskFailed of 'beginBackup' (task 1)\n");
    expect(once).toContain("expected  timer (task 2)\n");
    expect(once).toContain("got       activity 'endJob' (task 2)");
    const thrice = await refusal("backup-retried", calling(new RetryOptions(5_000, 3)));
    expect(thrice).toMatch(/after TimerFired \(task \d+\)\n {2}expected {2}activity 'writeMarkers'/);
  });

  test("another end, and an activity that the app no longer has", async ({ expect }) => {
    const other = libraryOrchestrator(function* (context) {
      yield* backupOrchestration(durableFlow(context), context.df.getInput<JobRef>()) as Generator<Task>;
      return "done";
    });
    const end = await refusal("backup-completed", other);
    expect(end).toContain(`expected  the end, completed with "Completed"\n`);
    expect(end).toContain(`got       the end, completed with "done"\n`);

    const renamed = changed((flow) => ({
      call: (activity, input) => flow.call({ ...activity, name: `${activity.name}2` }, input),
    }));
    expect(await refusal("backup-completed", renamed)).toContain("The function 'finishPurges2' doesn't exist");
  });

  test("but not other pauses between retries, which the real host accepts", async ({ expect }) => {
    const patient = calling(new RetryOptions(60_000, 5));
    expect(await replayHistory(historyOf("backup-retried"), patient, CALLABLE)).toBeGreaterThan(20);
    expect(
      await replayHistory(
        historyOf("backup-completed"),
        changed(() => ({})),
        CALLABLE,
      ),
    ).toBe(11);
  });
});

describe("the recorder", () => {
  const [first, second] = CASES;
  if (first === undefined || second === undefined) throw new Error("there are no cases");

  async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
    const folder = `${await mkdtemp(join(tmpdir(), "histories-"))}/`;
    try {
      await body(folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  test("writes the same bytes each time", async ({ expect }) => {
    const text = await recordHistory(second);
    expect(await recordHistory(second)).toBe(text);
    expect(parseHistory("again.json", text).episodes.length).toBeGreaterThan(10);
  });

  test("keeps recorded histories, unless they are named, and then returns their names", async ({ expect }) => {
    await inFolder(async (folder) => {
      const lines: string[] = [];
      const record = (...force: string[]): Promise<string[]> =>
        recordHistories({ folder, cases: [first, second], force, writeLine: (line) => lines.push(line) });
      const old = `${folder}${nameOf(first)}.json`;
      await writeFile(old, "recorded long ago");
      expect(await record()).toEqual([nameOf(second)]);
      expect(await record()).toEqual([]);
      expect(await readFile(old, "utf8")).toBe("recorded long ago");
      expect(lines.join("\n")).not.toContain("OVERWRITTEN");

      await expect(record("backup-unheard-of")).rejects.toThrow("there is no case 'backup-unheard-of'");
      expect(await record(nameOf(first))).toEqual([nameOf(first)]);
      expect(parseHistory(old, await readFile(old, "utf8")).started.Name).toBe("backup");
      expect(lines.join("\n")).toContain(`OVERWRITTEN ${nameOf(first)}.json`);
    });
  });

  test("refuses a case that does not end", async ({ expect }) => {
    await expect(recordHistory({ ...first, events: [] })).rejects.toThrow("waits for what the case does not say");
  });
});

test("a truncated history is refused", async ({ expect }) => {
  const { payload } = historyOf("backup-completed");
  const cut = (history: readonly unknown[]): string => JSON.stringify({ ...payload, history });
  expect(() => parseHistory("cut.json", cut(payload.history.slice(0, -1)))).toThrow("breaks off within an episode");
  expect(() => parseHistory("cut.json", cut(payload.history.slice(2)))).toThrow("does not begin with the start");
});
