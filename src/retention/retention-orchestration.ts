import { sweepToItsEnd } from "../debris/sweep-activity.ts";
import { toFailure } from "../foundation/errors.ts";
import type { Durable, Flow } from "../foundation/flow.ts";
import { endJob } from "../jobs/end-job.ts";
import type { JobStatus } from "../jobs/job.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { finishPurges, toItsEnd } from "../purge/activities.ts";
import { purgeExpired } from "./activities.ts";

/**
 * Purges the expired points of one instance: finishes unfinished purges, sweeps the debris that would delay purges,
 * purges. Each step holds or takes the instance's lock, so no backup runs meanwhile; the end releases it.
 *
 * @returns the status that the job ended with
 */
export function* retentionOrchestration(flow: Flow, job: JobRef): Durable<JobStatus> {
  try {
    yield* toItsEnd(flow, finishPurges, job);
    yield* sweepToItsEnd(flow, job);
    yield* toItsEnd(flow, purgeExpired, job);
  } catch (error) {
    return yield* flow.call(endJob, { ...job, failure: toFailure(error) });
  }
  return yield* flow.call(endJob, job);
}
