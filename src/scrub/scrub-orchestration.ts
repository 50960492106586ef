import { toFailure } from "../foundation/errors.ts";
import type { Durable, Flow } from "../foundation/flow.ts";
import { endJob } from "../jobs/end-job.ts";
import type { JobStatus } from "../jobs/job.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { scrubStep } from "./activities.ts";

/**
 * Max steps of one job: about a day. A history is replayed as a whole, so it must not grow without limit; the next job
 * continues a longer round.
 */
export const MAX_SCRUB_STEPS = 300;

/**
 * Runs steps of a scrub's round until it is done, and ends the job. Each step saves its position, so a crash or a
 * cancel loses at most one step.
 *
 * @returns the final status of the job
 */
export function* scrubOrchestration(flow: Flow, job: JobRef): Durable<JobStatus> {
  try {
    for (let step = 0; step < MAX_SCRUB_STEPS; step++) {
      const { isDone } = yield* flow.call(scrubStep, job);
      if (isDone) break;
    }
  } catch (error) {
    return yield* flow.call(endJob, { ...job, failure: toFailure(error) });
  }
  return yield* flow.call(endJob, job);
}
