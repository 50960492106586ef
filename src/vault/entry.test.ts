import fc from "fast-check";
import { test } from "vitest";
import {
  decodeEntry,
  ENTRY_TYPES,
  type Entry,
  type EntryLine,
  encodeEntry,
  glanceAt,
  headOf,
  LABELS,
  type Label,
} from "./entry.ts";

/** Characters that JSON escapes, that end its strings, and that are not ASCII. */
const awkward = fc.string({
  unit: fc.constantFrom("a", '"', "\\", ",", ":", "{", "}", "\n", "\u0000", "é", "𝄞", '","etag":"', '"}', "\\u0061"),
  maxLength: 6,
});
const text = fc.oneof(
  { weight: 20, arbitrary: fc.string({ unit: fc.constantFrom("a", "b", "/", "é", "𝄞", ","), maxLength: 4 }) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 8 }) },
  { weight: 1, arbitrary: awkward },
);
const someText = text.filter((value) => value !== "");

const entry: fc.Arbitrary<Entry> = fc.record(
  {
    name: someText,
    etag: someText,
    size: fc.maxSafeNat(),
    modified: fc.oneof(
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      text,
    ),
    birth: fc.integer({ min: 1 }),
    md5: fc.oneof(fc.base64String(), text),
    type: fc.constantFrom(...ENTRY_TYPES),
    tier: fc.oneof(fc.constantFrom("Hot", "Cool", "Cold", "Archive"), text),
    tags: fc.dictionary(fc.oneof(someText, fc.constantFrom("etag", "__proto__", "1")), text, { noNullPrototype: true }),
    owner: text,
    group: text,
    permissions: text,
    acl: text,
  },
  { requiredKeys: ["name", "etag", "size", "modified", "birth"] },
);

type Version = Pick<Entry, "name" | "etag" | Label>;

/** Simple and slow: same version and same labels? */
function isSame(before: Entry, now: Version): boolean {
  const told = ({ name, etag, tier, tags, owner, group, permissions, acl }: Version) =>
    JSON.stringify([name, etag, tier, Object.entries(tags ?? {}).sort(), owner, group, permissions, acl].map(orNull));
  return told(before) === told(now);
}

function orNull(value: unknown): unknown {
  return value === undefined ? null : [value];
}

const base: Entry = { name: "dir/n", etag: "0x1", size: 7, modified: "2026-01-01T00:00:00.000Z", birth: 3 };

test("an entry survives a round trip", ({ expect }) => {
  fc.assert(
    fc.property(entry, (value) => {
      expect(decodeEntry(encodeEntry(value))).toEqual(value);
    }),
  );
});

test("equal entries have equal lines, whatever the order of their tags", ({ expect }) => {
  expect(encodeEntry({ ...base, tags: { b: "2", a: "1" } })).toBe(encodeEntry({ tags: { a: "1", b: "2" }, ...base }));
});

test("absent members are omitted from the line", ({ expect }) => {
  expect(encodeEntry({ name: "n", etag: "e", size: 1, modified: "m", birth: 1 })).toBe(
    '{"name":"n","etag":"e","size":1,"modified":"m","birth":1}',
  );
});

test("a line that is not an entry is refused, and not quoted", ({ expect }) => {
  const { name: _, ...nameless } = base;
  const bad: unknown[] = [nameless, { ...base, size: -1 }, { ...base, size: "7" }, { ...base, birth: 0 }, [], null];
  const refused = expect.objectContaining({ code: "format/corrupt", message: "a line of a segment is not an entry" });
  for (const line of ["", "{", "secret", ...bad.map((value) => JSON.stringify(value))]) {
    expect(() => decodeEntry(line)).toThrow(refused);
  }
  for (const line of ["", "{", "secret", JSON.stringify(nameless)]) {
    expect(() => headOf(line as EntryLine)).toThrow(refused);
  }
});

test("the head of a line equals that of its entry, whatever the name and encoding", ({ expect }) => {
  fc.assert(
    fc.property(entry, fc.boolean(), (value, isReversed) => {
      const line = isReversed
        ? (JSON.stringify(Object.fromEntries(Object.entries(value).toReversed())) as EntryLine)
        : encodeEntry(value);
      const { name, etag, size } = headOf(line);
      expect({ name, etag, size }).toEqual({ name: value.name, etag: value.etag, size: value.size });
    }),
    { numRuns: 1_000 },
  );
});

test("the text comparison of a line never contradicts a full parse", ({ expect }) => {
  const seen = { same: 0, "other-version": 0, unsure: 0 };
  // Any mix of the members of two entries.
  const mixed = fc
    .tuple(entry, entry, fc.subarray(["name", "etag", ...LABELS] as const))
    .map(([before, another, members]) => {
      const now: Record<string, unknown> = { ...before };
      for (const member of members) now[member] = another[member];
      return { before, now: now as Version };
    });
  fc.assert(
    fc.property(mixed, ({ before, now }) => {
      const compared = glanceAt(encodeEntry(before), now);
      seen[compared ?? "unsure"] += 1;
      if (compared === "same") expect(isSame(before, now)).toBe(true);
      if (compared === "other-version") expect([before.name, before.etag === now.etag]).toEqual([now.name, false]);
    }),
    { numRuns: 5_000 },
  );
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(50);
});

test("a glance is enough for every line without a backslash that did not change", ({ expect }) => {
  let plain = 0;
  fc.assert(
    fc.property(entry, (value) => {
      const line = encodeEntry(value);
      expect(glanceAt(line, value)).toBe(line.includes("\\") ? undefined : "same");
      if (!line.includes("\\")) plain += 1;
    }),
    { numRuns: 2_000 },
  );
  expect(plain).toBeGreaterThan(100);
});

test("a name that looks like members of a line is not mistaken for them", ({ expect }) => {
  const before: Entry = { ...base, name: "a", etag: "x", tags: { a: "b", etag: "y" } };
  const line = encodeEntry(before);
  const name = line.slice('{"name":"'.length, line.indexOf('","etag":"y"'));
  expect(glanceAt(line, { name, etag: "y" })).toBeUndefined();
  expect(glanceAt(encodeEntry({ ...base, name: "a\\b" }), { name: "a\\\\b", etag: base.etag })).toBeUndefined();
  expect(glanceAt(encodeEntry({ ...base, name: 'a","etag":"b' }), { name: "a", etag: "b" })).toBeUndefined();
});

test("a truncated or longer line does not count as the same", ({ expect }) => {
  const line = encodeEntry({ ...base, tier: "Hot" });
  const now = { name: base.name, etag: base.etag, tier: "Hot" };
  expect(glanceAt(line, now)).toBe("same");
  for (let length = 0; length < line.length; length++) {
    expect(glanceAt(line.slice(0, length) as EntryLine, now)).not.toBe("same");
  }
  expect(glanceAt(`${line}}` as EntryLine, now)).toBeUndefined();
  expect(glanceAt(`${line} ` as EntryLine, now)).toBeUndefined();
});
