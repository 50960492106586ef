import type { Failure } from "../foundation/errors.ts";
import { listRecords, type RecordTable } from "../foundation/records.ts";
import { tellCancelled } from "./cancel-job.ts";
import { isOpen, type Job, type JobRef, type Orchestrations, orchestrationId } from "./contract.ts";

/** Partition of the rows that name jobs not yet ended, or not yet tidied up after; row: the job's id. */
export const OPEN_JOBS = "open";

export interface OpenJobsDeps {
  readonly jobs: RecordTable<Job>;
  readonly openJobs: RecordTable<JobRef>;
  readonly orchestrations: Orchestrations;
  readonly end: (ref: JobRef, failure: Failure) => Promise<unknown>;
}

export interface KeptGoing {
  readonly job: string;
  readonly because:
    | "runs"
    | "started"
    | "was told again to stop"
    | "was cancelled before it began"
    | "ended before"
    | "its orchestration ended without it"
    | "has no row yet";
}

/**
 * Looks after every job that has not ended: starts the orchestration that a crash left unstarted, tells one again to stop
 * whose job is being cancelled, and ends a job whose orchestration was ended from outside, so that its instance is free.
 * An ended job is ended once more, which removes what a late worker wrote.
 *
 * Safe to run twice, and at the same time as the jobs: a start of what runs does nothing, and only the first end counts.
 */
export async function keepJobsGoing(deps: OpenJobsDeps): Promise<KeptGoing[]> {
  const kept: KeptGoing[] = [];
  for await (const { value: ref } of listRecords(deps.openJobs, OPEN_JOBS)) {
    kept.push({ job: ref.job, because: await keepGoing(deps, ref) });
  }
  return kept;
}

async function keepGoing(deps: OpenJobsDeps, ref: JobRef): Promise<KeptGoing["because"]> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  // Its request may be about to write it. A request that died there leaves this row for good, which harms nobody.
  if (job === undefined) return "has no row yet";
  const id = orchestrationId(job.request.kind, job.id);
  const state = await deps.orchestrations.state(id);
  if (state === undefined && job.status === "InProgress") {
    await deps.orchestrations.startOnce(job.request.kind, id, ref);
    return "started";
  }
  if (state === "running") {
    if (job.status !== "Cancelling") return "runs";
    // Whoever cancelled it may have died before its orchestration was told.
    await tellCancelled(deps.orchestrations, job);
    return "was told again to stop";
  }
  // The state was read after the row: an orchestration that has ended since had ended the job before.
  const now = (await deps.jobs.get(ref.vault, ref.job))?.value;
  await deps.end(ref, {
    code: "internal/unexpected",
    message: "the job's orchestration ended without ending the job",
    hint: "start the job again",
  });
  if (now === undefined || !isOpen(now)) return "ended before";
  return state === undefined ? "was cancelled before it began" : "its orchestration ended without it";
}
