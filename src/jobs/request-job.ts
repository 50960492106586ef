import type { RecordTable } from "../foundation/records.ts";
import { isOpen, type Job } from "./job.ts";
import type { JobRef } from "./job-ref.ts";
import { OPEN_JOBS } from "./open-jobs.ts";
import { type Orchestrations, orchestrationId } from "./orchestrations.ts";

export interface RequestJobDeps {
  readonly jobs: RecordTable<Job>;
  /** Partition: vault key; row: {@link jobOrderRow}. */
  readonly jobOrder: RecordTable<JobRef>;
  readonly openJobs: RecordTable<JobRef>;
  readonly orchestrations: Orchestrations;
}

/** Later than any start of a job (year 2286), in the 13 digits of Unix milliseconds. */
const LATEST_MS = 9_999_999_999_999;

/** Sorts a vault's jobs newest first. */
export function jobOrderRow(job: Job): string {
  return `${String(LATEST_MS - Date.parse(job.startedAt)).padStart(13, "0")}-${job.id}`;
}

/**
 * Requests a job: writes its rows and starts its orchestration.
 *
 * The job row is the commit. Rows that refer to it (open jobs, order) are written before it, the orchestration starts
 * after it. A crash leaves either rows without a job, which readers and housekeeping skip, or a listed job that
 * housekeeping starts.
 *
 * Safe to run twice: an existing job is not changed, and started if nothing has started it.
 *
 * @param wanted - with an id derived from the request, so that a repetition finds the same job
 * @returns the stored job; that of an earlier request, if there was one
 */
export async function requestJob(deps: RequestJobDeps, wanted: Job): Promise<Job> {
  const ref: JobRef = { vault: wanted.vault, job: wanted.id };
  const stored = (await deps.jobs.get(ref.vault, ref.job))?.value;
  if (stored !== undefined && !isOpen(stored)) return stored;
  const job = stored ?? wanted;

  await deps.openJobs.insert(OPEN_JOBS, ref.job, ref);
  await deps.jobOrder.insert(ref.vault, jobOrderRow(job), ref);
  if (stored === undefined) {
    const first = await deps.jobs.insert(ref.vault, ref.job, job);
    if (!first) return await requestAgain(deps, job);
  }
  await deps.orchestrations.startOnce(job.request.kind, orchestrationId(job), ref);
  return job;
}

/** Yields to a faster request for the same job, and deletes the rows that the other did not write. */
async function requestAgain(deps: RequestJobDeps, late: Job): Promise<Job> {
  const first = (await deps.jobs.get(late.vault, late.id))?.value;
  if (first !== undefined && jobOrderRow(first) !== jobOrderRow(late)) {
    await deps.jobOrder.remove(late.vault, jobOrderRow(late));
  }
  return await requestJob(deps, first ?? late);
}
