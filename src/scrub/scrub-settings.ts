import { FULL_SAFETY } from "../foundation/safety.ts";
export interface ScrubSettings {
  /** How long a step works, ms. It ends at the next look after that. */
  readonly budgetMs: number;
  /** Age up to which what no recovery point needs is left alone, ms. */
  readonly safeAgeMs: number;
  /** Part of the objects that is re-read in full each round, from 0 to 1. */
  readonly rereadShare: number;
  /** Bytes that a step re-reads at most, and so the largest object that is re-read. */
  readonly rereadBytes: number;
  /** From the start of a round to that of the next. */
  readonly everyDays: number;
  /** Objects that are compared between two looks at the clock. */
  readonly sliceObjects: number;
  /** Files that are decided about together: the more, the fewer segments are read twice. */
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
