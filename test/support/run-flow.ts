/**
 * @module
 * Runs an orchestration without a host: activities are plain functions, events are raised when nothing else can
 * continue. Before every new step the orchestration is replayed from its start, and must schedule exactly the same
 * steps: so non-deterministic code fails here.
 */
import { isDeepStrictEqual } from "node:util";
import { VaultError } from "../../src/foundation/errors.ts";
import { type Activity, type Durable, FAILED_EVENT, type Flow, failureOfEvent } from "../../src/foundation/flow.ts";

/** A scheduled step, as in an orchestration's history. */
export type FlowStep =
  | { readonly kind: "call"; readonly activity: string; readonly input: unknown }
  | { readonly kind: "wait"; readonly events: readonly string[] };

export interface FlowRun<T> {
  readonly outcome: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };
  readonly steps: readonly FlowStep[];
  /** Number of runs from the start. */
  readonly replays: number;
}

export interface RaisedEvent {
  readonly event: string;
  readonly value?: unknown;
}

type Answer = { readonly value: unknown } | { readonly error: unknown };

/** Plain functions by activity name; the orchestration sees what they throw. */
export type Activities = Readonly<Record<string, (input: never) => unknown>>;

const START = new Date("2026-01-01T00:00:00.000Z");

/**
 * @param events - raised in this order, at any time; the orchestration sees each when it waits for it
 * @throws Error when a replay differs, an activity is missing, or the events do not end a wait
 */
export async function runFlow<In, T>(
  orchestration: (flow: Flow, input: In) => Durable<T>,
  input: In,
  activities: Activities,
  events: readonly RaisedEvent[] = [],
): Promise<FlowRun<T>> {
  const steps: FlowStep[] = [];
  const answers: Answer[] = [];
  for (let replays = 1; ; replays++) {
    const asked = replay(orchestration, input, steps, answers);
    if (asked.kind === "ended") return { outcome: asked.outcome, steps, replays };
    steps.push(asked.step);
    answers.push(
      asked.step.kind === "call" ? await callActivity(activities, asked.step) : waitFor(asked.step.events, events),
    );
  }
}

type Replayed<T> =
  | { readonly kind: "asks"; readonly step: FlowStep }
  | { readonly kind: "ended"; readonly outcome: FlowRun<T>["outcome"] };

/** Replays an orchestration from its start up to its first new step. */
function replay<In, T>(
  orchestration: (flow: Flow, input: In) => Durable<T>,
  input: In,
  steps: readonly FlowStep[],
  answers: readonly Answer[],
): Replayed<T> {
  let at = 0;
  const body = orchestration(
    recordedFlow(() => at),
    structuredClone(input),
  );
  let resume = (): IteratorResult<unknown, T> => body.next();
  for (;;) {
    let turn: IteratorResult<unknown, T>;
    try {
      turn = resume();
    } catch (error) {
      return { kind: "ended", outcome: { ok: false, error } };
    }
    if (turn.done === true) return { kind: "ended", outcome: { ok: true, value: turn.value } };
    const step = turn.value as FlowStep;
    const known = steps[at];
    const answer = answers[at];
    if (known === undefined || answer === undefined) return { kind: "asks", step };
    if (!isDeepStrictEqual(step, known)) {
      throw new Error(`step ${at} was ${JSON.stringify(known)} and is ${JSON.stringify(step)} in a replay`);
    }
    at += 1;
    resume = () => ("error" in answer ? body.throw(answer.error) : body.next(structuredClone(answer.value)));
  }
}

/** A flow with steps as plain data; each advances the time by a second. */
function recordedFlow(at: () => number): Flow {
  return {
    now: () => new Date(START.getTime() + at() * 1_000),
    *call<In, Out>(activity: Activity<In, Out>, input: In): Durable<Out> {
      const step: FlowStep = { kind: "call", activity: activity.name, input: structuredClone(input) };
      return (yield step) as Out;
    },
    *waitForAll(events: readonly string[]): Durable<void> {
      if (events.length === 0) return;
      const step: FlowStep = { kind: "wait", events: [...events] };
      yield step;
    },
  };
}

async function callActivity(activities: Activities, step: Extract<FlowStep, { kind: "call" }>): Promise<Answer> {
  const body = activities[step.activity];
  if (body === undefined) throw new Error(`activity '${step.activity}' is missing`);
  try {
    // Through JSON, as in a history: values that JSON cannot encode are lost in a host too.
    const result = await body(structuredClone(step.input) as never);
    return { value: result === undefined ? null : JSON.parse(JSON.stringify(result)) };
  } catch (error) {
    if (error instanceof VaultError) return { error };
    throw error;
  }
}

function waitFor(wanted: readonly string[], events: readonly RaisedEvent[]): Answer {
  const missing = new Set(wanted);
  for (const { event, value } of events) {
    if (event === FAILED_EVENT) return { error: failureOfEvent(value) };
    missing.delete(event);
    if (missing.size === 0) return { value: null };
  }
  throw new Error(`nothing raises '${[...missing].join("', '")}'`);
}
