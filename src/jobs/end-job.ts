import type { z } from "zod";
import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import type { Activity } from "../foundation/flow.ts";
import { listRecords, type RecordTable, updateRecord } from "../foundation/records.ts";
import { Failure, type Job, JobRef, type JobStatus } from "./contract.ts";
import { type InstanceLock, releaseLock } from "./job-lock.ts";
import { OPEN_JOBS } from "./open-jobs.ts";
import { readProgress } from "./progress.ts";
import type { WorkRecord } from "./work.ts";

const EndJobInput = JobRef.extend({ failure: Failure.optional() });
type EndJobInput = Readonly<z.infer<typeof EndJobInput>>;

export const endJob: Activity<EndJobInput, JobStatus> = { name: "endJob", parse: (input) => EndJobInput.parse(input) };

export interface EndJobDeps {
  readonly jobs: RecordTable<Job>;
  readonly openJobs: RecordTable<JobRef>;
  readonly locks: RecordTable<InstanceLock>;
  readonly work: RecordTable<WorkRecord>;
  readonly clock: Clock;
}

/** Work rows removed at once when a job has ended. */
const CLEANING_WIDTH = 16;

/**
 * Ends a job: its status first, then the lock, then the rows that only its work needed.
 *
 * Safe to run twice: the first end stays, and what follows it is repeated without effect.
 *
 * @returns the status that the job ended with
 */
export async function endJobActivity(deps: EndJobDeps, input: EndJobInput): Promise<JobStatus> {
  const stored = await deps.jobs.get(input.vault, input.job);
  if (stored === undefined) throw new VaultError("job/not-found", `there is no job '${input.job}'`);

  const progress = await readProgress(deps.work, stored.value);
  const ended = await updateRecord(deps.jobs, input.vault, input.job, (job) =>
    job.status === "InProgress"
      ? {
          ...job,
          status: statusOfEnd(job, input),
          endedAt: deps.clock().toISOString(),
          totals: job.totals ?? progress.totals,
          ...(input.failure === undefined ? {} : { failure: input.failure }),
        }
      : job,
  );
  await releaseLock(deps.locks, stored.value.instance, input.job);
  await forgetWork(deps.work, input.job);
  await deps.openJobs.remove(OPEN_JOBS, input.job);
  return ended?.status ?? stored.value.status;
}

function statusOfEnd(job: Job, { failure }: EndJobInput): JobStatus {
  if (failure !== undefined) return failure.code === "job/cancelled" ? "Cancelled" : "Failed";
  return (job.warnings?.count ?? 0) > 0 ? "CompletedWithWarnings" : "Completed";
}

/** A late message finds the job ended and does nothing, so nobody misses these rows. */
async function forgetWork(work: RecordTable<WorkRecord>, jobId: string): Promise<void> {
  const rows: string[] = [];
  for await (const { row } of listRecords(work, jobId)) rows.push(row);
  await mapBounded(rows, CLEANING_WIDTH, (row) => work.remove(jobId, row));
}
