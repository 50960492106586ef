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
 * Cancels a job: updates its row, which its workers check before each page, then sends an event to its orchestration,
 * which ends the job. Copied objects are kept, and the next backup reuses them.
 *
 * Safe to run twice: a repeated cancel sends the event again. After a crash between the two writes, the housekeeping of
 * open jobs calls {@link tellCancelled}.
 *
 * @returns the job, which ends as `Cancelled` unless all of its work was done before
 * @throws VaultError `job/not-found`, `job/not-cancellable` when it has ended
 */
export async function cancelJob(deps: CancelJobDeps, ref: JobRef): Promise<Job> {
  const job = await updateRecord(deps.jobs, ref.vault, ref.job, (row) =>
    row.status === "InProgress" ? { ...row, status: "Cancelling" as const } : row,
  );
  if (job === undefined) throw new VaultError("job/not-found", `job '${ref.job}' was not found`);
  if (!isOpen(job)) {
    throw new VaultError("job/not-cancellable", `job '${job.id}' has already ended with status '${job.status}'`);
  }
  await tellCancelled(deps.orchestrations, job);
  return job;
}

/** Ends the wait of a job's orchestration. If it has not started yet, it finds the status in the row when it starts. */
export async function tellCancelled(orchestrations: Orchestrations, job: Job): Promise<void> {
  await orchestrations.raise(orchestrationId(job), FAILED_EVENT, CANCELLED);
}

const CANCELLED: Failure = { code: "job/cancelled", message: "the job was cancelled" };

/** Failure of a cancelled job, with a hint about what remains. */
export function cancelledFailure({ request }: Job): Failure {
  switch (request.kind) {
    case "backup":
      return { ...CANCELLED, hint: "start the backup again when needed; it reuses what was already copied" };
    case "restore":
      return {
        ...CANCELLED,
        hint: `restored blobs stay in account '${request.target.account}'; delete them before you restore the same containers there again`,
      };
    case "retention":
    case "scrub":
      return { ...CANCELLED, hint: "the next one continues where it stopped" };
  }
}
