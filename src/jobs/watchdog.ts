/**
 * @module
 * Decides what to do about a job that seems stalled: a message was lost, a worker died or hangs, or the orchestration
 * ended silently.
 *
 * The remedy is always the same: restart the orchestration under another id. Each step of a job is safe to run twice:
 * it skips what is done and sends missing messages again.
 */
import type { Failure } from "../foundation/errors.ts";
import type { WatchRecord } from "./work.ts";

/** Interval of heartbeats; `heartbeat.ts`. */
export const BEAT_EVERY_MS = 15_000;

/**
 * A job without signs of life for this long counts as stalled. That is three missing heartbeats, and longer than any
 * back-off of a failed step (40 s). With a check every minute a job stalls for less than two minutes.
 */
export const QUIET_MS = 55_000;

/**
 * The same while other jobs run: then its messages may just be queued. Longer than the host's lease of a message, ten
 * minutes, after which the message of a dead worker becomes visible again.
 */
export const QUEUED_MS = 15 * 60_000;

/** Each restart without progress doubles the wait for the next, up to this factor. */
const MAX_DOUBLINGS = 4;

/**
 * Max consecutive restarts without progress, then the job fails: after one and a half hours, so that an outage of an
 * hour fails no job, and a hopeless job blocks its instance for at most a few backups.
 */
export const MAX_RESTARTS = 8;

/** Time for a failed or cancelled job to end itself before the watchdog ends it. */
export const ENDING_MS = 10 * 60_000;

export interface WatchFacts {
  readonly watch: WatchRecord;
  readonly isCancelling: boolean;
  /** Whether a worker of another job has a recent heartbeat. */
  readonly areOthersRunning: boolean;
  readonly now: Date;
}

export type WatchDecision =
  | { readonly action: "wait"; readonly because: string }
  /** No signs of life: {@link decideRestart} needs to know the progress of the job. */
  | { readonly action: "look"; readonly because: string }
  | { readonly action: "end"; readonly because: string };

/** Decides, by time only, whether to check a job. */
export function decideWatch({ watch, isCancelling, areOthersRunning, now }: WatchFacts): WatchDecision {
  const seenAt = Math.max(Date.parse(watch.seenAt), Date.parse(watch.beatAt ?? watch.seenAt));
  const quietMs = now.getTime() - seenAt;
  if (watch.failedAt !== undefined) {
    return now.getTime() - Date.parse(watch.failedAt) > ENDING_MS
      ? { action: "end", because: "the failed job did not end" }
      : { action: "wait", because: "the failed job is ending" };
  }
  if (isCancelling) {
    return quietMs > ENDING_MS
      ? { action: "end", because: "the cancelled job did not end" }
      : { action: "wait", because: "the job is being cancelled" };
  }
  const maxQuietMs = (areOthersRunning ? QUEUED_MS : QUIET_MS) * 2 ** Math.min(watch.restarts, MAX_DOUBLINGS);
  const seconds = Math.round(quietMs / 1_000);
  return quietMs > maxQuietMs
    ? { action: "look", because: `no sign of life for ${seconds} s` }
    : { action: "wait", because: `last sign of life ${seconds} s ago` };
}

export type RestartDecision =
  | { readonly action: "note"; readonly because: string }
  | { readonly action: "restart"; readonly because: string }
  | { readonly action: "fail"; readonly failure: Failure };

/**
 * Decides about a job without signs of life.
 *
 * @param progress - everything that the job has done, as one text; a different text means progress
 */
export function decideRestart(watch: WatchRecord, progress: string): RestartDecision {
  const hasProgress = watch.progress !== progress;
  // A worker whose heartbeats stopped is dead, whatever its progress.
  if (hasProgress && watch.beatAt === undefined) return { action: "note", because: "progress without heartbeat" };
  if (hasProgress || watch.restarts < MAX_RESTARTS) {
    return { action: "restart", because: watch.beatAt === undefined ? "no progress" : "the heartbeat stopped" };
  }
  return {
    action: "fail",
    failure: {
      code: "job/stalled",
      message: `the job stalled, and ${MAX_RESTARTS} restarts did not help`,
      hint: "check the app's log and the health of the storage accounts, then start the job again; it reuses what was done",
    },
  };
}
