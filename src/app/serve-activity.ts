import type { InvocationContext } from "@azure/functions";
import { cleanError, withoutSecrets } from "../azure/clean-error.ts";
import { FUNCTION_TIME_MS, withinTime } from "../azure/function-time.ts";
import { toFailure, VaultError } from "../foundation/errors.ts";
import type { Activity, Outcome } from "../foundation/flow.ts";
import { JobRef } from "../jobs/job-ref.ts";
import { withHeartbeat } from "./with-heartbeat.ts";

/**
 * Wraps the body of an activity in a handler for the host.
 *
 * Permanent failures are returned as values and only retryable ones are thrown, because the retry policy of Durable
 * Functions retries every thrown error, and passes on little but its message: hence the message starts with the code.
 */
export function serveActivity<In, Out>(
  activity: Activity<In, Out>,
  body: (input: In, context: InvocationContext) => Promise<Out>,
  atWork: typeof withHeartbeat = withHeartbeat,
): (input: unknown, context: InvocationContext) => Promise<Outcome<Out>> {
  return async (input, context) => {
    try {
      const job = JobRef.safeParse(input).data?.job;
      const value = await withinTime(FUNCTION_TIME_MS, () => atWork(job, () => body(activity.parse(input), context)));
      return { ok: true, value };
    } catch (error) {
      const raw = toFailure(error);
      const failure = { ...raw, message: withoutSecrets(raw.message) };
      if (error instanceof VaultError && !error.retryable) return { ok: false, failure };
      context.error(`activity '${activity.name}'`, cleanError(error));
      throw new Error(`${failure.code}: ${failure.message}`);
    }
  };
}
