import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";
import { LISTING_ORDERS, nameComparator } from "./listing-order.ts";
import { SegmentRef } from "./segment.ts";
import { decodeDocument } from "./version.ts";

/** `index.json`: the content of one container at a recovery point, as segments in listing order. */
export const ManifestIndex = z.object({
  formatVersion: z.literal(1),
  recoveryPoint: z.string(),
  container: z.string(),
  /** Order of names within and across segments. */
  order: z.enum(LISTING_ORDERS),
  entries: z.int().nonnegative(),
  /** Sum of the entries' sizes. */
  bytes: z.int().nonnegative(),
  segments: z.array(SegmentRef),
});
export type ManifestIndex = Readonly<z.infer<typeof ManifestIndex>>;

/**
 * Reads an index and checks that its segments ascend without overlap and match the totals.
 *
 * @throws VaultError `format/corrupt`, `format/newer-version`
 */
export function decodeIndex(path: string, content: Uint8Array): ManifestIndex {
  const index = decodeDocument(path, ManifestIndex, content);
  checkIndex(path, index);
  return index;
}

/** @throws VaultError `format/corrupt` when segments overlap, are out of order, or do not match the totals */
export function checkIndex(path: string, index: ManifestIndex): void {
  const compare = nameComparator(index.order);
  let entries = 0;
  let bytes = 0;
  let before: string | undefined;
  for (const segment of index.segments) {
    if (compare(segment.first, segment.last) > 0 || (before !== undefined && compare(before, segment.first) >= 0)) {
      throw new VaultError("format/corrupt", `'${path}' lists segment '${segment.path}' out of order`);
    }
    before = segment.last;
    entries += segment.entries;
    bytes += segment.bytes;
  }
  if (entries !== index.entries || bytes !== index.bytes) {
    throw new VaultError("format/corrupt", `'${path}' has totals that do not match its segments`);
  }
}
