/**
 * @module
 * Rows of a job's work: plans and results. Partition: the job's id. A result row is inserted once and never changed, so
 * a repeated message finds the first result.
 */
import { z } from "zod";
import { listRecords, type RecordTable, type Stored } from "../foundation/records.ts";
import { Texts } from "../vault/entry.ts";
import { PUBLIC_ACCESS, Warnings } from "../vault/seal.ts";
import { SegmentRef } from "../vault/segment.ts";
import { JobTotals } from "./job-totals.ts";
import { ListingPosition } from "./listing-position.ts";

/**
 * Id of a range: six digits of its ordinal in the plan; a part split off by piece `p` of range `r` is `r.p`. The digits
 * stay, so that an id shows its group in the plan.
 */
export const RangeId = z.string().regex(/^\d{6}(\.\d+)*$/);

/** Throttling by the storage accounts, as the worker's pool sees it. */
const PressureRecord = z.object({
  /** Max concurrent copies: now, and without throttling. */
  width: z.int().positive(),
  widest: z.int().positive(),
  /** How often the width was reduced. */
  halvings: z.int().nonnegative(),
  /** The latest failure that was retried. */
  last: z.object({ code: z.string(), message: z.string(), at: z.string() }).optional(),
});

/** Number of planned ranges (backup) or segments (restore) of a container. */
const Plan = z.object({
  kind: z.literal("plan"),
  container: z.string(),
  parts: z.int().nonnegative(),
  /** Start of each range except the first, which starts at the beginning; none in a restore. */
  cuts: z.array(z.string()),
  /** Estimated number of names in the container, for display only. */
  expected: z.int().nonnegative().optional(),
});

/** A range that was split off: names from `from` on, up to but excluding `until`. */
const Range = z.object({
  kind: z.literal("range"),
  container: z.string(),
  range: RangeId,
  from: z.string(),
  until: z.string().optional(),
});

/** Result of one piece of a range. */
const Piece = z.object({
  kind: z.literal("piece"),
  container: z.string(),
  range: RangeId,
  piece: z.int().nonnegative(),
  /** Start of the piece. */
  from: ListingPosition,
  /** End of the piece and start of the next; absent: at the end of the listing. */
  to: ListingPosition.optional(),
  /** End of the rest of the range; absent when the range is done. */
  rest: z.object({ until: z.string().optional() }).optional(),
  /** The part of the rest that another worker takes, as a new range. */
  split: z.object({ from: z.string(), until: z.string().optional() }).optional(),
  segments: z.array(SegmentRef),
  totals: JobTotals,
  warnings: Warnings,
  /** Number of the next segment in the range. */
  nextSegment: z.int().nonnegative(),
});

/** A piece's effect on the number of ranges; small, because many are read to check whether all ranges are done. */
const Tally = z.object({
  kind: z.literal("tally"),
  /** The range is done. */
  finished: z.boolean(),
  /** It has split off a part as a new range. */
  split: z.boolean(),
  /** Totals of the piece. */
  totals: JobTotals,
});

/** All ranges of one group of a container are done; the sum of its tallies, which are no longer read. */
const Group = z.object({
  kind: z.literal("group"),
  /** Finished ranges, and how many of them were not planned. */
  finished: z.int().nonnegative(),
  splits: z.int().nonnegative(),
  totals: JobTotals,
});

/** Progress of a piece without a result. For display only, but it also shows that a worker has started. */
const Running = z.object({
  kind: z.literal("running"),
  totals: JobTotals,
  /** When the piece started, and when this was written. ISO 8601 UTC. */
  since: z.string(),
  notedAt: z.string(),
  /** Since the previous note. */
  objectsPerSecond: z.number().nonnegative(),
  bytesPerSecond: z.number().nonnegative(),
  /** Throttling by the storage accounts. */
  pressure: PressureRecord.optional(),
});

/** A piece was started more than once, so there may be copied objects that no manifest lists. */
const Repeat = z.object({ kind: z.literal("repeat"), container: z.string() });

/** The container's marker has arrived in the vault. */
const Marker = z.object({ kind: z.literal("marker"), container: z.string(), replicatedAt: z.string() });

/**
 * The job's marker was written into the source container; while it exists, the container was not deleted and recreated.
 */
const Marked = z.object({ kind: z.literal("marked"), container: z.string(), etag: z.string() });

/** The container is not in the recovery point, and why. Same row as {@link Marker}, so that only one can exist. */
const Skipped = z.object({
  kind: z.literal("skipped"),
  container: z.string(),
  /** Warning code. */
  code: z.string(),
  message: z.string(),
});

/** Properties of a source container when the backup started. */
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
 * Watchdog state of a running job. Workers write `beatAt`, see `heartbeat.ts`; the watchdog writes everything else.
 */
const Watch = z.object({
  kind: z.literal("watch"),
  /** Latest sign of life, ISO 8601 UTC. */
  seenAt: z.string(),
  /** Latest heartbeat, ISO 8601 UTC; absent: there was none, or the worker is done. */
  beatAt: z.string().optional(),
  /** Progress at the watchdog's last check; absent: not checked yet. */
  progress: z.string().optional(),
  /** Restarts since the last progress. */
  restarts: z.int().nonnegative(),
  /** When the job was failed by the watchdog, ISO 8601 UTC. */
  failedAt: z.string().optional(),
});

/** Totals of an ended job in one container; kept when the other rows are deleted. */
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

/** Id of a planned range, from its ordinal. */
export function plannedRangeId(ordinal: number): string {
  return digits(ordinal);
}

/** @returns the ordinal of a planned range; undefined for one that was split off */
export function plannedOrdinal(range: string): number | undefined {
  return range.includes(".") ? undefined : Number.parseInt(range, 10);
}

/** Id of the range that a piece split off; unique. */
export function splitRangeId(range: string, piece: number): string {
  return `${range}.${piece}`;
}

type Kind = WorkRecord["kind"];

/** Reads one row, of the kind in its key. */
export async function getWork<K extends Kind>(
  work: Pick<RecordTable<WorkRecord>, "get">,
  jobId: string,
  row: string,
  kind: K,
): Promise<Extract<WorkRecord, { kind: K }> | undefined> {
  const stored = await work.get(jobId, row);
  return stored === undefined ? undefined : ofKind(stored, kind);
}

/** Reads all rows with a prefix, ascending, of the kind in the prefix. */
export async function listWork<K extends Kind>(
  work: Pick<RecordTable<WorkRecord>, "list">,
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
