/**
 * @module
 * Records histories: runs an orchestration of the app with the real library on the development engine, in memory, with
 * scripted activities and a clock that nothing else moves. The same case gives the same bytes each time.
 */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import type { InvocationContext } from "@azure/functions";
import {
  EventType,
  isFinished,
  MemoryStore,
  orchestrationTrigger,
  type StoredInstance,
} from "../../local/host/durable/testing/histories.ts";
import { type ActivityBody, ScriptedApp } from "../../local/host/durable/testing/scripted-app.ts";
import { TestClock, turns } from "../../local/host/durable/testing/test-clock.ts";
import { TestHost } from "../../local/host/durable/testing/test-host.ts";
import { serveActivity } from "../../src/app/serve-activity.ts";
import type { Activity } from "../../src/foundation/flow.ts";
import type { JobRef } from "../../src/jobs/job-ref.ts";
import type { RaisedEvent } from "../support/run-flow.ts";
import { ORCHESTRATIONS } from "./app-functions.ts";
import { formatHistory, type OrchestratorPayload } from "./recorded-history.ts";

/** The result of one call of an activity; a permanent error is passed as a value. */
export type Answer<Out> = { readonly value: Out } | { readonly error: Error };

/** Behaviour of an activity: one answer per call, the last one for all further calls. */
export interface ScriptedActivity {
  readonly name: string;
  readonly handler: (input: unknown, call: number) => Promise<unknown>;
  /** Raised while its first call is running. */
  readonly raises: readonly RaisedEvent[];
}

/** One path through an orchestration. */
export interface HistoryCase {
  readonly orchestration: string;
  /** File: `<orchestration>-<case>.json`. */
  readonly case: string;
  readonly activities: readonly ScriptedActivity[];
  /** Raised whenever nothing else can continue: one group at a time, each in one episode. */
  readonly events?: readonly (readonly RaisedEvent[])[];
}

export interface RecordOptions {
  /** With a slash at its end. */
  readonly folder: string;
  readonly cases: readonly HistoryCase[];
  /** Names of cases to record although they have a file. */
  readonly force: readonly string[];
  readonly writeLine: (line: string) => void;
}

const JOB: JobRef = { vault: "vault", job: "one" };
const EXECUTION_ID = "0123456789abcdef0123456789abcdef";
const WHAT_IS_LOST = "jobs that an older version began this way are not guarded any more";
const ACTIVITY_TAKES_MS = 1_000;
const EVENTS_AFTER_MS = 60_000;
const CONTEXT = { error: () => undefined } as unknown as InvocationContext;

/** Scripts an activity of the app; its input and its answer are converted like in the app. */
export function scripted<In, Out>(
  activity: Activity<In, Out>,
  answers: readonly Answer<Out>[],
  raises: readonly RaisedEvent[] = [],
): ScriptedActivity {
  return {
    name: activity.name,
    raises,
    handler: async (input, call) => {
      const answer = answers[Math.min(call, answers.length - 1)];
      const body = async (): Promise<Out> => {
        if (answer === undefined) throw new Error(`'${activity.name}' has no answer`);
        if ("error" in answer) throw answer.error;
        return answer.value;
      };
      return serveActivity(activity, body, (_job, work) => work())(input, CONTEXT);
    },
  };
}

/** Name of a case, and of its file without the ending. */
export function nameOf({ orchestration, case: name }: HistoryCase): string {
  return `${orchestration}-${name}`;
}

/**
 * Writes the histories of all cases without a file. An existing file is kept, because an older version recorded it.
 *
 * @returns names of the cases that were written
 * @throws Error when `force` names no case
 */
export async function recordHistories({ folder, cases, force, writeLine }: RecordOptions): Promise<string[]> {
  const names = cases.map(nameOf);
  const unknown = force.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`there is no case '${unknown.join("', '")}', but ${names.join(", ")}`);
  const written: string[] = [];
  for (const each of cases) {
    const name = nameOf(each);
    const path = `${folder}${name}.json`;
    const isThere = existsSync(path);
    if (isThere && !force.includes(name)) continue;
    await writeFile(path, await recordHistory(each), { flag: isThere ? "w" : "wx" });
    writeLine(isThere ? `!!! OVERWRITTEN ${name}.json: ${WHAT_IS_LOST}` : `recorded ${name}.json`);
    written.push(name);
  }
  writeLine(`${written.length} of ${cases.length} histories written; the others were there, and stay as they are`);
  return written;
}

/**
 * Runs a case to its end.
 *
 * @returns the text of its file
 * @throws Error when the case cannot continue
 */
export async function recordHistory({ orchestration, activities, events = [] }: HistoryCase): Promise<string> {
  const clock = new TestClock();
  const store = new MemoryStore();
  const id = `${orchestration}-${JOB.job}`;
  let begun = 0;
  let ended = 0;
  const bodyOf = ({ handler, raises }: ScriptedActivity): ActivityBody => {
    let calls = 0;
    return async (input) => {
      const call = calls++;
      begun += 1;
      if (call === 0) await raise(raises);
      await clock.advance(ACTIVITY_TAKES_MS);
      return handler(input, call).finally(() => {
        ended += 1;
      });
    };
  };
  const bodies = Object.fromEntries(activities.map((activity) => [activity.name, bodyOf(activity)]));
  const app = new ScriptedApp({}, bodies, ORCHESTRATIONS);
  const host = new TestHost({ app, store, clock });
  const raise = async (group: readonly RaisedEvent[]): Promise<void> => {
    await Promise.all(group.map(({ event, value }) => host.raise(id, event, value)));
  };

  await host.durable.start();
  await host.start(orchestration, id, JOB);
  const waiting = [...events];
  for (;;) {
    const before = app.executions.length + ended;
    await turns();
    const stored = await store.load(id);
    if (stored === undefined) throw new Error(`'${orchestration}' has not begun: ${host.log.join("; ")}`);
    if (isFinished(stored.record.status)) return textOf(stored);
    if (begun > ended || app.executions.length + ended > before) continue;
    const [timer] = clock.waits;
    const group = timer === undefined ? waiting.shift() : undefined;
    if (timer !== undefined) await clock.advance(timer.getTime() - clock.now().getTime());
    else if (group !== undefined) await clock.advance(EVENTS_AFTER_MS).then(() => raise(group));
    else throw new Error(`'${orchestration}' waits for what the case does not say`);
  }
}

/** The id of the execution is the engine's only random value. */
function textOf({ record, history }: StoredInstance): string {
  const fixed = history.map((event) =>
    event.EventType === EventType.ExecutionStarted
      ? { ...event, OrchestrationInstance: { ...event.OrchestrationInstance, ExecutionId: EXECUTION_ID } }
      : event,
  );
  const { string = "" } = orchestrationTrigger({ ...record, parentInstanceId: null }, fixed, 0);
  return formatHistory(JSON.parse(string) as OrchestratorPayload);
}
