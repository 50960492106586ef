import type { Clock } from "../foundation/clock.ts";
import type { Failure } from "../foundation/errors.ts";
import { FAILED_EVENT } from "../foundation/flow.ts";
import { listRecords, type RecordTable, updateRecord } from "../foundation/records.ts";
import { cancelledFailure, tellCancelled } from "./cancel-job.ts";
import { isOpen, type Job } from "./job.ts";
import type { JobRef } from "./job-ref.ts";
import { type Orchestrations, orchestrationId } from "./orchestrations.ts";
import { decideRestart, decideWatch, QUIET_MS } from "./watchdog.ts";
import { type WatchRecord, type WorkRecord, workRows } from "./work.ts";

/** Partition of rows for jobs that have not ended, or still have rows to delete; row: the job's id. */
export const OPEN_JOBS = "open";

export interface OpenJobsDeps {
  readonly jobs: RecordTable<Job>;
  readonly openJobs: RecordTable<JobRef>;
  readonly work: RecordTable<WorkRecord>;
  readonly orchestrations: Orchestrations;
  readonly clock: Clock;
  readonly end: (ref: JobRef, failure: Failure) => Promise<unknown>;
  /** Raises an alert for a permanently stalled job. Safe to run twice. */
  readonly raiseStalled: (job: Job, failure: Failure, now: Date) => Promise<unknown>;
}

export interface KeptGoing {
  readonly job: string;
  readonly because:
    | "runs"
    | "started"
    | "was sent the cancel event again"
    | "was cancelled before it started"
    | "ended before"
    | "its orchestration had already ended"
    | "has no row yet"
    | "was restarted"
    | "stalled permanently"
    | "was ended by the watchdog";
  /** Reason of the watchdog, if it took an action. */
  readonly reason?: string;
}

/**
 * Housekeeping of all open jobs: starts an orchestration that a crash left unstarted, sends the cancel event of a
 * cancelled job again, restarts a stalled job, and ends a job whose orchestration was ended from outside, so that its
 * instance is free. An ended job is ended once more, which deletes the rows of late workers.
 *
 * Safe to run twice and concurrently with the jobs: starting a running orchestration has no effect, of two restarts one
 * is written, and only the first end counts.
 */
export async function keepJobsGoing(deps: OpenJobsDeps): Promise<KeptGoing[]> {
  const refs: JobRef[] = [];
  for await (const { value } of listRecords(deps.openJobs, OPEN_JOBS)) refs.push(value);
  const beats = new Map<string, number>();
  for (const { job } of refs) {
    const watch = await watchOf(deps, job);
    if (watch?.beatAt !== undefined) beats.set(job, Date.parse(watch.beatAt));
  }
  const kept: KeptGoing[] = [];
  for (const ref of refs) {
    const now = deps.clock().getTime();
    const areOthersRunning = [...beats].some(([job, at]) => job !== ref.job && now - at <= QUIET_MS);
    kept.push({ job: ref.job, ...(await keepGoing(deps, ref, areOthersRunning)) });
  }
  return kept;
}

async function watchOf({ work }: Pick<OpenJobsDeps, "work">, jobId: string): Promise<WatchRecord | undefined> {
  const row = (await work.get(jobId, workRows.watch))?.value;
  return row?.kind === "watch" ? row : undefined;
}

type Kept = Omit<KeptGoing, "job">;

async function keepGoing(deps: OpenJobsDeps, ref: JobRef, areOthersRunning: boolean): Promise<Kept> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  // Its request may be about to write it. If the request crashed there, this row stays, which is harmless.
  if (job === undefined) return { because: "has no row yet" };
  const id = orchestrationId(job);
  const state = await deps.orchestrations.state(id);
  if (state === undefined && job.status === "InProgress") {
    await endForerunner(deps, job);
    await deps.orchestrations.startOnce(job.request.kind, id, ref);
    return { because: "started" };
  }
  if (state === "running") return watch(deps, job, areOthersRunning);
  // The state was read after the row: an orchestration that has ended since then had ended the job before.
  const now = (await deps.jobs.get(ref.vault, ref.job))?.value;
  // It was restarted meanwhile.
  if (now !== undefined && isOpen(now) && orchestrationId(now) !== id) return { because: "runs" };
  await deps.end(ref, {
    code: "internal/unexpected",
    message: "the orchestration ended without ending the job",
    hint: "start the job again",
  });
  if (now === undefined || !isOpen(now)) return { because: "ended before" };
  return {
    because: state === undefined ? "was cancelled before it started" : "its orchestration had already ended",
  };
}

/** Ends the orchestration before the last restart: the restart may have crashed before that. */
async function endForerunner({ orchestrations }: OpenJobsDeps, { restarts, ...job }: Job): Promise<void> {
  if (restarts === undefined) return;
  const before = restarts === 1 ? job : { ...job, restarts: restarts - 1 };
  await orchestrations.terminate(orchestrationId(before), "begun anew");
}

/** Checks whether a job with a running orchestration makes progress. */
async function watch(deps: OpenJobsDeps, job: Job, areOthersRunning: boolean): Promise<Kept> {
  if (!isOpen(job)) return { because: "runs" };
  const isCancelling = job.status === "Cancelling";
  // The cancel may have crashed before it sent the event.
  if (isCancelling) await tellCancelled(deps.orchestrations, job);
  const otherwise: Kept = { because: isCancelling ? "was sent the cancel event again" : "runs" };
  const now = deps.clock();
  const first: WatchRecord = { kind: "watch", seenAt: now.toISOString(), restarts: 0 };
  if (await deps.work.insert(job.id, workRows.watch, first)) {
    // The job may have ended meanwhile and deleted its rows; this one may have been written after that.
    const current = (await deps.jobs.get(job.vault, job.id))?.value;
    if (current === undefined || !isOpen(current)) await deps.work.remove(job.id, workRows.watch);
    return otherwise;
  }
  const known = await watchOf(deps, job.id);
  if (known === undefined) return otherwise;

  const decided = decideWatch({ watch: known, isCancelling, areOthersRunning, now });
  switch (decided.action) {
    case "wait":
      return otherwise;
    case "end":
      return endFromOutside(deps, job, decided.because);
    case "look":
      return checkProgress(deps, job, known, decided.because);
  }
}

/** Ends a job that does not end itself, so that its instance is free. */
async function endFromOutside(deps: OpenJobsDeps, job: Job, reason: string): Promise<Kept> {
  await deps.orchestrations.terminate(orchestrationId(job), reason);
  const failure: Failure =
    job.status === "Cancelling"
      ? cancelledFailure(job)
      : { code: "job/stalled", message: "the job stalled and did not end", hint: "start the job again" };
  await deps.end({ vault: job.vault, job: job.id }, failure);
  return { because: "was ended by the watchdog", reason };
}

async function checkProgress(deps: OpenJobsDeps, job: Job, known: WatchRecord, reason: string): Promise<Kept> {
  const progress = await progressOf(deps, job);
  const decided = decideRestart(known, progress);
  const now = deps.clock();
  const hasProgress = known.progress !== progress;
  const { beatAt: _, ...rest } = known;
  const noted: WatchRecord = {
    ...rest,
    seenAt: now.toISOString(),
    progress,
    restarts: hasProgress ? 0 : known.restarts,
  };
  switch (decided.action) {
    case "note":
      await note(deps, job.id, known, noted);
      return { because: "runs" };
    case "restart":
      if (!(await note(deps, job.id, known, { ...noted, restarts: noted.restarts + 1 }))) return { because: "runs" };
      await restart(deps, job, `${reason}: ${decided.because}`);
      return { because: "was restarted", reason: `${reason}: ${decided.because}` };
    case "fail":
      // Written last: after a crash before it, the next check sends everything again.
      await deps.raiseStalled(job, decided.failure, now);
      await deps.orchestrations.raise(orchestrationId(job), FAILED_EVENT, decided.failure);
      await note(deps, job.id, known, { ...noted, failedAt: now.toISOString() });
      return { because: "stalled permanently", reason };
  }
}

/**
 * Writes the decision, unless a worker has written a heartbeat meanwhile. The row exists only while the job is open: an
 * ended job gets none.
 *
 * @returns whether it was written
 */
async function note(deps: OpenJobsDeps, jobId: string, known: WatchRecord, noted: WatchRecord): Promise<boolean> {
  const stored = await updateRecord(deps.work, jobId, workRows.watch, (row) =>
    row.kind === "watch" && row.seenAt === known.seenAt && row.beatAt === known.beatAt ? noted : row,
  );
  return stored === noted;
}

/**
 * Restarts the job's orchestration. Its next id is written to the job first, so that new events go to the new
 * orchestration; a crash after that leaves an unstarted orchestration, which housekeeping starts.
 */
async function restart(deps: OpenJobsDeps, job: Job, reason: string): Promise<void> {
  const next = (job.restarts ?? 0) + 1;
  const written = await updateRecord(deps.jobs, job.vault, job.id, (row) =>
    isOpen(row) && (row.restarts ?? 0) === next - 1 ? { ...row, restarts: next } : row,
  );
  if (written === undefined || !isOpen(written) || written.restarts !== next) return;
  const ref: JobRef = { vault: job.vault, job: job.id };
  await deps.orchestrations.terminate(orchestrationId(job), `begun anew: ${reason}`);
  await deps.orchestrations.startOnce(job.request.kind, orchestrationId(written), ref);
}

/** Rows of a job's work that count as progress. */
const DONE_KINDS = new Set<WorkRecord["kind"]>(["plan", "range", "piece", "tally", "group", "marker", "restored"]);

/** Progress of a job as one text. Used only for a job without signs of life: it reads all of its rows. */
async function progressOf(deps: OpenJobsDeps, job: Job): Promise<string> {
  const stored = (await deps.jobs.get(job.vault, job.id))?.value;
  let rows = 0;
  for await (const { value } of listRecords(deps.work, job.id)) if (DONE_KINDS.has(value.kind)) rows += 1;
  const { status, recoveryPoint, containers, totals, counts } = stored ?? job;
  return JSON.stringify([rows, status, recoveryPoint?.id ?? null, containers?.length ?? 0, totals ?? {}, counts ?? {}]);
}
