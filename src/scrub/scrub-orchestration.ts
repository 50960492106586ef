import { toFailure } from "../foundation/errors.ts";
import type { Durable, Flow } from "../foundation/flow.ts";
import { endJob } from "../jobs/end-job.ts";
import type { JobStatus } from "../jobs/job.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { scrubStep } from "./activities.ts";

/**
 * Steps of one job: about a day of them. A history is replayed as a whole, so it must not grow without end; a round that
 * is longer is gone on with by the next job.
 */
export const MAX_SCRUB_STEPS = 300;

/**
 * Works on a scrub's round in steps until it is done, and ends the job. Each step keeps how far it has come, so a run that
 * dies or is cancelled loses one of them.
 *
 * @returns the status that the job ended with
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
