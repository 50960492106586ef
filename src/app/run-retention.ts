import type { InvocationContext } from "@azure/functions";
import { cleanError } from "../azure/clean-error.ts";
import { busyWith } from "../jobs/job-lock.ts";
import { requestJob } from "../jobs/request-job.ts";
import { startDueRetention } from "../retention/start-due-retention.ts";
import { app } from "./app.ts";
import { orchestrationsOf } from "./serve-queue.ts";

/** Starts the retention of every instance that has something to purge. Safe to run twice: a day's job is one. */
export async function runRetention(context: InvocationContext): Promise<void> {
  const { sweepableVault: vault, ...deps } = app();
  const orchestrations = orchestrationsOf(context);
  const due = await startDueRetention({
    ...deps,
    vault,
    requestJob: (job) => requestJob({ ...deps, orchestrations }, job),
    busyWith: (key, instanceId) => busyWith(deps, key, instanceId),
  });
  for (const outcome of due) {
    if (outcome.start) context.info(`retention of '${outcome.instanceName}' started`);
    else if (outcome.error !== undefined) {
      context.error(`retention of '${outcome.instanceName}' not started`, cleanError(outcome.error));
    }
  }
}
