import { sweepToItsEnd } from "../debris/sweep-activity.ts";
import { type Failure, toFailure } from "../foundation/errors.ts";
import type { Durable, Flow } from "../foundation/flow.ts";
import { present } from "../foundation/present.ts";
import { endJob } from "../jobs/end-job.ts";
import type { JobStatus } from "../jobs/job.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { finishPurges, toItsEnd } from "../purge/activities.ts";
import { beginBackup, planRanges, removeMarkers, sealRecoveryPoint, writeMarkers } from "./activities.ts";
import { replicatedEvent } from "./messages.ts";

/**
 * Makes one recovery point: finishes unfinished purges, begins, writes the markers, plans the ranges, waits until every
 * container is replicated, seals.
 *
 * A recovery point exists only once it is sealed, so a run that crashes before leaves nothing that a restore can see.
 * In any case the job ends and its instance is free again. Then the debris of earlier attempts is swept; that blocks no
 * other job.
 *
 * @returns the status that the job ended with
 */
export function* backupOrchestration(flow: Flow, job: JobRef): Durable<JobStatus> {
  let failure: Failure | undefined;
  try {
    yield* toItsEnd(flow, finishPurges, job);
    const { begun, containers } = yield* flow.call(beginBackup, job);
    if (begun) {
      yield* flow.call(writeMarkers, job);
      yield* flow.call(planRanges, job);
      yield* flow.waitForAll(containers.map(replicatedEvent));
      yield* flow.call(sealRecoveryPoint, job);
    }
  } catch (error) {
    failure = toFailure(error);
  }
  const status = yield* flow.call(endJob, { ...job, ...present({ failure }) });
  yield* clearMarkers(flow, job);
  if (failure === undefined) yield* sweep(flow, job);
  return status;
}

/**
 * Only after the job has ended: without its markers a restarted job would treat its containers as recreated ones.
 * Markers that cannot be deleted do no harm: nothing under their prefix is ever backed up.
 */
function* clearMarkers(flow: Flow, job: JobRef): Durable<void> {
  try {
    yield* flow.call(removeMarkers, job);
  } catch {
    return;
  }
}

/** Debris that cannot be deleted now is deleted after the next recovery point. */
function* sweep(flow: Flow, job: JobRef): Durable<void> {
  try {
    yield* sweepToItsEnd(flow, job);
  } catch {
    return;
  }
}
