import fc from "fast-check";
import { test } from "vitest";
import { type EntryLine, encodeEntry } from "../vault/entry.ts";
import { readSegmentLines } from "../vault/read-manifest.ts";
import type { SegmentRef } from "../vault/segment.ts";
import { ManifestWriter } from "./manifest-writer.ts";

const SIZES = { usual: 4, largest: 8, small: 3 };

class Files {
  readonly files = new Map<string, Uint8Array>();

  async create(path: string, content: Uint8Array): Promise<boolean> {
    if (this.files.has(path)) return false;
    this.files.set(path, content);
    return true;
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    return this.files.get(path);
  }

  writer(recoveryPoint: string, nextSegment = 0): ManifestWriter {
    return new ManifestWriter(this, { recoveryPoint, container: "raw", range: "00000" }, nextSegment, SIZES);
  }

  /** A segment of an earlier recovery point. */
  async segment(lines: readonly EntryLine[], number: number): Promise<SegmentRef> {
    const writer = this.writer("before", number);
    await writer.add(lines);
    const [ref] = await writer.finish();
    if (ref === undefined) throw new Error("a segment has entries");
    return ref;
  }
}

function lineOf(i: number): EntryLine {
  return encodeEntry({ name: `n${String(i).padStart(4, "0")}`, etag: "e", size: i, modified: "m", birth: 1 });
}

interface Step {
  readonly lines: readonly EntryLine[];
  /** The unchanged segment; absent: entries that need a new one. */
  readonly unchanged?: SegmentRef;
}

async function steps(
  files: Files,
  plan: readonly { readonly kind: string; readonly count: number }[],
): Promise<Step[]> {
  const made: Step[] = [];
  let entries = 0;
  for (const [i, { kind, count }] of plan.entries()) {
    const from = entries;
    const lines = Array.from({ length: count }, (_, k) => lineOf(from + k));
    entries += count;
    if (kind === "new") made.push({ lines });
    else if (count > 0) made.push({ lines, unchanged: await files.segment(lines, i) });
  }
  return made;
}

async function write(files: Files, given: readonly Step[]): Promise<readonly SegmentRef[]> {
  const writer = files.writer("now", 5);
  for (const { lines, unchanged } of given) {
    await (unchanged === undefined ? writer.add(lines) : writer.addUnchanged(unchanged, lines));
  }
  return writer.finish();
}

const plan = fc.array(fc.record({ kind: fc.constantFrom("new", "unchanged"), count: fc.integer({ min: 0, max: 7 }) }), {
  maxLength: 12,
});

test("the segments have the given entries in order, and correct summaries", async ({ expect }) => {
  let written = 0;
  await fc.assert(
    fc.asyncProperty(plan, async (planned) => {
      const files = new Files();
      const given = await steps(files, planned);
      const read: EntryLine[] = [];
      for (const ref of await write(files, given)) {
        const lines = await readSegmentLines(files, ref);
        const entries = lines.map((line) => JSON.parse(line));
        expect(ref).toMatchObject({ first: entries[0].name, last: entries.at(-1).name, entries: entries.length });
        expect(ref.bytes).toBe(entries.reduce((sum, { size }) => sum + size, 0));
        read.push(...lines);
        written += 1;
      }
      expect(read).toEqual(given.flatMap(({ lines }) => lines));
    }),
    { numRuns: 300 },
  );
  expect(written).toBeGreaterThan(100);
});

test("new segments are neither large nor small, except for the last", async ({ expect }) => {
  let written = 0;
  await fc.assert(
    fc.asyncProperty(plan, async (planned) => {
      const files = new Files();
      const refs = await write(files, await steps(files, planned));
      for (const [i, { path, entries }] of refs.entries()) {
        if (!path.includes("/now/")) continue;
        written += 1;
        expect(entries).toBeLessThan(SIZES.largest);
        if (i < refs.length - 1) expect(entries).toBeGreaterThanOrEqual(SIZES.small);
      }
    }),
    { numRuns: 300 },
  );
  expect(written).toBeGreaterThan(100);
});

test("unchanged segments are referenced; they are rewritten only if few entries come before them", async ({
  expect,
}) => {
  let kept = 0;
  let joined = 0;
  await fc.assert(
    fc.asyncProperty(plan, async (planned) => {
      const files = new Files();
      const given = await steps(files, planned);
      const refs = await write(files, given);
      for (const [i, { unchanged }] of given.entries()) {
        if (unchanged === undefined) continue;
        const isKept = refs.includes(unchanged);
        const before = given[i - 1];
        const stoodAlone = before === undefined || (before.unchanged !== undefined && refs.includes(before.unchanged));
        if (stoodAlone) expect(isKept).toBe(true);
        if (isKept) kept += 1;
        else joined += 1;
      }
    }),
    { numRuns: 300 },
  );
  expect(kept).toBeGreaterThan(100);
  expect(joined).toBeGreaterThan(5);
});

test("one changed part costs no more than itself and one neighbour", async ({ expect }) => {
  let neighbours = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.record({ left: fc.nat(20), entries: fc.nat(40), right: fc.nat(20), count: fc.integer({ min: 3, max: 7 }) }),
      async ({ left, entries, right, count }) => {
        const files = new Files();
        const unchanged = (many: number) => Array.from({ length: many }, () => ({ kind: "unchanged", count }));
        const given = await steps(files, [...unchanged(left), { kind: "new", count: entries }, ...unchanged(right)]);
        const refs = await write(files, given);
        const lost = given.filter((step) => step.unchanged !== undefined && !refs.includes(step.unchanged));
        expect(lost.length).toBeLessThanOrEqual(1);
        neighbours += lost.length;
      },
    ),
  );
  expect(neighbours).toBeGreaterThan(0);
});

test("segments are numbered from the end of the previous piece, and a repeated attempt writes the same", async ({
  expect,
}) => {
  const files = new Files();
  const lines = Array.from({ length: 10 }, (_, i) => lineOf(i));
  const refs = await write(files, [{ lines }]);
  expect(refs.map(({ path }) => path.split("/").at(-1)?.split("-")[1])).toEqual(["000005", "000006"]);
  expect(await write(files, [{ lines }])).toEqual(refs);
  expect(files.files.size).toBe(2);
});
