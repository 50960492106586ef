import { VaultError } from "../foundation/errors.ts";
import type { Entry } from "../vault/entry.ts";
import type { NameComparator } from "../vault/listing-order.ts";
import type { ListedBlob } from "./contract.ts";

/** What a listed blob means for the next manifest. */
export type Change =
  /** The entry stays as it is. */
  | { readonly kind: "unchanged"; readonly before: Entry }
  /** The same version under other tier, tags, owner or permissions: a new entry for the old object. */
  | { readonly kind: "relabelled"; readonly before: Entry; readonly now: ListedBlob }
  /** A version that the previous recovery point does not hold: a new object. */
  | { readonly kind: "written"; readonly now: ListedBlob };

export interface Comparison {
  /** One a listed blob, in listing order. */
  readonly changes: readonly Change[];
  /** Entries before that are listed no more. */
  readonly removed: number;
  /** Where in `before` the next comparison goes on. */
  readonly next: number;
}

/**
 * Merges a stretch of a listing with the entries of the previous recovery point.
 *
 * @param listed - ascending, without gaps
 * @param before - ascending
 * @param from - index of the first entry of `before` that is not yet compared
 * @param until - how far the stretch reaches: `listed` is all there is up to its own last name, or to the end of `before`
 */
export function compareListing(
  listed: readonly ListedBlob[],
  before: readonly Entry[],
  from: number,
  until: "last-listed" | "end",
  compare: NameComparator,
): Comparison {
  const changes: Change[] = [];
  let removed = 0;
  let next = from;
  for (const now of listed) {
    let entry = before[next];
    while (entry !== undefined && compare(entry.name, now.name) < 0) {
      removed += 1;
      next += 1;
      entry = before[next];
    }
    if (entry?.name !== now.name) {
      changes.push({ kind: "written", now });
      continue;
    }
    next += 1;
    if (entry.etag !== now.etag) changes.push({ kind: "written", now });
    else if (hasSameLabels(entry, now)) changes.push({ kind: "unchanged", before: entry });
    else changes.push({ kind: "relabelled", before: entry, now });
  }
  if (until === "end") {
    removed += before.length - next;
    next = before.length;
  }
  return { changes, removed, next };
}

function hasSameLabels(before: Entry, now: ListedBlob): boolean {
  return (
    before.tier === now.tier &&
    before.owner === now.owner &&
    before.group === now.group &&
    before.permissions === now.permissions &&
    before.acl === now.acl &&
    hasSameTags(before.tags ?? {}, now.tags ?? {})
  );
}

function hasSameTags(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

/**
 * Makes the entry of a listed blob.
 *
 * @param birth - sequence number of the recovery point that first holds its version
 */
export function entryOf(listed: ListedBlob, birth: number): Entry {
  const { effectiveTier: _, ...fields } = listed;
  return { ...fields, birth };
}

/**
 * Checks that a page goes on ascending from the name before it.
 *
 * @param before - the last name of the listing so far; undefined at its start
 * @throws VaultError `listing/out-of-order`, because a merge of unsorted listings would report live blobs as removed
 */
export function checkAscending(
  page: readonly { readonly name: string }[],
  before: string | undefined,
  compare: NameComparator,
): void {
  let last = before;
  for (const { name } of page) {
    if (last !== undefined && compare(last, name) >= 0) {
      throw new VaultError("listing/out-of-order", `the listing has '${name}' after '${last}'`, {
        hint: "report this with the kind of the account; nothing was taken as removed",
      });
    }
    last = name;
  }
}
