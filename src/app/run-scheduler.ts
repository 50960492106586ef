import type { InvocationContext } from "@azure/functions";
import { raiseJobStalled } from "../alerts/job-stalled.ts";
import { cleanError } from "../azure/clean-error.ts";
import { FUNCTION_TIME_MS, withinTime } from "../azure/function-time.ts";
import { startDueBackups } from "../instances/start-due-backups.ts";
import { endJobActivity } from "../jobs/end-job.ts";
import { busyWith } from "../jobs/job-lock.ts";
import { keepJobsGoing } from "../jobs/open-jobs.ts";
import type { Orchestrations } from "../jobs/orchestrations.ts";
import { requestJob } from "../jobs/request-job.ts";
import { type App, app } from "./app.ts";
import { orchestrationsOf } from "./serve-queue.ts";

/**
 * Runs the housekeeping of open jobs and starts due backups, in parallel.
 *
 * Safe to run twice: both detect what is already done.
 */
export async function runScheduler(context: InvocationContext): Promise<void> {
  const deps = { ...app(), orchestrations: orchestrationsOf(context) };
  const done = await withinTime(FUNCTION_TIME_MS, () =>
    Promise.allSettled([keepGoing(deps, context), startDue(deps, context)]),
  );
  for (const result of done) {
    if (result.status === "rejected") throw cleanError(result.reason);
  }
}

type Deps = App & { readonly orchestrations: Orchestrations };

async function keepGoing(deps: Deps, context: InvocationContext): Promise<void> {
  const kept = await keepJobsGoing({
    ...deps,
    end: (ref, failure) => endJobActivity(deps, { ...ref, failure }),
    raiseStalled: (job, failure, now) => raiseJobStalled(deps.alerts, job, failure, now),
  });
  for (const { job, because, reason } of kept) {
    if (because === "runs" || because === "ended before") continue;
    context.warn(`job '${job}' was open: it ${because}${reason === undefined ? "" : ` (${reason})`}`);
  }
}

async function startDue(deps: Deps, context: InvocationContext): Promise<void> {
  const due = await startDueBackups({
    ...deps,
    requestJob: (job) => requestJob(deps, job),
    busyWith: (vault, instanceId) => busyWith(deps, vault, instanceId),
  });
  for (const outcome of due) {
    const { instanceName, passedOver } = outcome;
    const [oldest] = passedOver;
    if (oldest !== undefined) {
      const span = `${oldest.slot} to ${passedOver.at(-1)?.slot}`;
      const text = `slots of '${instanceName}' skipped (${passedOver.length}, ${span}): ${oldest.because}`;
      // An instance without protection has no backups to miss.
      if (outcome.start) context.warn(text);
      else context.info(text);
    }
    if (outcome.start) context.info(`backup of '${instanceName}' for ${outcome.slot} started`);
    else if ("error" in outcome) context.error(`backup of '${instanceName}' not started`, cleanError(outcome.error));
  }
}
