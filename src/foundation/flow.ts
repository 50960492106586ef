/**
 * @module
 * All that an orchestration may ask of the world. `src/azure/durable-flow.ts` answers with Durable Functions,
 * `test/support/run-flow.ts` with plain functions, replaying from the start before every step.
 */
import { type Failure, type FailureCode, VaultError } from "./errors.ts";

/** One thing an orchestration waits for; only a flow makes and understands it. */
export type Step = unknown;

/** A body of steps; `yield*` makes each result typed. */
export type Durable<T> = Generator<Step, T, unknown>;

/** What an activity is called and how its input is read; the body is bound in `functions/`. */
export interface Activity<In, Out> {
  readonly name: string;
  /** Reads what came over the wire. @throws ZodError when it is something else */
  readonly parse: (input: unknown) => In;
  /** Only there so that `Out` is known to the compiler. */
  readonly result?: Out;
}

/**
 * What an activity answers. Lasting failures travel as values, because Durable retries everything that is thrown.
 */
export type Outcome<Out> =
  | { readonly ok: true; readonly value: Out }
  | { readonly ok: false; readonly failure: Failure };

export interface Flow {
  /** The moment of this step; the same in every replay. */
  now(): Date;
  /**
   * Runs an activity; a retryable failure is tried again, five times in about two minutes.
   *
   * @throws VaultError with the activity's failure
   */
  call<In, Out>(activity: Activity<In, Out>, input: In): Durable<Out>;
  /**
   * Waits until each of the events has been raised once, in any order, or until the event `failed` is raised.
   *
   * @throws VaultError with the failure that `failed` carried
   */
  waitForAll(events: readonly string[]): Durable<void>;
}

/** The event that ends a wait at once; its value is a {@link Failure}. */
export const FAILED_EVENT = "failed";

/** Opens what an activity answered. */
export function openOutcome<Out>(outcome: Outcome<Out>): Out {
  if (outcome.ok) return outcome.value;
  throw VaultError.of(outcome.failure);
}

/** Makes an error of a `failed` event, whatever it carried. */
export function failureOfEvent(value: unknown): VaultError {
  if (typeof value === "object" && value !== null && "code" in value && "message" in value) {
    const { code, message } = value as { code: FailureCode; message: string };
    return new VaultError(code, String(message));
  }
  return new VaultError("internal/unexpected", "the job was failed without a reason");
}
