import type { InvocationContext } from "@azure/functions";
import { cleanError, withoutSecrets } from "../azure/clean-error.ts";
import { FUNCTION_TIME_MS, withinTime } from "../azure/function-time.ts";
import { toFailure, VaultError } from "../foundation/errors.ts";
import type { Activity, Outcome } from "../foundation/flow.ts";
import { JobRef } from "../jobs/job-ref.ts";
import { withHeartbeat } from "./with-heartbeat.ts";

/**
 * Turns an activity's body into a handler for the host.
 *
 * Lasting failures come back as values and only retryable ones are thrown, because the Durable retry policy tries every
 * thrown error again, and passes on little but its message: hence the message begins with the code.
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
      const told = toFailure(error);
      const failure = { ...told, message: withoutSecrets(told.message) };
      if (error instanceof VaultError && !error.retryable) return { ok: false, failure };
      context.error(`activity '${activity.name}'`, cleanError(error));
      throw new Error(`${failure.code}: ${failure.message}`);
    }
  };
}
