/**
 * @module
 * What goes into an orchestrator function and what comes out of it: the out-of-process JSON protocol of Durable
 * Functions, replay schema V3 (number 2 on the wire), as durable-functions 3.x speaks it.
 */

import type { InvocationResponse, TypedData } from "../protocol.ts";
import type { HistoryEvent } from "./history.ts";

/** One thing the orchestrator asked for, one per yield; carries no id. */
export interface Action {
  readonly actionType: number;
  readonly functionName?: string;
  readonly input?: unknown;
  readonly instanceId?: string;
  readonly version?: string;
  readonly retryOptions?: RetryPolicy;
  readonly fireAt?: string;
  readonly isCanceled?: boolean;
  readonly externalEventName?: string;
  readonly compoundActions?: readonly Action[];
}

export interface RetryPolicy {
  readonly firstRetryIntervalInMilliseconds: number;
  readonly maxNumberOfAttempts: number;
  readonly backoffCoefficient?: number;
  readonly maxRetryIntervalInMilliseconds?: number;
  readonly retryTimeoutInMilliseconds?: number;
}

/** Where the orchestrator function stands after one replay; `actions` is everything since the start. */
export interface OrchestratorState {
  readonly isDone: boolean;
  readonly actions: readonly Action[];
  readonly output: unknown;
  readonly error?: string;
  /** Absent when the function set none in this replay. */
  readonly customStatus?: unknown;
}

/** The replay schema this host offers: V3. V4 adds entity locks, which no extension sends yet. */
const SCHEMA_V3 = 2;
const OUT_OF_PROC_MARKER = "$OutOfProcData$:";

/**
 * Builds the data of the orchestration trigger.
 *
 * @param newEvents - how many events at the end of the history this episode brings; those before are already played
 */
export function orchestrationTrigger(
  instance: { readonly instanceId: string; readonly input: string | null; readonly parentInstanceId: string | null },
  history: readonly HistoryEvent[],
  newEvents: number,
): TypedData {
  const firstNew = history.length - newEvents;
  const events = history.map((event, index) => `{"IsPlayed":${index < firstNew},${membersOf(event)}`);
  const envelope = JSON.stringify({
    instanceId: instance.instanceId,
    isReplaying: firstNew > 0,
    parentInstanceId: instance.parentInstanceId,
    upperSchemaVersion: 1,
    upperSchemaVersionNew: SCHEMA_V3,
    longRunningTimerIntervalDuration: "3.00:00:00",
    maximumShortTimerDuration: "6.00:00:00",
    defaultHttpAsyncRequestSleepTimeMillseconds: 30_000,
  });
  // The input is JSON text already.
  return { string: `{"history":[${events.join(",")}],"input":${instance.input ?? "null"},${envelope.slice(1)}` };
}

const texts = new WeakMap<HistoryEvent, string>();

/** JSON of an event without its opening brace; kept, because each episode sends the whole history again. */
function membersOf(event: HistoryEvent): string {
  const known = texts.get(event);
  if (known !== undefined) return known;
  const text = JSON.stringify(event).slice(1);
  texts.set(event, text);
  return text;
}

/**
 * Reads the answer of an orchestrator function.
 *
 * A function that failed throws, and its state rides in the message behind a marker; an error without the marker did
 * not come from the orchestrator's code.
 *
 * @throws Error with the reason when the answer is not a state of schema V3
 */
export function parseOrchestratorState(response: InvocationResponse): OrchestratorState {
  const text = response.ok
    ? (response.returnValue?.json ?? response.returnValue?.string)
    : afterMarker(response.error.message);
  if (text === undefined) {
    throw new Error(response.ok ? "the function returned nothing" : response.error.message);
  }
  const state: unknown = JSON.parse(text);
  if (!isWireState(state) || state.actions.length !== 1 || state.actions[0] === undefined) {
    throw new Error(`the function did not return an orchestrator state: ${text.slice(0, 200)}`);
  }
  if (state.schemaVersion !== SCHEMA_V3) {
    throw new Error(`the function answered in replay schema ${state.schemaVersion}, this host speaks ${SCHEMA_V3}`);
  }
  // An exception with an empty message comes without an error; on the real host such an instance hangs.
  const error = state.error ?? (response.ok ? undefined : "Error");
  return {
    isDone: state.isDone,
    actions: state.actions[0],
    output: state.output,
    ...(error === undefined ? {} : { error }),
    ...(state.customStatus === undefined || state.customStatus === null ? {} : { customStatus: state.customStatus }),
  };
}

function afterMarker(message: string): string | undefined {
  const at = message.indexOf(OUT_OF_PROC_MARKER);
  return at === -1 ? undefined : message.slice(at + OUT_OF_PROC_MARKER.length);
}

interface WireState {
  readonly isDone: boolean;
  readonly actions: readonly (readonly Action[])[];
  readonly output?: unknown;
  readonly error?: string;
  readonly customStatus?: unknown;
  readonly schemaVersion: number;
}

function isWireState(value: unknown): value is WireState {
  return typeof value === "object" && value !== null && "actions" in value && Array.isArray(value.actions);
}

/**
 * Gives an activity its input the way the extension does: `TaskScheduled.Input` is a one-element array, texts in it
 * were already made JSON by the library, and no input is no value.
 */
export function activityTrigger(scheduledInput: string): TypedData {
  const [input]: unknown[] = JSON.parse(scheduledInput);
  if (input === null || input === undefined) return {};
  return { string: typeof input === "string" ? input : JSON.stringify(input) };
}

/** Turns what an activity returned into the JSON text of `TaskCompleted.Result`; null for no value. */
export function activityResult(value: TypedData | undefined): string | null {
  if (value === undefined) return null;
  if (value.json !== undefined) return value.json;
  if (value.string !== undefined) return JSON.stringify(value.string);
  if (value.int !== undefined) return JSON.stringify(value.int);
  if (value.double !== undefined) return JSON.stringify(value.double);
  if (value.bytes !== undefined) return JSON.stringify(Buffer.from(value.bytes).toString("base64"));
  return null;
}
