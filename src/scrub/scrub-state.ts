/**
 * @module
 * How far a scrub's round has come. The scrub is a slow background check of one backup instance, that what lies in the vault
 * account is what its manifests name, and nothing else. A round is worked on in steps by one job or, when that is cancelled or
 * dies, by several.
 */
import { z } from "zod";

/** What a round has come to so far. Repeated in `Job.counts`. */
export const ScrubCounts = z.object({
  /** Recovery points, segments and objects that were compared. */
  points: z.int().nonnegative(),
  segments: z.int().nonnegative(),
  objects: z.int().nonnegative(),
  /** Objects that were read in full, their bytes, and those that were chosen and are too large for it. */
  reread: z.int().nonnegative(),
  rereadBytes: z.int().nonnegative(),
  tooLargeToReread: z.int().nonnegative(),
  /** Objects that are needed and are not there, or not as they were written. */
  missing: z.int().nonnegative(),
  altered: z.int().nonnegative(),
  /** Seals, indexes and segments that cannot be read. */
  manifests: z.int().nonnegative(),
  /** Objects whose content has another MD5 than was said of it, perhaps ever since it was written at the source. */
  unconfirmed: z.int().nonnegative(),
  /** Files of the vault that were looked at for debris. */
  files: z.int().nonnegative(),
  /** Files older than the safe age that no recovery point needs; of them those that were removed, and their bytes. */
  debris: z.int().nonnegative(),
  removed: z.int().nonnegative(),
  removedBytes: z.int().nonnegative(),
  /** Files that may be debris, if what cannot be read does not name them. They stay. */
  undecided: z.int().nonnegative(),
  /** Files that Lakevault would not have written. They stay. */
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

/** What can be wrong with what a recovery point needs. */
export const FINDING_KINDS = ["missing", "altered", "manifests", "unconfirmed"] as const;

export type FindingKind = (typeof FINDING_KINDS)[number];

/** How much is wrong with what points need, up to and with the point of a sequence number. */
export const DamageRun = z.object({
  until: z.int().positive(),
  missing: z.int().nonnegative(),
  altered: z.int().nonnegative(),
  manifests: z.int().nonnegative(),
});

export type DamageRun = Readonly<z.infer<typeof DamageRun>>;

/** In the first half of a round: recovery points before this one are done, and of it what comes before the rest. */
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

/** In the second half: files up to this path are done. */
export const FilePosition = z.object({ phase: z.literal("files"), after: z.string() });

export type FilePosition = Readonly<z.infer<typeof FilePosition>>;

/** How far the round of an instance has come. Partition: instance id; row: {@link SCRUB_ROW}. */
export const ScrubState = z.object({
  /** Counts up from 1; decides, with the path, which objects are re-read. */
  round: z.int().positive(),
  /** The job that works on it, or did so last, and when it began to. Times are ISO 8601 UTC. */
  job: z.string(),
  takenUpAt: z.string(),
  startedAt: z.string(),
  /** Absent: the round is not done. */
  endedAt: z.string().optional(),
  /** Number of the newest point when it began; later ones are for the next round. */
  upTo: z.int().nonnegative(),
  position: z.discriminatedUnion("phase", [PointPosition, FilePosition]),
  counts: ScrubCounts,
  /** What was found so far that points not yet done need too. */
  damage: z.array(DamageRun),
  /** Whether a segment could not be read, so that what it names may not have been compared. */
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
