import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { test } from "vitest";
import { type Entry, type EntryLine, encodeEntry } from "./entry.ts";
import {
  decodeSegment,
  type EncodedSegment,
  openSegment,
  SegmentBuilder,
  type SegmentRef,
  sha256Of,
} from "./segment.ts";

const line: fc.Arbitrary<EntryLine> = fc
  .record({ name: fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }), size: fc.nat() })
  .map(({ name, size }) => encodeEntry({ name, etag: "e", size, modified: "m", birth: 1 }));

function entryNamed(name: string): Entry {
  return { name, etag: "e", size: 1, modified: "m", birth: 1 };
}

function builderOf(lines: readonly EntryLine[]): SegmentBuilder {
  const builder = new SegmentBuilder();
  for (const each of lines) builder.push(each);
  return builder;
}

async function segmentOf(...names: readonly string[]): Promise<{ ref: SegmentRef; content: Uint8Array }> {
  return withPath(await builderOf(names.map((name) => encodeEntry(entryNamed(name)))).take(names.length));
}

function withPath({ content, ...described }: EncodedSegment): { ref: SegmentRef; content: Uint8Array } {
  return { ref: { path: "p", ...described }, content };
}

test("a segment survives a round trip", async ({ expect }) => {
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 50 }), async (lines) => {
      const { ref, content } = withPath(await builderOf(lines).take(lines.length));
      const entries = lines.map((each) => JSON.parse(each));
      expect(await openSegment(ref, content)).toEqual(lines);
      expect(await decodeSegment(ref, content)).toEqual(entries);
      expect(ref).toMatchObject({
        first: entries[0].name,
        last: entries.at(-1).name,
        entries: lines.length,
        bytes: entries.reduce((sum, { size }) => sum + size, 0),
      });
    }),
  );
});

test("segments contain what was pushed, in order, whenever they are taken", async ({ expect }) => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.array(line, { maxLength: 9 }), fc.nat({ max: 9 })), { minLength: 1, maxLength: 6 }),
      async (steps) => {
        const builder = new SegmentBuilder();
        const read: EntryLine[] = [];
        const take = async (count: number): Promise<void> => {
          if (count === 0) return;
          const { ref, content } = withPath(await builder.take(count));
          read.push(...(await openSegment(ref, content)));
          taken += 1;
        };
        for (const [lines, count] of steps) {
          for (const each of lines) builder.push(each);
          await take(Math.min(count, builder.length));
        }
        await take(builder.length);
        expect(read).toEqual(steps.flatMap(([lines]) => lines));
      },
    ),
  );
  expect(taken).toBeGreaterThan(100);
});

test("an entry and its line produce the same segment", async ({ expect }) => {
  const builder = new SegmentBuilder();
  for (const name of ["a", "é\n"]) builder.push(entryNamed(name));
  const { content, ...described } = await builder.take(2);
  expect({ path: "p", ...described }).toEqual((await segmentOf("a", "é\n")).ref);
});

test("a builder grows as needed", async ({ expect }) => {
  const names = Array.from({ length: 3_000 }, (_, i) => `${"é𝄞".repeat(i % 200)}${i}`);
  const { ref, content } = await segmentOf(...names);
  expect((await decodeSegment(ref, content)).map(({ name }) => name)).toEqual(names);
  expect(gunzipSync(content).length).toBeGreaterThan(2 ** 19);
});

test("a segment is gzip-compressed lines of JSON that any tool reads", async ({ expect }) => {
  const { content } = await segmentOf("a\n", "b");
  const lines = gunzipSync(content).toString().split("\n");
  expect(lines.slice(0, 2).map((each) => JSON.parse(each).name)).toEqual(["a\n", "b"]);
  expect(lines.slice(2)).toEqual([""]);
});

test("the same entries always produce the same bytes, so that a repeated attempt writes nothing new", async ({
  expect,
}) => {
  expect((await segmentOf("a", "b")).ref.sha256).toBe((await segmentOf("a", "b")).ref.sha256);
});

test("a segment with one changed byte is refused", async ({ expect }) => {
  const { ref, content } = await segmentOf("a");
  const changed = Uint8Array.from(content);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  await expect(openSegment(ref, changed)).rejects.toMatchObject({ code: "format/corrupt" });
});

test("a segment with missing entries, or without gzip, is refused although its hash matches", async ({ expect }) => {
  const { ref, content } = await segmentOf("a");
  await expect(openSegment({ ...ref, entries: 2 }, content)).rejects.toMatchObject({ code: "format/corrupt" });
  const two = await segmentOf("a", "b");
  await expect(openSegment({ ...two.ref, entries: 1 }, two.content)).rejects.toMatchObject({ code: "format/corrupt" });
  for (const bad of [Buffer.from("no gzip"), Buffer.of(), gzipSync("{}\n"), gzipSync("not json\n"), gzipSync("")]) {
    const sha256 = sha256Of(bad);
    await expect(decodeSegment({ ...ref, sha256 }, bad)).rejects.toMatchObject({
      code: "format/corrupt",
      message: expect.stringContaining("'p'"),
    });
  }
});

test("segments of other tools are read: another level, several members, no last line feed", async ({ expect }) => {
  const names = Array.from({ length: 500 }, (_, i) => `n${i}`);
  const lines = names.map((name) => encodeEntry(entryNamed(name)));
  const { ref } = await segmentOf(...names);
  const whole = lines.join("\n");
  const packed = [
    gzipSync(`${whole}\n`, { level: 9 }),
    gzipSync(whole),
    // The trailer has the length of the last member only.
    Buffer.concat([gzipSync(`${lines.slice(0, 499).join("\n")}\n`), gzipSync(`${lines[499]}\n`)]),
  ];
  for (const content of packed) {
    expect(await openSegment({ ...ref, sha256: sha256Of(content) }, content)).toEqual(lines);
  }
});
