import fc from "fast-check";
import { test } from "vitest";
import { decodeEntry, type Entry, type EntryLine, encodeEntry, type Label } from "../vault/entry.ts";
import { LISTING_ORDERS, nameComparator } from "../vault/listing-order.ts";
import { type Change, checkAscending, compareListing, entryOf, relabel } from "./compare-listing.ts";
import type { ListedBlob } from "./datasource.ts";

const NEW_BIRTH = 9;

const labels = {
  tier: fc.constantFrom("Hot", "Cool"),
  tags: fc.dictionary(fc.constantFrom("k", "l", "__proto__"), fc.constantFrom("v", "w", '"'), { maxKeys: 2 }),
  owner: fc.constantFrom("$superuser", 'a"b', "a\\b"),
  group: fc.constantFrom("g", "h"),
  permissions: fc.constantFrom("rwxr-x---", "rw-r-----"),
  acl: fc.constantFrom("user::rwx,group::r-x,other::---", "user::rw-"),
};

const blob = (names: fc.Arbitrary<string>): fc.Arbitrary<ListedBlob> =>
  fc.record(
    {
      name: names,
      etag: fc.constantFrom("0x1", "0x2", '"', "\\"),
      size: fc.nat(9),
      modified: fc.constantFrom("2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"),
      md5: fc.constantFrom("AAAA", "BBBB"),
      type: fc.constantFrom("append" as const, "directory" as const),
      effectiveTier: fc.constantFrom("Hot", "Archive"),
      ...labels,
    },
    { requiredKeys: ["name", "etag", "size", "modified"] },
  );

const name = fc.oneof(
  fc.string({ unit: fc.constantFrom("a", "b", "/", "-"), minLength: 1, maxLength: 3 }),
  fc.string({ unit: fc.constantFrom("a", '"', "\\", "\n", "\u0001", "é", "𝄞", "\uffff"), minLength: 1, maxLength: 3 }),
);

/** A previous listing, and a new one in which much is unchanged. */
const listings = fc
  .record({
    order: fc.constantFrom(...LISTING_ORDERS),
    before: fc.uniqueArray(blob(name), { selector: (each) => each.name, maxLength: 30 }),
    now: fc.uniqueArray(blob(name), { selector: (each) => each.name, maxLength: 15 }),
    fate: fc.array(fc.constantFrom("kept", "kept", "kept", "removed", "relabelled", "rewritten"), {
      minLength: 30,
      maxLength: 30,
    }),
    relabelled: fc.record(labels, { requiredKeys: [] }),
  })
  .map(({ order, before, now, fate, relabelled }) => {
    const compare = nameComparator(order);
    const byName = new Map<string, ListedBlob>();
    for (const [i, each] of before.entries()) {
      if (fate[i] === "kept") byName.set(each.name, each);
      if (fate[i] === "relabelled") byName.set(each.name, { ...each, ...relabelled });
      if (fate[i] === "rewritten") byName.set(each.name, { ...each, etag: `${each.etag}x`, size: each.size + 1 });
    }
    for (const each of now) if (!before.some((other) => other.name === each.name)) byName.set(each.name, each);
    const sorted = <T extends { readonly name: string }>(all: Iterable<T>): T[] =>
      [...all].sort((a, b) => compare(a.name, b.name));
    const entries = sorted(before).map((each, i) => entryOf(each, (i % 5) + 1));
    return { compare, before: entries, now: sorted(byName.values()) };
  });

/** All members of an entry; no tags and an empty set of them are equal. */
function membersOf(version: Entry, { tier, tags, owner, group, permissions, acl }: Pick<Entry, Label>): unknown[] {
  const { name, etag, size, modified, birth, md5, type } = version;
  const sorted = Object.entries(tags ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return [name, etag, size, modified, birth, md5, type, tier, sorted, owner, group, permissions, acl];
}

/** The expected entries, by a map instead of a merge. */
function plainlyMerged(
  before: readonly Entry[],
  now: readonly ListedBlob[],
): { entries: unknown[][]; removed: number } {
  const old = new Map(before.map((each) => [each.name, each]));
  const names = new Set(now.map((each) => each.name));
  return {
    entries: now.map((each) => {
      const entry = old.get(each.name);
      return membersOf(entry?.etag === each.etag ? entry : entryOf(each, NEW_BIRTH), each);
    }),
    removed: before.filter((each) => !names.has(each.name)).length,
  };
}

function applied(change: Change): Entry {
  switch (change.kind) {
    case "unchanged":
      return decodeEntry(change.before);
    case "relabelled":
      return relabel(change.before, change.now);
    case "written":
      return entryOf(change.now, NEW_BIRTH);
  }
}

function linesOf(entries: readonly Entry[]): EntryLine[] {
  return entries.map(encodeEntry);
}

test("the changes of any listing, in any parts, turn the previous entries into the listed ones", ({ expect }) => {
  const seen: Record<Change["kind"], number> = { unchanged: 0, relabelled: 0, written: 0 };
  fc.assert(
    fc.property(listings, fc.array(fc.nat(12), { maxLength: 4 }), ({ compare, before, now }, cuts) => {
      const lines = linesOf(before);
      const ends = [...new Set([...cuts.filter((cut) => cut < now.length), now.length])].sort((a, b) => a - b);
      const entries: Entry[] = [];
      let [from, next, removed] = [0, 0, 0];
      for (const [i, end] of ends.entries()) {
        const until = i === ends.length - 1 ? "end" : "last-listed";
        const part = compareListing(now.slice(from, end), lines, next, until, compare);
        expect(part.isClean).toBe(part.removed === 0 && part.changes.every(({ kind }) => kind === "unchanged"));
        for (const change of part.changes) {
          entries.push(applied(change));
          seen[change.kind] += 1;
        }
        removed += part.removed;
        [from, next] = [end, part.next];
      }
      const expected = plainlyMerged(before, now);
      expect(entries.map((each) => membersOf(each, each))).toEqual(expected.entries);
      expect(removed).toBe(expected.removed);
      expect(next).toBe(before.length);
    }),
    { numRuns: 400 },
  );
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(50);
});

const entry: Entry = { name: "n", etag: "0x1", size: 7, modified: "2026-01-01T00:00:00.000Z", birth: 3, md5: "AAAA" };
const listed: ListedBlob = { name: "n", etag: "0x1", size: 7, modified: "2026-01-01T00:00:00.000Z", md5: "AAAA" };

function changeOf(before: Entry, now: ListedBlob): Change | undefined {
  return compareListing([now], linesOf([before]), 0, "end", nameComparator("utf-16")).changes[0];
}

test("the same version with the same labels keeps its entry, whatever else the listing has", ({ expect }) => {
  const before = encodeEntry(entry);
  for (const now of [
    listed,
    { ...listed, size: 8, md5: "BBBB" },
    { ...listed, tags: {} },
    { ...listed, effectiveTier: "Hot" },
  ]) {
    expect(changeOf(entry, now)).toEqual({ kind: "unchanged", before });
  }
});

test("tags in another order are the same tags", ({ expect }) => {
  expect(changeOf({ ...entry, tags: { a: "1", b: "2" } }, { ...listed, tags: { b: "2", a: "1" } })?.kind).toBe(
    "unchanged",
  );
});

test("a relabelled version keeps its birth and the MD5 of its object", ({ expect }) => {
  const now = { ...listed, md5: "of the source", tier: "Cool", tags: { k: "v" } };
  expect(changeOf({ ...entry, tier: "Hot", owner: "o" }, now)?.kind).toBe("relabelled");
  expect(relabel({ ...entry, tier: "Hot", owner: "o" }, now)).toEqual({ ...entry, tier: "Cool", tags: { k: "v" } });
});

test.for(["plain", 'with "quotes"', "with a back\\slash", "with a line\nfeed"])(
  "a new version under a name %j is written anew, and the same one under it is not",
  (name, { expect }) => {
    const before = { ...entry, name };
    expect(changeOf(before, { ...listed, name, etag: "0x2" })?.kind).toBe("written");
    expect(changeOf(before, { ...listed, name })?.kind).toBe("unchanged");
    expect(changeOf(before, { ...listed, name: `${name}2` })?.kind).toBe("written");
    expect(changeOf({ ...before, tags: { a: "1" } }, { ...listed, name, tags: { a: "1" } })?.kind).toBe("unchanged");
    expect(changeOf({ ...before, tags: { a: "1" } }, { ...listed, name, tags: { a: "2" } })?.kind).toBe("relabelled");
    expect(changeOf({ ...before, tags: { a: "1" } }, { ...listed, name, tags: { b: "1" } })?.kind).toBe("relabelled");
    expect(changeOf({ ...before, tags: { a: "1", b: "2" } }, { ...listed, name, tags: { a: "1" } })?.kind).toBe(
      "relabelled",
    );
  },
);

test("a label that is gone is removed from the entry, not left without a value", ({ expect }) => {
  const labelled = { ...entry, tier: "Cool", tags: { a: "1" }, owner: "o", group: "g", permissions: "p", acl: "a" };
  expect(Object.keys(relabel(labelled, {}))).toEqual(Object.keys(entry));
  const { md5: _, ...withoutMd5 } = listed;
  expect(Object.keys(entryOf(withoutMd5, 1))).not.toContain("md5");
});

test("a damaged line that must be parsed is found", ({ expect }) => {
  for (const line of ['{"name":"n"}', '{"name":"n","etag":"0x1","size":7,"birth":"3"}', "n"] as EntryLine[]) {
    expect(() => compareListing([listed], [line], 0, "end", nameComparator("utf-16"))).toThrow(
      expect.objectContaining({ code: "format/corrupt" }),
    );
  }
});

test("a page that does not ascend is refused, also against the last name of the previous page", ({ expect }) => {
  const refused = expect.objectContaining({ code: "listing/out-of-order" });
  const compare = nameComparator("path");
  checkAscending([{ name: "a/b" }, { name: "a-b" }], "a", compare);
  expect(() => checkAscending([{ name: "b" }, { name: "a" }], undefined, compare)).toThrow(refused);
  expect(() => checkAscending([{ name: "a" }, { name: "a" }], undefined, compare)).toThrow(refused);
  expect(() => checkAscending([{ name: "a" }], "a", compare)).toThrow(refused);
  expect(() => checkAscending([{ name: "a/b" }, { name: "a-b" }], undefined, nameComparator("utf-16"))).toThrow(
    refused,
  );
});
