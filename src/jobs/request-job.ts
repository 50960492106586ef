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

/** Beyond every moment that a job starts at (year 2286), in the 13 digits of Unix milliseconds. */
const LATEST_MS = 9_999_999_999_999;

/** Orders a vault's jobs newest first. */
export function jobOrderRow(job: Job): string {
  return `${String(LATEST_MS - Date.parse(job.startedAt)).padStart(13, "0")}-${job.id}`;
}

/**
 * Requests a job: writes its rows and starts its orchestration.
 *
 * The job row is the commit. What points to it goes before it (open jobs, order), what acts on it after: so a crash
 * leaves either rows that point to nothing, which readers and housekeeping pass over, or a job that is listed and that
 * housekeeping starts.
 *
 * Safe to run twice: a job that exists is left as it is, and started if nothing has started it.
 *
 * @param wanted - with an id made of the request, so that its repetition names the same job
 * @returns the job as it is stored; an earlier request's, when there was one
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

/** Gives way to a request for the same job that was faster, and takes back what the other did not write. */
async function requestAgain(deps: RequestJobDeps, late: Job): Promise<Job> {
  const first = (await deps.jobs.get(late.vault, late.id))?.value;
  if (first !== undefined && jobOrderRow(first) !== jobOrderRow(late)) {
    await deps.jobOrder.remove(late.vault, jobOrderRow(late));
  }
  return await requestJob(deps, first ?? late);
}
