import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { test } from "vitest";
import { decodeEntry, ENTRY_TYPES, type Entry, encodeEntry } from "./entry.ts";
import { decodeSegment, encodeSegment, type SegmentRef, sha256Of } from "./segment.ts";

const text = fc.string({ maxLength: 8, unit: "grapheme" });

const entry: fc.Arbitrary<Entry> = fc.record(
  {
    name: fc.string({ minLength: 1, unit: "grapheme" }),
    etag: fc.string({ minLength: 1 }),
    size: fc.maxSafeNat(),
    modified: fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    birth: fc.integer({ min: 1 }),
    md5: fc.base64String(),
    type: fc.constantFrom(...ENTRY_TYPES),
    tier: fc.constantFrom("Hot", "Cool", "Cold", "Archive"),
    tags: fc.dictionary(fc.string({ minLength: 1 }), text, { noNullPrototype: true }),
    owner: text,
    group: text,
    permissions: text,
    acl: text,
  },
  { requiredKeys: ["name", "etag", "size", "modified", "birth"] },
);

async function segmentOf(entries: readonly Entry[]): Promise<{ ref: SegmentRef; content: Uint8Array }> {
  const { content, sha256 } = await encodeSegment(entries);
  const first = entries[0]?.name ?? "";
  const last = entries.at(-1)?.name ?? "";
  return { ref: { path: "p", sha256, first, last, entries: entries.length, bytes: 0 }, content };
}

test("an entry is the same after it was written and read", ({ expect }) => {
  fc.assert(
    fc.property(entry, (value) => {
      expect(decodeEntry(encodeEntry(value))).toEqual(value);
    }),
  );
});

test("equal entries make equal lines, whatever the order of their tags", ({ expect }) => {
  const base = { name: "n", etag: "e", size: 1, modified: "m", birth: 1 };
  expect(encodeEntry({ ...base, tags: { b: "2", a: "1" } })).toBe(encodeEntry({ tags: { a: "1", b: "2" }, ...base }));
});

test("what is absent is left out of the line", ({ expect }) => {
  expect(encodeEntry({ name: "n", etag: "e", size: 1, modified: "m", birth: 1 })).toBe(
    '{"name":"n","etag":"e","size":1,"modified":"m","birth":1}',
  );
});

test("a segment is the same after it was written and read", async ({ expect }) => {
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 50 }), async (entries) => {
      const { ref, content } = await segmentOf(entries);
      expect(await decodeSegment(ref, content)).toEqual(entries);
    }),
  );
});

test("a segment is gzip-compressed lines of JSON that any tool reads", async ({ expect }) => {
  const { content } = await segmentOf([
    { name: "a\n", etag: "e", size: 1, modified: "m", birth: 1 },
    { name: "b", etag: "e", size: 1, modified: "m", birth: 1 },
  ]);
  const lines = gunzipSync(content).toString().split("\n");
  expect(lines.slice(0, 2).map((line) => JSON.parse(line).name)).toEqual(["a\n", "b"]);
  expect(lines.slice(2)).toEqual([""]);
});

test("the same entries always make the same bytes, so that a repeated attempt writes nothing new", async ({
  expect,
}) => {
  const entries = [{ name: "a", etag: "e", size: 1, modified: "m", birth: 1 }];
  expect((await encodeSegment(entries)).sha256).toBe((await encodeSegment(entries)).sha256);
});

test("a segment with one changed byte is refused", async ({ expect }) => {
  const { ref, content } = await segmentOf([{ name: "a", etag: "e", size: 1, modified: "m", birth: 1 }]);
  const changed = Uint8Array.from(content);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  await expect(decodeSegment(ref, changed)).rejects.toMatchObject({ code: "format/corrupt" });
});

test("a segment that is short of entries, or is no gzip, is refused although its hash fits", async ({ expect }) => {
  const { ref, content } = await segmentOf([{ name: "a", etag: "e", size: 1, modified: "m", birth: 1 }]);
  await expect(decodeSegment({ ...ref, entries: 2 }, content)).rejects.toMatchObject({ code: "format/corrupt" });
  for (const bad of [Buffer.from("no gzip"), gzipSync("{}\n"), gzipSync("not json\n")]) {
    const sha256 = sha256Of(bad);
    await expect(decodeSegment({ ...ref, sha256 }, bad)).rejects.toMatchObject({ code: "format/corrupt" });
  }
});
