import type { z } from "zod";
import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { deadline } from "../foundation/deadline.ts";
import { VaultError } from "../foundation/errors.ts";
import type { Activity } from "../foundation/flow.ts";
import { present } from "../foundation/present.ts";
import { type RecordPage, type RecordTable, type Stored, updateRecord } from "../foundation/records.ts";
import { FULL_SAFETY } from "../foundation/safety.ts";
import { NO_WARNINGS } from "../vault/seal.ts";
import { cancelledFailure } from "./cancel-job.ts";
import { isOpen, type Job, JobFailure, type JobStatus } from "./job.ts";
import { type InstanceLock, releaseLock } from "./job-lock.ts";
import { JobRef } from "./job-ref.ts";
import { addTotals, type JobTotals, NO_TOTALS } from "./job-totals.ts";
import { OPEN_JOBS } from "./open-jobs.ts";
import { type Pin, unpin } from "./pins.ts";
import { readContainerTotals } from "./progress.ts";
import { type WorkRecord, workRows } from "./work.ts";

const EndJobInput = JobRef.extend({ failure: JobFailure.optional() });
type EndJobInput = Readonly<z.infer<typeof EndJobInput>>;

export const endJob: Activity<EndJobInput, JobStatus> = { name: "endJob", parse: (input) => EndJobInput.parse(input) };

export interface EndJobDeps {
  readonly jobs: RecordTable<Job>;
  readonly openJobs: RecordTable<JobRef>;
  readonly locks: RecordTable<InstanceLock>;
  readonly work: RecordTable<WorkRecord>;
  readonly pins: RecordTable<Pin>;
  readonly clock: Clock;
}

/** Max work rows written or deleted concurrently when a job ends. */
const ROWS_WIDTH = 16;

/** Time limit for deleting the rows of an ended job; housekeeping deletes the rest. */
const FORGETTING_MS = 4 * 60_000;

/**
 * Ends a job: writes the totals of each container, then the status, then releases lock and pin, then deletes work rows.
 *
 * Safe to run twice: the first status stays, and the other steps are repeated without effect. If time does not allow
 * deleting all rows, the job stays among the open jobs, and housekeeping deletes the rest.
 *
 * @returns the final status of the job
 */
export async function endJobActivity(deps: EndJobDeps, input: EndJobInput): Promise<JobStatus> {
  const stored = await deps.jobs.get(input.vault, input.job);
  if (stored === undefined) throw new VaultError("job/not-found", `there is no job '${input.job}'`);

  const ended = isOpen(stored.value) ? await end(deps, stored, input.failure) : stored.value;
  await releaseLock(deps.locks, ended.instance, ended.id);
  if (ended.request.kind === "restore") await unpin(deps.pins, ended, ended.request.recoveryPoint);
  const isForgotten = await forgetWork(deps, ended.id);
  if (isForgotten && !mayHaveLateWork(ended, deps.clock())) await deps.openJobs.remove(OPEN_JOBS, ended.id);
  return ended.status;
}

/**
 * Whether a worker may still write rows of a job that ended early. Until then the job stays open for housekeeping,
 * which ends it again and so deletes these rows.
 */
function mayHaveLateWork({ status, endedAt }: Job, now: Date): boolean {
  if (status === "Completed" || status === "CompletedWithWarnings" || endedAt === undefined) return false;
  return now.getTime() - Date.parse(endedAt) < FULL_SAFETY.lateWorkMs;
}

async function end(deps: EndJobDeps, stored: Stored<Job>, failure: Job["failure"]): Promise<Job> {
  const open = stored.value;
  const containers = await readContainerTotals(deps.work, open);
  await mapBounded(containers, ROWS_WIDTH, ({ container, totals }) =>
    deps.work.insert(open.id, workRows.container(container), { kind: "container", container, totals }),
  );
  const totals = containers.map((container) => container.totals).reduce(addTotals, NO_TOTALS);
  const decide = (job: Job): Job =>
    isOpen(job)
      ? { ...job, ...endOf(job, failure), ...counted(job, totals), endedAt: deps.clock().toISOString() }
      : job;
  const ended = await updateRecord(deps.jobs, open.vault, open.id, decide, stored);
  return ended ?? open;
}

/** Decides the final status. A cancel after all work was done has no effect on it. */
function endOf(job: Job, failure: Job["failure"]): Pick<Job, "status" | "failure"> {
  const done = (job.warnings?.count ?? 0) > 0 ? "CompletedWithWarnings" : "Completed";
  if (job.status === "Cancelling") {
    return isDone(job) ? { status: done } : { status: "Cancelled", failure: cancelledFailure(job) };
  }
  if (failure === undefined) return { status: done };
  return { status: failure.code === "job/cancelled" ? "Cancelled" : "Failed", failure };
}

/** Only the step that seals the recovery point or verifies the restore writes the totals to the job's row. */
function isDone(job: Job): boolean {
  return job.totals !== undefined;
}

/** Totals of a job that ended early; of its warnings only the number is left, because their rows are deleted. */
function counted(job: Job, totals: JobTotals): Pick<Job, "totals" | "warnings"> {
  if (isDone(job)) return {};
  const { count, first } = job.warnings ?? NO_WARNINGS;
  return { totals, warnings: { count: count + totals.warned, first } };
}

/**
 * Deletes the rows page by page, so that each attempt leaves fewer. Readers that see the job ended do not need them.
 *
 * @returns whether there was time for all
 */
async function forgetWork({ work, clock }: Pick<EndJobDeps, "work" | "clock">, jobId: string): Promise<boolean> {
  const hasTime = deadline(clock, FORGETTING_MS);
  let continuation: string | undefined;
  do {
    if (continuation !== undefined && !hasTime()) return false;
    const page: RecordPage<WorkRecord> = await work.list(jobId, present({ continuation }));
    const rows = page.records.map(({ row }) => row).filter((row) => !row.startsWith(workRows.containers));
    await work.removeAll(jobId, rows);
    continuation = page.continuation;
  } while (continuation !== undefined);
  return true;
}
