import { type Failure, VaultError } from "../foundation/errors.ts";
import { FAILED_EVENT } from "../foundation/flow.ts";
import { type RecordTable, updateRecord } from "../foundation/records.ts";
import { isOpen, type Job } from "./job.ts";
import type { JobRef } from "./job-ref.ts";
import { type Orchestrations, orchestrationId } from "./orchestrations.ts";

export interface CancelJobDeps {
  readonly jobs: RecordTable<Job>;
  readonly orchestrations: Orchestrations;
}

/**
 * Cancels a job: notes it on the job's row, where its workers see it before their next page, then tells its
 * orchestration, which ends the job. What has been copied stays, and the next backup uses it.
 *
 * Safe to run twice: a job that is being cancelled is told again. A process that dies between the two leaves the second
 * to {@link tellCancelled}'s other caller, the housekeeping of open jobs.
 *
 * @returns the job, which ends as `Cancelled` unless all of its work was done before
 * @throws VaultError `job/not-found`, `job/not-cancellable` when it has ended
 */
export async function cancelJob(deps: CancelJobDeps, ref: JobRef): Promise<Job> {
  const job = await updateRecord(deps.jobs, ref.vault, ref.job, (row) =>
    row.status === "InProgress" ? { ...row, status: "Cancelling" as const } : row,
  );
  if (job === undefined) throw new VaultError("job/not-found", `there is no job '${ref.job}'`);
  if (!isOpen(job)) {
    throw new VaultError("job/not-cancellable", `job '${job.id}' has ended: it is '${job.status}'`);
  }
  await tellCancelled(deps.orchestrations, job);
  return job;
}

/** Ends the wait of a job's orchestration. One that was never started hears nothing, and finds the row when it is. */
export async function tellCancelled(orchestrations: Orchestrations, job: Job): Promise<void> {
  await orchestrations.raise(orchestrationId(job), FAILED_EVENT, CANCELLED);
}

const CANCELLED: Failure = { code: "job/cancelled", message: "the job was cancelled" };

/** Why a cancelled job ended, and what is left of it. */
export function cancelledFailure({ request }: Job): Failure {
  switch (request.kind) {
    case "backup":
      return { ...CANCELLED, hint: "start the backup again when it is wanted; what was copied already is used" };
    case "restore":
      return {
        ...CANCELLED,
        hint: `what was restored stays in account '${request.target.account}'; remove it before the same containers are restored there again`,
      };
    case "retention":
    case "scrub":
      return { ...CANCELLED, hint: "the next one goes on where it stopped" };
  }
}
