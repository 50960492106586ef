import { z } from "zod";

/** Totals of a job, so far or final. All counts are of blobs, all sizes are bytes. */
export const JobTotals = z.object({
  /** Entries of the source listing, or of the manifest for a restore. */
  listed: z.int().nonnegative(),
  /** Copied objects, and their bytes. */
  copied: z.int().nonnegative(),
  copiedBytes: z.int().nonnegative(),
  /** Already up to date in the vault (or the target). */
  unchanged: z.int().nonnegative(),
  /** In the previous recovery point, but deleted at the source. */
  removed: z.int().nonnegative(),
  /** Changed or deleted at the source between listing and copy. */
  changedDuringCopy: z.int().nonnegative(),
  /** Not backed up or restored: see the warnings. */
  warned: z.int().nonnegative(),
  /** Content of the recovery point, or of what the restore has written. */
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
