/**
 * @module
 * Decides what becomes of a job that seems to stand still: its message was lost, its worker died or is frozen, or its
 * orchestration ended without a sign.
 *
 * Whatever is missing, one thing mends it: the orchestration is begun anew under another id. Each step of a job may run twice,
 * so it passes over what is done and sends again what is not.
 */
import type { Failure } from "../foundation/errors.ts";
import type { WatchRecord } from "./work.ts";

/** How often a worker says that it is at work; `heartbeat.ts`. */
export const BEAT_EVERY_MS = 15_000;

/**
 * A job counts as standing still when nothing was seen of it for so long. Three beats are missing then; and no step that
 * failed waits longer for its next try (40 s). With a look each minute a job stands still for less than two.
 */
export const QUIET_MS = 55_000;

/**
 * The same while other jobs are worked on: then its messages may just wait their turn. Longer than the ten minutes for which
 * the host leases a message, after which a dead worker's comes back by itself.
 */
export const QUEUED_MS = 15 * 60_000;

/** Each restart that helps nothing doubles the wait for the next, up to this many times. */
const MAX_DOUBLINGS = 4;

/**
 * Restarts in a row that help nothing, after which the job has failed: one hour and a half, so that an account that is away
 * for an hour ends no job, and one that can never end keeps its instance from at most a few backups.
 */
export const MAX_RESTARTS = 8;

/** A job that was told that it has failed, or is cancelled, ends by itself within this time, or is ended. */
export const ENDING_MS = 10 * 60_000;

export interface WatchFacts {
  readonly watch: WatchRecord;
  readonly isCancelling: boolean;
  /** Whether a worker of another job has said lately that it is at work. */
  readonly areOthersAtWork: boolean;
  readonly now: Date;
}

export type WatchDecision =
  | { readonly action: "wait"; readonly because: string }
  /** Nothing was seen for a while: {@link decideRestart} has to know how far the job is. */
  | { readonly action: "look"; readonly because: string }
  | { readonly action: "end"; readonly because: string };

/** Decides by the clock alone whether there is reason to look at a job. */
export function decideWatch({ watch, isCancelling, areOthersAtWork, now }: WatchFacts): WatchDecision {
  const seenAt = Math.max(Date.parse(watch.seenAt), Date.parse(watch.beatAt ?? watch.seenAt));
  const quietMs = now.getTime() - seenAt;
  if (watch.failedAt !== undefined) {
    return now.getTime() - Date.parse(watch.failedAt) > ENDING_MS
      ? { action: "end", because: "it was told that it has failed, and does not end" }
      : { action: "wait", because: "it was told that it has failed" };
  }
  if (isCancelling) {
    return quietMs > ENDING_MS
      ? { action: "end", because: "it is cancelled, and does not end" }
      : { action: "wait", because: "it is being cancelled" };
  }
  const longest = (areOthersAtWork ? QUEUED_MS : QUIET_MS) * 2 ** Math.min(watch.restarts, MAX_DOUBLINGS);
  const seconds = Math.round(quietMs / 1_000);
  return quietMs > longest
    ? { action: "look", because: `nothing was seen of it for ${seconds} s` }
    : { action: "wait", because: `something was seen of it ${seconds} s ago` };
}

export type RestartDecision =
  | { readonly action: "note"; readonly because: string }
  | { readonly action: "restart"; readonly because: string }
  | { readonly action: "fail"; readonly failure: Failure };

/**
 * Decides about a job of which nothing was seen for a while.
 *
 * @param progress - all that the job has done, in one text; another text is other progress
 */
export function decideRestart(watch: WatchRecord, progress: string): RestartDecision {
  const hasGotOn = watch.progress !== progress;
  // Who has said that he is at work, and says nothing any more, is dead, however far he has come.
  if (hasGotOn && watch.beatAt === undefined) return { action: "note", because: "it got on without a word" };
  if (hasGotOn || watch.restarts < MAX_RESTARTS) {
    return { action: "restart", because: watch.beatAt === undefined ? "it does not get on" : "its worker went silent" };
  }
  return {
    action: "fail",
    failure: {
      code: "job/stalled",
      message: `the job stands still, and ${MAX_RESTARTS} restarts did not help`,
      hint: "look at the app's log and at the health of the storage accounts; then start the job again, what was done is used",
    },
  };
}
