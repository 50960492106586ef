/**
 * @module
 * State of a scrub's round. The scrub is a slow background check of one backup instance: the vault account must contain
 * what its manifests list, and nothing else. One job works on a round in steps; after a cancel or crash another job
 * continues it.
 */
import { z } from "zod";

/** Counts of a round so far. Repeated in `Job.counts`. */
export const ScrubCounts = z.object({
  /** Compared recovery points, segments and objects. */
  points: z.int().nonnegative(),
  segments: z.int().nonnegative(),
  objects: z.int().nonnegative(),
  /** Objects read in full, their bytes, and those in the sample that are too large. */
  reread: z.int().nonnegative(),
  rereadBytes: z.int().nonnegative(),
  tooLargeToReread: z.int().nonnegative(),
  /** Needed objects that are missing or altered. */
  missing: z.int().nonnegative(),
  altered: z.int().nonnegative(),
  /** Unreadable seals, indexes and segments. */
  manifests: z.int().nonnegative(),
  /** Objects whose content does not match their recorded MD5, perhaps since they were written at the source. */
  unconfirmed: z.int().nonnegative(),
  /** Files checked for debris. */
  files: z.int().nonnegative(),
  /** Files older than the safe age that no recovery point needs; how many of them were deleted, and their bytes. */
  debris: z.int().nonnegative(),
  removed: z.int().nonnegative(),
  removedBytes: z.int().nonnegative(),
  /** Files that are kept because an unreadable file may refer to them. */
  undecided: z.int().nonnegative(),
  /** Files that are kept because Lakevault did not write them. */
  notUnderstood: z.int().nonnegative(),
});

export type ScrubCounts = Readonly<z.infer<typeof ScrubCounts>>;

export const NO_SCRUB_COUNTS: ScrubCounts = {
  points: 0,
  segments: 0,
  objects: 0,
  reread: 0,
  rereadBytes: 0,
  tooLargeToReread: 0,
  missing: 0,
  altered: 0,
  manifests: 0,
  unconfirmed: 0,
  files: 0,
  debris: 0,
  removed: 0,
  removedBytes: 0,
  undecided: 0,
  notUnderstood: 0,
};

/** Kinds of damage. */
export const FINDING_KINDS = ["missing", "altered", "manifests", "unconfirmed"] as const;

export type FindingKind = (typeof FINDING_KINDS)[number];

/** Damage up to and including the point of a sequence number. */
export const DamageRun = z.object({
  until: z.int().positive(),
  missing: z.int().nonnegative(),
  altered: z.int().nonnegative(),
  manifests: z.int().nonnegative(),
});

export type DamageRun = Readonly<z.infer<typeof DamageRun>>;

/** First half of a round: recovery points before this one are done, and part of this one. */
export const PointPosition = z.object({
  phase: z.literal("points"),
  sequence: z.int().nonnegative(),
  /** Id; empty: the first of this number. */
  point: z.string(),
  /** Ordinals in its seal and its index. */
  container: z.int().nonnegative(),
  segment: z.int().nonnegative(),
  /** Objects up to this path are done; empty: none. */
  after: z.string(),
});

export type PointPosition = Readonly<z.infer<typeof PointPosition>>;

/** Second half of a round: files up to this path are done. */
export const FilePosition = z.object({ phase: z.literal("files"), after: z.string() });

export type FilePosition = Readonly<z.infer<typeof FilePosition>>;

/** State of the round of an instance. Partition: instance id; row: {@link SCRUB_ROW}. */
export const ScrubState = z.object({
  /** Starts at 1; together with the path it decides which objects are re-read. */
  round: z.int().positive(),
  /** The current or last job of the round, and when it took the round up. Times are ISO 8601 UTC. */
  job: z.string(),
  takenUpAt: z.string(),
  startedAt: z.string(),
  /** Absent: the round is not done. */
  endedAt: z.string().optional(),
  /** Number of the newest point when it started; later ones are for the next round. */
  upTo: z.int().nonnegative(),
  position: z.discriminatedUnion("phase", [PointPosition, FilePosition]),
  counts: ScrubCounts,
  /** Damage so far that also affects unchecked points. */
  damage: z.array(DamageRun),
  /** Whether a segment could not be read, so that its entries may not have been compared. */
  hasUnreadSegments: z.boolean(),
  /** The first names of each kind. */
  first: z.object({
    missing: z.array(z.string()),
    altered: z.array(z.string()),
    manifests: z.array(z.string()),
    unconfirmed: z.array(z.string()),
  }),
});

export type ScrubState = Readonly<z.infer<typeof ScrubState>>;

export const SCRUB_ROW = "round";
