import { FULL_SAFETY } from "../foundation/safety.ts";
export interface ScrubSettings {
  /** Duration of a step, ms. It ends at the first check after that. */
  readonly budgetMs: number;
  /** Min age at which files that no recovery point needs are deleted, ms. */
  readonly safeAgeMs: number;
  /** Share of the objects that is re-read in full each round, from 0 to 1. */
  readonly rereadShare: number;
  /** Max bytes re-read per step, and so the max size of an object that is re-read. */
  readonly rereadBytes: number;
  /** From the start of one round to the start of the next. */
  readonly everyDays: number;
  /** Objects compared between two checks of the time. */
  readonly sliceObjects: number;
  /** Files decided per batch: a larger batch reads fewer segments twice. */
  readonly batchFiles: number;
}

export const SCRUB_SETTINGS: ScrubSettings = {
  budgetMs: 240_000,
  safeAgeMs: FULL_SAFETY.debrisAgeMs,
  rereadShare: 0.01,
  rereadBytes: 4 * 2 ** 30,
  everyDays: 30,
  sliceObjects: 5_000,
  batchFiles: 20_000,
};
