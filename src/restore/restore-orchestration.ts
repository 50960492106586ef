import { toFailure } from "../foundation/errors.ts";
import type { Durable, Flow } from "../foundation/flow.ts";
import { endJob } from "../jobs/end-job.ts";
import type { JobStatus } from "../jobs/job.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { beginRestore, checkRestore, planSegments } from "./activities.ts";
import { restoredEvent } from "./messages.ts";

/**
 * Restores one recovery point: claims the target, plans the segments, waits until every container is restored, and
 * compares the totals with the seal.
 *
 * @returns the status that the job ended with
 */
export function* restoreOrchestration(flow: Flow, job: JobRef): Durable<JobStatus> {
  try {
    const { begun } = yield* flow.call(beginRestore, job);
    if (begun) {
      const containers = yield* flow.call(planSegments, job);
      yield* flow.waitForAll(containers.map(restoredEvent));
      yield* flow.call(checkRestore, job);
    }
  } catch (error) {
    return yield* flow.call(endJob, { ...job, failure: toFailure(error) });
  }
  return yield* flow.call(endJob, job);
}
