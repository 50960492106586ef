/**
 * @module
 * Operations that an orchestration may use. `src/azure/durable-flow.ts` implements them with Durable Functions,
 * `test/support/run-flow.ts` with plain functions, replaying from the start before every step.
 */
import { type Failure, type FailureCode, VaultError } from "./errors.ts";

/** One thing that an orchestration waits for; opaque outside the flow. */
export type Step = unknown;

/** A body of steps; `yield*` makes each result typed. */
export type Durable<T> = Generator<Step, T, unknown>;

/** Name and input schema of an activity; its body is bound in `functions/`. */
export interface Activity<In, Out> {
  readonly name: string;
  /** Parses the serialized input. @throws ZodError when it is invalid */
  readonly parse: (input: unknown) => In;
  /** Only for the type of `Out`. */
  readonly result?: Out;
}

/**
 * Result of an activity. Permanent failures are returned as values, because Durable Functions retries everything that
 * is thrown.
 */
export type Outcome<Out> =
  | { readonly ok: true; readonly value: Out }
  | { readonly ok: false; readonly failure: Failure };

export interface Flow {
  /** Time of this step; the same in every replay. */
  now(): Date;
  /**
   * Runs an activity; a retryable failure is retried, five times in about two minutes.
   *
   * @throws VaultError with the activity's failure
   */
  call<In, Out>(activity: Activity<In, Out>, input: In): Durable<Out>;
  /**
   * Waits until each event has been raised once, in any order, or until the event `failed` is raised.
   *
   * @throws VaultError with the failure in the `failed` event
   */
  waitForAll(events: readonly string[]): Durable<void>;
}

/** The event that ends a wait immediately; its value is a {@link Failure}. */
export const FAILED_EVENT = "failed";

/** Returns the value of an activity's result, or throws its failure. */
export function openOutcome<Out>(outcome: Outcome<Out>): Out {
  if (outcome.ok) return outcome.value;
  throw VaultError.of(outcome.failure);
}

/** Converts the value of a `failed` event to an error. */
export function failureOfEvent(value: unknown): VaultError {
  if (typeof value === "object" && value !== null && "code" in value && "message" in value) {
    const { code, message } = value as { code: FailureCode; message: string };
    return new VaultError(code, String(message));
  }
  return new VaultError("internal/unexpected", "the job was failed without a reason");
}
