import type { InvocationContext } from "@azure/functions";
import { cleanError } from "../azure/clean-error.ts";
import { requestJob } from "../jobs/request-job.ts";
import { startDueScrubs } from "../scrub/start-due-scrub.ts";
import { app } from "./app.ts";
import { orchestrationsOf } from "./serve-queue.ts";

/** Starts the scrub of every instance that is due. Safe to run twice: a day's job is one. */
export async function runScrub(context: InvocationContext): Promise<void> {
  const deps = app();
  const orchestrations = orchestrationsOf(context);
  const started = await startDueScrubs({ ...deps, requestJob: (job) => requestJob({ ...deps, orchestrations }, job) });
  for (const outcome of started) {
    if (outcome.start) context.info(`scrub of '${outcome.instanceName}' started`);
    else if (outcome.error !== undefined) {
      context.error(`scrub of '${outcome.instanceName}' not started`, cleanError(outcome.error));
    }
  }
}
