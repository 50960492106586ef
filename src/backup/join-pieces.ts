import { VaultError } from "../foundation/errors.ts";
import { LISTING_START, type ListingPosition } from "../jobs/listing-position.ts";
import type { PieceRecord } from "../jobs/work.ts";
import type { NameComparator } from "../vault/listing-order.ts";

/**
 * Sorts the pieces of a container's ranges in listing order, and proves that they cover all of it: each begins where
 * the previous one ended. Many workers plan, split and process ranges in any order, so this finds a lost or duplicated
 * one before anything is sealed.
 *
 * @throws VaultError `manifest/incomplete`
 */
export function joinPieces(container: string, pieces: readonly PieceRecord[], compare: NameComparator): PieceRecord[] {
  const joined = pieces.toSorted((a, b) => comparePositions(a.from, b.from, compare) || compareEnds(a, b, compare));
  let reached: ListingPosition | undefined = LISTING_START;
  for (const piece of joined) {
    if (reached === undefined || comparePositions(reached, piece.from, compare) !== 0)
      throw gap(container, piece.from.name);
    reached = piece.to;
  }
  if (reached !== undefined) throw gap(container, reached.name);
  return joined;
}

function gap(container: string, name: string): VaultError {
  return new VaultError("manifest/incomplete", `the ranges of container '${container}' do not join at '${name}'`, {
    hint: "report this; nothing was sealed, and earlier recovery points are unchanged",
  });
}

function comparePositions(a: ListingPosition, b: ListingPosition, compare: NameComparator): number {
  return compare(a.name, b.name) || Number(a.after) - Number(b.after);
}

/** A piece that had no time ends where it begins, and comes before the one that continues there. */
function compareEnds(a: PieceRecord, b: PieceRecord, compare: NameComparator): number {
  if (a.to === undefined || b.to === undefined) return Number(a.to === undefined) - Number(b.to === undefined);
  return comparePositions(a.to, b.to, compare);
}
