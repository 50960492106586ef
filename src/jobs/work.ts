/**
 * @module
 * The rows of a job's work: what was planned and what came of it. Partition: the job's id. A result row is inserted
 * once and never changed, so whoever works a message twice finds what the first one left.
 */
import { z } from "zod";
import { listRecords, type RecordTable, type Stored } from "../foundation/records.ts";
import { Warnings } from "../vault/seal.ts";
import { SegmentRef } from "../vault/segment.ts";
import { JobTotals, Position } from "./contract.ts";

/** How many ranges (backup) or segments (restore) a container was planned in. */
const Plan = z.object({ kind: z.literal("plan"), container: z.string(), parts: z.int().nonnegative() });

/** One planned range: names from `from` on, before `until` where there is one. */
const Range = z.object({
  kind: z.literal("range"),
  container: z.string(),
  range: z.int().nonnegative(),
  from: z.string(),
  until: z.string().optional(),
});

/** What one piece of a range gave. */
const Piece = z.object({
  kind: z.literal("piece"),
  container: z.string(),
  range: z.int().nonnegative(),
  piece: z.int().nonnegative(),
  segments: z.array(SegmentRef),
  totals: JobTotals,
  warnings: Warnings,
  /** Where the next piece goes on; absent when the range is done. */
  rest: Position.optional(),
  /** Number of the next segment to be written in the range. */
  nextSegment: z.int().nonnegative(),
});

/** How far a piece is that has no result yet. For the eye only. */
const Running = z.object({ kind: z.literal("running"), totals: JobTotals });

/** The container's marker has arrived in the vault. */
const Marker = z.object({ kind: z.literal("marker"), container: z.string(), replicatedAt: z.string() });

/** One segment is in the restore target. */
const Restored = z.object({
  kind: z.literal("restored"),
  container: z.string(),
  segment: z.int().nonnegative(),
  totals: JobTotals,
});

export const WorkRecord = z.discriminatedUnion("kind", [Plan, Range, Piece, Running, Marker, Restored]);
export type WorkRecord = Readonly<z.infer<typeof WorkRecord>>;
export type RangeRecord = Extract<WorkRecord, { kind: "range" }>;
export type PieceRecord = Extract<WorkRecord, { kind: "piece" }>;

const digits = (n: number): string => String(n).padStart(6, "0");

export const workRows = {
  plan: (container: string) => `plan|${container}`,
  range: (container: string, range: number) => `range|${container}|${digits(range)}`,
  pieces: (container: string) => `piece|${container}|`,
  piece: (container: string, range: number, piece: number) => `piece|${container}|${digits(range)}|${digits(piece)}`,
  running: (container: string, part: number, piece: number) => `running|${container}|${digits(part)}|${digits(piece)}`,
  marker: (container: string) => `marker|${container}`,
  restoredAll: (container: string) => `restored|${container}|`,
  restored: (container: string, segment: number) => `restored|${container}|${digits(segment)}`,
} as const;

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
