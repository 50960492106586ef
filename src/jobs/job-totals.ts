import { z } from "zod";

/** What a job did, or has done so far. All counts are of blobs, all sizes are bytes. */
export const JobTotals = z.object({
  /** Entries of the source listing, or of the manifest for a restore. */
  listed: z.int().nonnegative(),
  /** Objects that were copied, and their bytes. */
  copied: z.int().nonnegative(),
  copiedBytes: z.int().nonnegative(),
  /** Already in the vault (or the target) as they should be. */
  unchanged: z.int().nonnegative(),
  /** In the previous recovery point, not at the source any more. */
  removed: z.int().nonnegative(),
  /** Changed or removed at the source between its listing and its copy. */
  changedDuringCopy: z.int().nonnegative(),
  /** Could not be taken, or given back: see the warnings. */
  warned: z.int().nonnegative(),
  /** What the recovery point holds, or the restore has written. */
  entries: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
});

export type JobTotals = Readonly<z.infer<typeof JobTotals>>;

export const NO_TOTALS: JobTotals = {
  listed: 0,
  copied: 0,
  copiedBytes: 0,
  unchanged: 0,
  removed: 0,
  changedDuringCopy: 0,
  warned: 0,
  entries: 0,
  bytes: 0,
};

export function addTotals(a: JobTotals, b: JobTotals): JobTotals {
  return {
    listed: a.listed + b.listed,
    copied: a.copied + b.copied,
    copiedBytes: a.copiedBytes + b.copiedBytes,
    unchanged: a.unchanged + b.unchanged,
    removed: a.removed + b.removed,
    changedDuringCopy: a.changedDuringCopy + b.changedDuringCopy,
    warned: a.warned + b.warned,
    entries: a.entries + b.entries,
    bytes: a.bytes + b.bytes,
  };
}
