/**
 * @module
 * The rows of a job's work: what was planned and what came of it. Partition: the job's id. A result row is inserted
 * once and never changed, so whoever works a message twice finds what the first one left.
 */
import { z } from "zod";
import { listRecords, type RecordTable, type Stored } from "../foundation/records.ts";
import { Texts } from "../vault/entry.ts";
import { PUBLIC_ACCESS, Warnings } from "../vault/seal.ts";
import { SegmentRef } from "../vault/segment.ts";
import { JobTotals } from "./job-totals.ts";
import { ListingPosition } from "./listing-position.ts";

/**
 * Id of a range: six digits of its ordinal in the plan; a part that piece `p` of range `r` gave away is `r.p`. The
 * digits stay, so that an id tells which group of the plan it belongs to.
 */
export const RangeId = z.string().regex(/^\d{6}(\.\d+)*$/);

/** How hard the storage accounts push back, as the worker's pool sees it. */
const PressureRecord = z.object({
  /** Copies in flight at most: now, and when nothing pushes back. */
  width: z.int().positive(),
  widest: z.int().positive(),
  /** Times that the width was narrowed. */
  halvings: z.int().nonnegative(),
  /** The newest failure that was tried again. */
  last: z.object({ code: z.string(), message: z.string(), at: z.string() }).optional(),
});

/** How many ranges (backup) or segments (restore) a container was planned in. */
const Plan = z.object({
  kind: z.literal("plan"),
  container: z.string(),
  parts: z.int().nonnegative(),
  /** Where the ranges begin, but for the first, which begins at the beginning; none in a restore. */
  cuts: z.array(z.string()),
  /** Names that the container is expected to have, as far as the plan could tell: for the eye only. */
  expected: z.int().nonnegative().optional(),
});

/** A range that was split off: names from `from` on, before `until` where there is one. */
const Range = z.object({
  kind: z.literal("range"),
  container: z.string(),
  range: RangeId,
  from: z.string(),
  until: z.string().optional(),
});

/** What one piece of a range gave. */
const Piece = z.object({
  kind: z.literal("piece"),
  container: z.string(),
  range: RangeId,
  piece: z.int().nonnegative(),
  /** Where it began. */
  from: ListingPosition,
  /** Where it ended, and the next piece goes on; absent: at the end of the listing. */
  to: ListingPosition.optional(),
  /** Where the rest of the range ends; absent when the range is done. */
  rest: z.object({ until: z.string().optional() }).optional(),
  /** The part of the rest that another worker takes, as a range of its own. */
  split: z.object({ from: z.string(), until: z.string().optional() }).optional(),
  segments: z.array(SegmentRef),
  totals: JobTotals,
  warnings: Warnings,
  /** Number of the next segment to be written in the range. */
  nextSegment: z.int().nonnegative(),
});

/** What a piece means for the count of ranges; small, because many are read to see whether all ranges are in. */
const Tally = z.object({
  kind: z.literal("tally"),
  /** The range is done. */
  finished: z.boolean(),
  /** It has given a part of itself to a new range. */
  split: z.boolean(),
  /** Of the piece. */
  totals: JobTotals,
});

/** All ranges of one group of a container are done; the sum of its tallies, which are not looked at any more. */
const Group = z.object({
  kind: z.literal("group"),
  /** Ranges done, and those among them that were not planned. */
  finished: z.int().nonnegative(),
  splits: z.int().nonnegative(),
  totals: JobTotals,
});

/** How far a piece is that has no result yet. For the eye only, but for that it says that a worker has begun. */
const Running = z.object({
  kind: z.literal("running"),
  totals: JobTotals,
  /** When the piece was begun, and when this was noted. ISO 8601 UTC. */
  since: z.string(),
  notedAt: z.string(),
  /** Since the note before. */
  objectsPerSecond: z.number().nonnegative(),
  bytesPerSecond: z.number().nonnegative(),
  /** How the storage accounts take it. */
  pressure: PressureRecord.optional(),
});

/** A piece was begun more than once, so objects may have been copied that no manifest names. */
const Repeat = z.object({ kind: z.literal("repeat"), container: z.string() });

/** The container's marker has arrived in the vault. */
const Marker = z.object({ kind: z.literal("marker"), container: z.string(), replicatedAt: z.string() });

/** The job's marker was written into the source container; as long as it is this one, so is the container. */
const Marked = z.object({ kind: z.literal("marked"), container: z.string(), etag: z.string() });

/** The container is not in the recovery point, and why. It stands in the row of {@link Marker}, so that only one comes true. */
const Skipped = z.object({
  kind: z.literal("skipped"),
  container: z.string(),
  /** As in a warning. */
  code: z.string(),
  message: z.string(),
});

/** What a source container has beside its blobs, as it was when the backup began. */
const Properties = z.object({
  kind: z.literal("properties"),
  container: z.string(),
  metadata: Texts.optional(),
  publicAccess: z.enum(PUBLIC_ACCESS).optional(),
});

/** One segment is in the restore target. */
const Restored = z.object({
  kind: z.literal("restored"),
  container: z.string(),
  segment: z.int().nonnegative(),
  totals: JobTotals,
});

/**
 * What the watchdog knows of a job under way. Workers write `beatAt` while they are at it, see `heartbeat.ts`; all else is
 * the watchdog's.
 */
const Watch = z.object({
  kind: z.literal("watch"),
  /** When something was last seen to go on, ISO 8601 UTC. */
  seenAt: z.string(),
  /** When a worker last said that it is at work, ISO 8601 UTC; absent: none has, or it has said that it is done. */
  beatAt: z.string().optional(),
  /** What the job had done when the watchdog last looked; absent: it has not looked. */
  progress: z.string().optional(),
  /** Restarts since the job last got on. */
  restarts: z.int().nonnegative(),
  /** When the job was told that it has failed, ISO 8601 UTC. */
  failedAt: z.string().optional(),
});

/** What an ended job did in one container; kept when the other rows go. */
const Container = z.object({ kind: z.literal("container"), container: z.string(), totals: JobTotals });

export const WorkRecord = z.discriminatedUnion("kind", [
  Plan,
  Range,
  Piece,
  Tally,
  Group,
  Running,
  Repeat,
  Marker,
  Marked,
  Skipped,
  Restored,
  Watch,
  Properties,
  Container,
]);
export type WorkRecord = Readonly<z.infer<typeof WorkRecord>>;
export type PressureRecord = Readonly<z.infer<typeof PressureRecord>>;
export type WatchRecord = Extract<WorkRecord, { kind: "watch" }>;
export type PlanRecord = Extract<WorkRecord, { kind: "plan" }>;
export type SkippedRecord = Extract<WorkRecord, { kind: "skipped" }>;
export type PieceRecord = Extract<WorkRecord, { kind: "piece" }>;

const digits = (n: number): string => String(n).padStart(6, "0");

export const workRows = {
  plansAll: "plan|",
  plan: (container: string) => `plan|${container}`,
  range: (container: string, range: string) => `range|${container}|${range}`,
  pieces: (container: string) => `piece|${container}|`,
  piece: (container: string, range: string, piece: number) => `piece|${container}|${range}|${digits(piece)}`,
  talliesAll: "tally|",
  tallies: (container: string, group: number) => `tally|${container}|${digits(group)}|`,
  tally: (container: string, group: number, range: string, piece: number) =>
    `tally|${container}|${digits(group)}|${range}|${digits(piece)}`,
  groupsAll: "group|",
  groups: (container: string) => `group|${container}|`,
  group: (container: string, group: number) => `group|${container}|${digits(group)}`,
  runningAll: "running|",
  /** @param part - id of a range, or the digits of a segment's ordinal */
  running: (container: string, part: string, piece: number) => `running|${container}|${part}|${digits(piece)}`,
  repeats: "repeat|",
  repeat: (container: string, range: string, piece: number) => `repeat|${container}|${range}|${digits(piece)}`,
  marker: (container: string) => `marker|${container}`,
  marked: (container: string) => `marked|${container}`,
  restoredEverywhere: "restored|",
  restoredAll: (container: string) => `restored|${container}|`,
  restored: (container: string, segment: number) => `restored|${container}|${digits(segment)}`,
  watch: "watch",
  propertiesAll: "properties|",
  properties: (container: string) => `properties|${container}`,
  containers: "container|",
  container: (container: string) => `container|${container}`,
} as const;

/** Names a planned range by its ordinal. */
export function plannedRangeId(ordinal: number): string {
  return digits(ordinal);
}

/** @returns the ordinal of a planned range; undefined for one that was split off */
export function plannedOrdinal(range: string): number | undefined {
  return range.includes(".") ? undefined : Number.parseInt(range, 10);
}

/** Names the range that a piece of another gave away; no other piece ever gives the same name. */
export function splitRangeId(range: string, piece: number): string {
  return `${range}.${piece}`;
}

type Kind = WorkRecord["kind"];

/** Reads one row of the kind that its key says. */
export async function getWork<K extends Kind>(
  work: RecordTable<WorkRecord>,
  jobId: string,
  row: string,
  kind: K,
): Promise<Extract<WorkRecord, { kind: K }> | undefined> {
  const stored = await work.get(jobId, row);
  return stored === undefined ? undefined : ofKind(stored, kind);
}

/** Reads all rows with a prefix, ascending; they are of the kind that the prefix says. */
export async function listWork<K extends Kind>(
  work: RecordTable<WorkRecord>,
  jobId: string,
  prefix: string,
  kind: K,
): Promise<Extract<WorkRecord, { kind: K }>[]> {
  const found: Extract<WorkRecord, { kind: K }>[] = [];
  for await (const stored of listRecords(work, jobId, prefix)) found.push(ofKind(stored, kind));
  return found;
}

function ofKind<K extends Kind>(stored: Stored<WorkRecord>, kind: K): Extract<WorkRecord, { kind: K }> {
  if (stored.value.kind === kind) return stored.value as Extract<WorkRecord, { kind: K }>;
  throw new Error(`work row '${stored.row}' holds '${stored.value.kind}', not '${kind}'`);
}
