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

/** Partition of the rows that name jobs not yet ended, or not yet tidied up after; row: the job's id. */
export const OPEN_JOBS = "open";

export interface OpenJobsDeps {
  readonly jobs: RecordTable<Job>;
  readonly openJobs: RecordTable<JobRef>;
  readonly work: RecordTable<WorkRecord>;
  readonly orchestrations: Orchestrations;
  readonly clock: Clock;
  readonly end: (ref: JobRef, failure: Failure) => Promise<unknown>;
  /** Tells an operator of a job that stands still for good. Safe to run twice. */
  readonly raiseStalled: (job: Job, failure: Failure, now: Date) => Promise<unknown>;
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
    | "has no row yet"
    | "was begun anew"
    | "stands still for good"
    | "did not end by itself";
  /** What the watchdog has found, where it has done something. */
  readonly reason?: string;
}

/**
 * Looks after every job that has not ended: starts the orchestration that a crash left unstarted, tells one again to stop
 * whose job is being cancelled, begins one anew that stands still, and ends a job whose orchestration was ended from outside,
 * so that its instance is free. An ended job is ended once more, which removes what a late worker wrote.
 *
 * Safe to run twice, and at the same time as the jobs: a start of what runs does nothing, of two restarts one is written, and
 * only the first end counts.
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
    const areOthersAtWork = [...beats].some(([job, at]) => job !== ref.job && now - at <= QUIET_MS);
    kept.push({ job: ref.job, ...(await keepGoing(deps, ref, areOthersAtWork)) });
  }
  return kept;
}

async function watchOf({ work }: Pick<OpenJobsDeps, "work">, jobId: string): Promise<WatchRecord | undefined> {
  const row = (await work.get(jobId, workRows.watch))?.value;
  return row?.kind === "watch" ? row : undefined;
}

type Kept = Omit<KeptGoing, "job">;

async function keepGoing(deps: OpenJobsDeps, ref: JobRef, areOthersAtWork: boolean): Promise<Kept> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  // Its request may be about to write it. A request that died there leaves this row for good, which harms nobody.
  if (job === undefined) return { because: "has no row yet" };
  const id = orchestrationId(job);
  const state = await deps.orchestrations.state(id);
  if (state === undefined && job.status === "InProgress") {
    await endForerunner(deps, job);
    await deps.orchestrations.startOnce(job.request.kind, id, ref);
    return { because: "started" };
  }
  if (state === "running") return watch(deps, job, areOthersAtWork);
  // The state was read after the row: an orchestration that has ended since had ended the job before.
  const now = (await deps.jobs.get(ref.vault, ref.job))?.value;
  // It was begun anew meanwhile.
  if (now !== undefined && isOpen(now) && orchestrationId(now) !== id) return { because: "runs" };
  await deps.end(ref, {
    code: "internal/unexpected",
    message: "the job's orchestration ended without ending the job",
    hint: "start the job again",
  });
  if (now === undefined || !isOpen(now)) return { because: "ended before" };
  return {
    because: state === undefined ? "was cancelled before it began" : "its orchestration ended without it",
  };
}

/** Ends the orchestration before the last restart: whoever began the job anew may have died before that was done. */
async function endForerunner({ orchestrations }: OpenJobsDeps, { restarts, ...job }: Job): Promise<void> {
  if (restarts === undefined) return;
  const before = restarts === 1 ? job : { ...job, restarts: restarts - 1 };
  await orchestrations.terminate(orchestrationId(before), "begun anew");
}

/** Looks whether a job whose orchestration runs gets on. */
async function watch(deps: OpenJobsDeps, job: Job, areOthersAtWork: boolean): Promise<Kept> {
  if (!isOpen(job)) return { because: "runs" };
  const isCancelling = job.status === "Cancelling";
  // Whoever cancelled it may have died before its orchestration was told.
  if (isCancelling) await tellCancelled(deps.orchestrations, job);
  const otherwise: Kept = { because: isCancelling ? "was told again to stop" : "runs" };
  const now = deps.clock();
  const first: WatchRecord = { kind: "watch", seenAt: now.toISOString(), restarts: 0 };
  if (await deps.work.insert(job.id, workRows.watch, first)) {
    // Whoever ends a job removes its rows after that is written; this one may have come too late for it.
    const current = (await deps.jobs.get(job.vault, job.id))?.value;
    if (current === undefined || !isOpen(current)) await deps.work.remove(job.id, workRows.watch);
    return otherwise;
  }
  const known = await watchOf(deps, job.id);
  if (known === undefined) return otherwise;

  const decided = decideWatch({ watch: known, isCancelling, areOthersAtWork, now });
  switch (decided.action) {
    case "wait":
      return otherwise;
    case "end":
      return endFromOutside(deps, job, decided.because);
    case "look":
      return lookAt(deps, job, known, decided.because);
  }
}

/** A job that does not end by itself frees its instance all the same. */
async function endFromOutside(deps: OpenJobsDeps, job: Job, reason: string): Promise<Kept> {
  await deps.orchestrations.terminate(orchestrationId(job), reason);
  const failure: Failure =
    job.status === "Cancelling"
      ? cancelledFailure(job)
      : { code: "job/stalled", message: "the job stood still and did not end by itself", hint: "start the job again" };
  await deps.end({ vault: job.vault, job: job.id }, failure);
  return { because: "did not end by itself", reason };
}

async function lookAt(deps: OpenJobsDeps, job: Job, known: WatchRecord, reason: string): Promise<Kept> {
  const progress = await progressOf(deps, job);
  const decided = decideRestart(known, progress);
  const now = deps.clock();
  const hasGotOn = known.progress !== progress;
  const { beatAt: _, ...rest } = known;
  const noted: WatchRecord = { ...rest, seenAt: now.toISOString(), progress, restarts: hasGotOn ? 0 : known.restarts };
  switch (decided.action) {
    case "note":
      await note(deps, job.id, known, noted);
      return { because: "runs" };
    case "restart":
      if (!(await note(deps, job.id, known, { ...noted, restarts: noted.restarts + 1 }))) return { because: "runs" };
      await restart(deps, job, `${reason}: ${decided.because}`);
      return { because: "was begun anew", reason: `${reason}: ${decided.because}` };
    case "fail":
      // Noted last: who dies before has told too little, and tells all of it again at the next look.
      await deps.raiseStalled(job, decided.failure, now);
      await deps.orchestrations.raise(orchestrationId(job), FAILED_EVENT, decided.failure);
      await note(deps, job.id, known, { ...noted, failedAt: now.toISOString() });
      return { because: "stands still for good", reason };
  }
}

/**
 * Notes what was decided, unless a worker has said meanwhile that it is at work. The row is there while the job is open: one
 * that has ended gets none.
 *
 * @returns whether it was noted
 */
async function note(deps: OpenJobsDeps, jobId: string, known: WatchRecord, noted: WatchRecord): Promise<boolean> {
  const stored = await updateRecord(deps.work, jobId, workRows.watch, (row) =>
    row.kind === "watch" && row.seenAt === known.seenAt && row.beatAt === known.beatAt ? noted : row,
  );
  return stored === noted;
}

/**
 * Begins the job's orchestration anew. Its next id is written to the job first, so that whoever raises an event from then on
 * raises it to the new one, and a crash in between leaves an orchestration that was not started, which is started.
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

/** Rows of a job's work that stand for something done. */
const DONE_KINDS = new Set<WorkRecord["kind"]>(["plan", "range", "piece", "tally", "group", "marker", "restored"]);

/** All that a job has done, in one text. Read only of a job of which nothing was seen for a while: it reads all its rows. */
async function progressOf(deps: OpenJobsDeps, job: Job): Promise<string> {
  const stored = (await deps.jobs.get(job.vault, job.id))?.value;
  let rows = 0;
  for await (const { value } of listRecords(deps.work, job.id)) if (DONE_KINDS.has(value.kind)) rows += 1;
  const { status, recoveryPoint, containers, totals, counts } = stored ?? job;
  return JSON.stringify([rows, status, recoveryPoint?.id ?? null, containers?.length ?? 0, totals ?? {}, counts ?? {}]);
}
