/**
 * @module
 * The numbers that keep data from being removed too early, in one place. Each stands for something that may still be under
 * way: a worker that was given up and goes on, a request that arrives late, a clock that differs. None is a setting, but for
 * `debrisAgeMs`, which an owner may lengthen or shorten to no less than two days (`VaultScrubSafeAgeDays`).
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from "./durations.ts";

export interface Safety {
  /** A deleted instance is purged so long after the time until which it can be undeleted: clocks of two machines differ. */
  readonly undeleteGraceMs: number;
  /** Shortest time for which a deleted instance can be undeleted, days; Azure's own minimum. */
  readonly minSoftDeleteDays: number;
  /** The vault account reports times to the second: a file may be this much older than it says. */
  readonly timeGrainMs: number;
  /** What no recovery point needs is left alone until it is so old: a job may be about to seal a point that needs it. */
  readonly debrisAgeMs: number;
  /** A worker that was given up may write to an object so long after its point was sealed. Later writes are not Lakevault's. */
  readonly lateWriteMs: number;
  /** No execution lives so long: the host ends each after 10 minutes. An older snapshot of ours is nobody's any more. */
  readonly staleSnapshotMs: number;
  /** Rows of a failed job are removed once more until then, because a worker may still write some. */
  readonly lateWorkMs: number;
  /** A mark of a deletion, or the claim of a datasource, counts so long without its row: the request that set it has ended. */
  readonly claimMs: number;
  /** The turn of a job that is started by hand counts so long without the job's row. */
  readonly jobTurnMs: number;
}

export const FULL_SAFETY: Safety = {
  undeleteGraceMs: HOUR_MS,
  minSoftDeleteDays: 14,
  timeGrainMs: 1_000,
  debrisAgeMs: 14 * DAY_MS,
  lateWriteMs: HOUR_MS,
  staleSnapshotMs: 2 * HOUR_MS,
  lateWorkMs: 15 * MINUTE_MS,
  claimMs: 5 * MINUTE_MS,
  jobTurnMs: 5 * MINUTE_MS,
};

/** For tests that show what a number protects against; never for a vault that anybody uses. */
export const NO_SAFETY: Safety = {
  undeleteGraceMs: 0,
  minSoftDeleteDays: 0,
  timeGrainMs: 0,
  debrisAgeMs: 0,
  lateWriteMs: 0,
  staleSnapshotMs: 0,
  lateWorkMs: 0,
  claimMs: 0,
  jobTurnMs: 0,
};
