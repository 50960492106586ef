import type { InvocationContext } from "@azure/functions";
import { cleanError } from "../azure/clean-error.ts";
import { FUNCTION_TIME_MS, withinTime } from "../azure/function-time.ts";
import type { StartedFor } from "../instances/start-for-instances.ts";
import { busyWith } from "../jobs/job-lock.ts";
import { requestJob } from "../jobs/request-job.ts";
import { startDueRetention } from "../retention/start-due-retention.ts";
import { startDueScrubs } from "../scrub/start-due-scrub.ts";
import { app } from "./app.ts";
import { orchestrationsOf } from "./serve-queue.ts";

/** Starts the retention of every instance that has something to purge. Safe to run twice: one job per day. */
export async function runRetention(context: InvocationContext): Promise<void> {
  const { sweepableVault: vault, ...deps } = app();
  const orchestrations = orchestrationsOf(context);
  const started = await withinTime(FUNCTION_TIME_MS, () =>
    startDueRetention({
      ...deps,
      vault,
      requestJob: (job) => requestJob({ ...deps, orchestrations }, job),
      busyWith: (key, instanceId) => busyWith(deps, key, instanceId),
    }),
  );
  tell(context, "retention", started);
}

/** Starts the scrub of every instance that is due. Safe to run twice: one job per day. */
export async function runScrub(context: InvocationContext): Promise<void> {
  const deps = app();
  const orchestrations = orchestrationsOf(context);
  const requesting = { ...deps, orchestrations };
  const started = await withinTime(FUNCTION_TIME_MS, () =>
    startDueScrubs({ ...deps, requestJob: (job) => requestJob(requesting, job) }),
  );
  tell(context, "scrub", started);
}

function tell(context: InvocationContext, what: string, started: readonly StartedFor[]): void {
  for (const outcome of started) {
    if (outcome.start) context.info(`${what} of '${outcome.instanceName}' started`);
    else if (outcome.error !== undefined) {
      context.error(`${what} of '${outcome.instanceName}' not started`, cleanError(outcome.error));
    }
  }
}
