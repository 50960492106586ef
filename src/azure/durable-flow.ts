import { type OrchestrationContext, RetryOptions, type Task } from "durable-functions";
import { FAILURES, type FailureCode, VaultError } from "../foundation/errors.ts";
import {
  type Activity,
  type Durable,
  FAILED_EVENT,
  type Flow,
  failureOfEvent,
  type Outcome,
  openOutcome,
} from "../foundation/flow.ts";

/** Retries after 5, 10, 20 and 40 seconds. */
function retries(): RetryOptions {
  const options = new RetryOptions(5_000, 5);
  options.backoffCoefficient = 2;
  return options;
}

/** The flow of an orchestration in Durable Functions; the only code that uses `context.df`. */
export function durableFlow({ df }: OrchestrationContext): Flow {
  return {
    now: () => df.currentUtcDateTime,

    *call<In, Out>(activity: Activity<In, Out>, input: In): Durable<Out> {
      let outcome: Outcome<Out>;
      try {
        outcome = (yield df.callActivityWithRetry(activity.name, retries(), input)) as Outcome<Out>;
      } catch (error) {
        throw retryableFailure(activity.name, error);
      }
      return openOutcome(outcome);
    },

    *waitForAll(events: readonly string[]): Durable<void> {
      if (events.length === 0) return;
      const failed: Task = df.waitForExternalEvent(FAILED_EVENT);
      const all = df.Task.all(events.map((event) => df.waitForExternalEvent(event)));
      // The library keeps earlier events, so none is missed.
      const first = yield df.Task.any([failed, all]);
      if (first === failed) throw failureOfEvent(failed.result);
    },
  };
}

/**
 * Extracts the failure from an error that an activity kept throwing. Durable Functions passes on little but its
 * message: `Activity function 'x' failed:  <code>: <message> \n <details>`, with the code from `serve-activity`.
 */
function retryableFailure(activity: string, error: unknown): VaultError {
  const text = error instanceof Error ? error.message : String(error);
  const [, code = "", message = ""] = /failed: +([a-z-]+\/[a-z-]+): ([^\n]*)/.exec(text) ?? [];
  if (isFailureCode(code)) return new VaultError(code, message.trim(), { cause: error });
  return new VaultError("internal/unexpected", `activity '${activity}' failed`, {
    hint: "see the app's log at this time",
    cause: error,
  });
}

function isFailureCode(code: string): code is FailureCode {
  return Object.hasOwn(FAILURES, code);
}
