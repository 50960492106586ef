import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { RecordTable } from "../foundation/records.ts";
import { LISTING_START, type ListingPosition } from "../jobs/listing-position.ts";
import { getWork, plannedOrdinal, type WorkRecord, workRows } from "../jobs/work.ts";
import type { RangeMessage } from "./messages.ts";

/** Start and end of a piece. */
export interface PieceBounds {
  readonly from: ListingPosition;
  readonly until?: string;
  readonly nextSegment: number;
}

/**
 * Reads the bounds of a message's piece: from the plan, from the row of a split-off range, or from the row of the
 * previous piece.
 *
 * @throws VaultError `internal/unexpected` when a row is missing
 */
export async function readBounds(work: RecordTable<WorkRecord>, message: RangeMessage): Promise<PieceBounds> {
  const { job, container, range, piece } = message;
  if (piece === 0) {
    const { from, until } = await readRange(work, message);
    return { from: { name: from, after: false }, ...untilOf({ until }), nextSegment: 0 };
  }
  const row = workRows.piece(container, range, piece - 1);
  const before = await getWork(work, job, row, "piece");
  if (before?.rest === undefined || before.to === undefined) throw lostRow(row);
  return { from: before.to, ...untilOf(before.rest), nextSegment: before.nextSegment };
}

async function readRange(
  work: RecordTable<WorkRecord>,
  { job, container, range }: RangeMessage,
): Promise<{ readonly from: string; readonly until?: string | undefined }> {
  const ordinal = plannedOrdinal(range);
  if (ordinal === undefined) {
    const row = workRows.range(container, range);
    const given = await getWork(work, job, row, "range");
    if (given === undefined) throw lostRow(row);
    return given;
  }
  const row = workRows.plan(container);
  const plan = await getWork(work, job, row, "plan");
  if (plan === undefined || ordinal >= plan.parts) throw lostRow(row);
  return { from: plan.cuts[ordinal - 1] ?? LISTING_START.name, until: plan.cuts[ordinal] };
}

export function untilOf({ until }: { readonly until?: string | undefined }): { readonly until?: string } {
  return present({ until });
}

function lostRow(row: string): VaultError {
  return new VaultError("internal/unexpected", `work row '${row}' of a message was not found`);
}
