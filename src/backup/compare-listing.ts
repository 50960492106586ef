import { VaultError } from "../foundation/errors.ts";
import { decodeEntry, type Entry, type EntryLine, glanceAt, headOf, LABELS, type Label } from "../vault/entry.ts";
import type { NameComparator } from "../vault/listing-order.ts";
import type { ListedBlob } from "./datasource.ts";

/** What a listed blob means for the next manifest. */
export type Change =
  /** The entry stays as it is. */
  | { readonly kind: "unchanged"; readonly before: EntryLine }
  /** The same version with another tier, tags, owner or permissions: a new entry for the old object. */
  | { readonly kind: "relabelled"; readonly before: Entry; readonly now: ListedBlob }
  /** A version that the previous recovery point does not have: a new object. */
  | { readonly kind: "written"; readonly now: ListedBlob };

export interface Comparison {
  /** One per listed blob, in listing order. */
  readonly changes: readonly Change[];
  /** Number of previous entries that are not listed any more. */
  readonly removed: number;
  /** Index in `before` at which the next comparison continues. */
  readonly next: number;
  /** Every listed blob is unchanged, and every previous entry is still listed. */
  readonly isClean: boolean;
}

/**
 * Merges a part of a listing with the entries of the previous recovery point.
 *
 * @param listed - ascending, without gaps
 * @param before - ascending
 * @param from - index of the first entry of `before` that is not yet compared
 * @param until - end of the part: `listed` is complete up to its own last name, or up to the end of `before`
 * @throws VaultError `format/corrupt` when a line of `before` that must be parsed is not an entry
 */
export function compareListing(
  listed: readonly ListedBlob[],
  before: readonly EntryLine[],
  from: number,
  until: "last-listed" | "end",
  compare: NameComparator,
): Comparison {
  const changes: Change[] = [];
  let removed = 0;
  let changed = 0;
  let next = from;
  for (const now of listed) {
    let line = before[next];
    // Decides almost all of a listing; the rest is decided below, where lines are parsed.
    const quick = line && glanceAt(line, now);
    if (line !== undefined && quick !== undefined) {
      next += 1;
      if (quick === "other-version") changed += 1;
      changes.push(quick === "same" ? { kind: "unchanged", before: line } : { kind: "written", now });
      continue;
    }
    let head = line && headOf(line);
    while (head !== undefined && compare(head.name, now.name) < 0) {
      removed += 1;
      next += 1;
      line = before[next];
      head = line && headOf(line);
    }
    let change: Change = { kind: "written", now };
    if (line !== undefined && head?.name === now.name) {
      next += 1;
      if (head.etag === now.etag) change = compareLabels(line, now);
    }
    if (change.kind !== "unchanged") changed += 1;
    changes.push(change);
  }
  if (until === "end") {
    removed += before.length - next;
    next = before.length;
  }
  return { changes, removed, next, isClean: removed === 0 && changed === 0 };
}

/** @param line - of the same version */
function compareLabels(line: EntryLine, now: ListedBlob): Change {
  const before = decodeEntry(line);
  return hasSameLabels(before, now) ? { kind: "unchanged", before: line } : { kind: "relabelled", before, now };
}

function hasSameLabels(before: Pick<Entry, Label>, now: Pick<Entry, Label>): boolean {
  return LABELS.every((label) =>
    label === "tags" ? hasSameTags(before.tags ?? {}, now.tags ?? {}) : before[label] === now[label],
  );
}

function hasSameTags(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

/**
 * Returns the entry of a version whose labels changed. Everything else is kept: the MD5 is that of the object in the
 * vault, which may differ from the source's.
 */
export function relabel(before: Entry, now: Pick<Entry, Label>): Entry {
  const labels = Object.fromEntries(
    LABELS.map((label) => [label, now[label]]).filter(([, value]) => value !== undefined),
  );
  const {
    tier: _,
    tags: _tags,
    owner: _owner,
    group: _group,
    permissions: _permissions,
    acl: _acl,
    ...version
  } = before;
  return { ...version, ...labels };
}

/**
 * Returns the entry of a listed blob. Members that only a listing has stay on it and are not written: leaving them out
 * here takes four times as long.
 *
 * @param birth - sequence number of the first recovery point with this version
 * @param md5 - of its object, if it is more reliable than the listed one
 */
export function entryOf(listed: ListedBlob, birth: number, md5 = listed.md5): Entry {
  return md5 === undefined ? { ...listed, birth } : { ...listed, birth, md5 };
}

/**
 * Checks that a page ascends, from the last name of the page before it.
 *
 * @param before - the last name of the listing so far; undefined at its start
 * @throws VaultError `listing/out-of-order`, because a merge of unsorted listings would report existing blobs as
 *   deleted
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
        hint: "the account may be of another kind (hierarchical namespace or not) than its backup instance; nothing was recorded as deleted",
      });
    }
    last = name;
  }
}
