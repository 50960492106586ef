import fc from "fast-check";
import { type ExpectStatic, test } from "vitest";
import { Crash } from "../../test/support/crash-switch.ts";
import type { CopyMessage } from "../../test/support/lake-activities.ts";
import type { MemoryBlob } from "../../test/support/memory-account.ts";
import { MemoryLake } from "../../test/support/memory-lake.ts";
import { SOAK_FACTOR } from "../../test/support/soak-factor.ts";
import { endJobActivity } from "../jobs/end-job.ts";
import { workRows } from "../jobs/work.ts";
import type { Entry } from "../vault/entry.ts";
import { listSeals } from "../vault/list-seals.ts";
import { objectPath, sealPath, vaultMarkerPath } from "../vault/names.ts";
import { readIndex, readSeal, readSegment } from "../vault/read-manifest.ts";

const SMALL = { usual: 4, largest: 8, small: 2 };

/** Reads everything that a recovery point has of a container. */
async function entriesOf(lake: MemoryLake, recoveryPoint: string, container: string): Promise<Entry[]> {
  const index = await readIndex(lake.vault, await readSeal(lake.vault, recoveryPoint), container);
  const entries: Entry[] = [];
  for (const segment of index?.segments ?? []) entries.push(...(await readSegment(lake.vault, segment)));
  return entries;
}

async function pathsOf(lake: MemoryLake, recoveryPoint: string, container: string): Promise<string[]> {
  const index = await readIndex(lake.vault, await readSeal(lake.vault, recoveryPoint), container);
  return (index?.segments ?? []).map(({ path }) => path);
}

type Change =
  | { readonly kind: "write"; readonly name: string; readonly content: string }
  | { readonly kind: "delete"; readonly name: string }
  /** Restores the last deleted blob with its old ETag, like Azure's undelete. */
  | { readonly kind: "undelete"; readonly name: string }
  | { readonly kind: "relabel"; readonly name: string; readonly tag: string };

const name = fc.string({ minLength: 1, maxLength: 3, unit: fc.constantFrom("a", "b", "c", "/", "é") });
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("write" as const), name, content: fc.string({ maxLength: 4 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), name }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("undelete" as const), name }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("relabel" as const), name, tag: fc.constantFrom("x", "y") }) },
);

/** The source container, with methods that change it. */
class Source {
  readonly #lake: MemoryLake;
  readonly #deleted = new Map<string, MemoryBlob>();

  constructor(lake: MemoryLake) {
    this.#lake = lake;
    lake.source.createContainer("raw");
  }

  play(changes: readonly Change[]): void {
    const blobs = this.#lake.source.container("raw");
    for (const step of changes) {
      const now = blobs.get(step.name);
      const deleted = this.#deleted.get(step.name);
      if (step.kind === "write")
        this.#lake.source.write("raw", step.name, step.content, { metadata: { c: step.content } });
      else if (step.kind === "delete" && now !== undefined) {
        this.#deleted.set(step.name, now);
        blobs.delete(step.name);
      } else if (step.kind === "undelete" && now === undefined && deleted !== undefined) blobs.set(step.name, deleted);
      else if (step.kind === "relabel" && now !== undefined) blobs.set(step.name, { ...now, tags: { k: step.tag } });
    }
  }

  state(): Record<string, unknown> {
    return stateOf(this.#lake.source.container("raw"));
  }
}

function stateOf(blobs: ReadonlyMap<string, MemoryBlob>): Record<string, unknown> {
  return Object.fromEntries(
    [...blobs]
      .filter(([blob]) => !blob.startsWith(".lakevault/"))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([blob, { content, metadata, tags }]) => [blob, { content, metadata, tags }]),
  );
}

test("whatever changes, wherever pages and pieces end and workers crash: each point restores what existed", async ({
  expect,
}) => {
  let deaths = 0;
  let pieces = 0;
  let failures = 0;
  let ranges = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        rounds: fc.array(fc.array(change, { maxLength: 40 }), { minLength: 1, maxLength: 4 }),
        pageSize: fc.integer({ min: 1, max: 9 }),
        budgetMs: fc.constantFrom(1, 3, 20, 1_000_000),
        maxSegments: fc.constantFrom(1, 3, 1_000),
        maxNames: fc.constantFrom(1, 7, 1_000),
        sliceBytes: fc.constantFrom(1, 5, 1_000),
        rangeNames: fc.constantFrom(1, 6, 30),
        maxFirstRanges: fc.constantFrom(1, 4, 50),
        inBlocks: fc.array(name, { maxLength: 5 }),
        order: fc.array(fc.nat(), { minLength: 1, maxLength: 7 }),
        deathEvery: fc.integer({ min: 3, max: 60 }),
        doubled: fc.boolean(),
        /** Per round: messages after which an earlier attempt is abandoned; 0: none. */
        givenUp: fc.array(fc.nat(6), { minLength: 4, maxLength: 4 }),
      }),
      async ({ rounds, pageSize, inBlocks, order, deathEvery, doubled, givenUp, ...plan }) => {
        const { budgetMs, maxSegments, maxNames, sliceBytes, rangeNames, maxFirstRanges } = plan;
        const lake = new MemoryLake({
          pageSize,
          settings: { budgetMs, maxSegments, maxNames, sliceBytes, segmentSizes: SMALL },
          planSettings: { rangeNames, maxFirstRanges, maxRanges: 20 },
        });
        for (const blob of inBlocks) lake.vault.inBlocks.add(blob);
        await lake.protect();
        const next = <T>(queue: T[], turn: number): T | undefined =>
          queue.splice((order[turn % order.length] ?? 0) % Math.max(1, queue.length), 1)[0];
        const source = new Source(lake);
        const expected: { readonly point: string; readonly state: Record<string, unknown> }[] = [];
        for (const [round, changes] of rounds.entries()) {
          const half = Math.floor(changes.length / 2);
          source.play(changes.slice(0, half));
          const patience = givenUp[round] ?? 0;
          if (patience > 0) {
            const ref = await lake.requestBackup(`failed-${round}`);
            const queue: CopyMessage[] = [...(await lake.beginBackup(ref))];
            for (let turn = 0; turn < patience; turn++) {
              const message = next(queue, turn);
              if (message !== undefined) queue.push(...(await lake.deliver(message)));
            }
            await endJobActivity(lake.deps, { ...ref, failure: { code: "storage/unavailable", message: "gone" } });
            failures += 1;
          }
          source.play(changes.slice(half));

          const ref = await lake.requestBackup(`job-${round}`);
          const queue: CopyMessage[] = [...(await lake.beginBackup(ref))];
          ranges = Math.max(ranges, queue.length);
          for (let turn = 0, message = next(queue, turn); message !== undefined; message = next(queue, ++turn)) {
            try {
              lake.crash.arm(deathEvery);
              queue.push(...(await lake.deliver(message)));
              pieces += 1;
              if (doubled) await lake.deliver(message);
            } catch (error) {
              if (!(error instanceof Crash)) throw error;
              deaths += 1;
              lake.crash.disarm();
              queue.push(...(await lake.deliver(message)));
            }
          }
          lake.crash.disarm();
          expect(await lake.seal(ref)).toBe("Completed");
          await lake.sweep(ref);
          await expectNoDebris(lake, expect);
          const { totals } = await lake.job(`job-${round}`);
          const held = Object.keys(source.state()).length;
          expect(totals).toMatchObject({ listed: held, entries: held });
          expect((totals?.copied ?? 0) + (totals?.unchanged ?? 0)).toBe(held);
          expected.push({ point: (await lake.job(`job-${round}`)).recoveryPoint?.id ?? "", state: source.state() });
        }
        for (const [round, { point, state }] of expected.entries()) {
          for (const entry of await entriesOf(lake, point, "raw")) {
            expect(lake.vault.files.has(objectPath("raw", entry.name, entry.etag, entry.birth))).toBe(true);
          }
          lake.target.containers.clear();
          expect(await lake.restore(`restore-${round}`, point)).toBe("Completed");
          expect(stateOf(lake.target.container("raw"))).toEqual(state);
        }
      },
    ),
    { numRuns: 90 * SOAK_FACTOR },
  );
  expect(deaths).toBeGreaterThan(20);
  expect(pieces).toBeGreaterThan(200);
  expect(failures).toBeGreaterThan(20);
  expect(ranges).toBeGreaterThan(0);
});

/** Everything in the vault belongs to a recovery point. */
async function expectNoDebris(lake: MemoryLake, expect: ExpectStatic): Promise<void> {
  const named = new Set<string>();
  for (const { id } of await listSeals(lake.vault)) {
    const seal = await readSeal(lake.vault, id);
    for (const { name, index } of seal.containers) {
      named.add(index.path).add(vaultMarkerPath(seal.job, name)).add(sealPath(id));
      for (const path of await pathsOf(lake, id, name)) named.add(path);
      for (const entry of await entriesOf(lake, id, name)) {
        named.add(objectPath(name, entry.name, entry.etag, entry.birth));
      }
    }
  }
  expect([...lake.vault.files.keys()].filter((path) => !named.has(path))).toEqual([]);
  expect(lake.attempts.size).toBe(0);
}

async function lakeOf(count: number, settings = {}): Promise<MemoryLake> {
  const lake = new MemoryLake({ pageSize: 5, settings: { segmentSizes: SMALL, ...settings } });
  await lake.protect();
  lake.source.createContainer("raw");
  for (let i = 0; i < count; i++) lake.source.write("raw", `n${String(i).padStart(3, "0")}`, `content ${i}`);
  return lake;
}

test("a second backup of an unchanged container copies no object and writes no segment", async ({ expect }) => {
  const lake = await lakeOf(50);
  const first = await lake.backup("one");
  const written = lake.vault.written.length;
  const second = await lake.backup("two");
  expect(await pathsOf(lake, second, "raw")).toEqual(await pathsOf(lake, first, "raw"));
  expect(lake.vault.written.slice(written).map((path) => path.split("/")[0])).toEqual([
    "markers",
    "manifests",
    "recovery-points",
  ]);
  expect((await lake.job("two")).totals).toMatchObject({ listed: 50, unchanged: 50, copied: 0, copiedBytes: 0 });
});

test("a change rewrites only its own segment", async ({ expect }) => {
  const lake = await lakeOf(40);
  const before = await pathsOf(lake, await lake.backup("one"), "raw");
  lake.source.write("raw", "n018", "changed");
  const after = await pathsOf(lake, await lake.backup("two"), "raw");
  expect(before.length).toBeGreaterThan(5);
  expect(after).toHaveLength(before.length);
  expect(after.filter((path) => !before.includes(path))).toHaveLength(1);
  expect((await lake.job("two")).totals).toMatchObject({ copied: 1, unchanged: 39 });
});

test("segments that grow are split, and those that shrink are joined", async ({ expect }) => {
  const lake = await lakeOf(16);
  await lake.backup("one");
  for (let i = 0; i < 100; i++) lake.source.write("raw", `n005-${String(i).padStart(3, "0")}`, "x");
  const grown = await readIndex(lake.vault, await readSeal(lake.vault, await lake.backup("two")), "raw");
  for (const { entries } of grown?.segments ?? []) expect(entries).toBeLessThan(SMALL.largest);
  for (let i = 0; i < 100; i++) lake.source.container("raw").delete(`n005-${String(i).padStart(3, "0")}`);
  const shrunk = await readIndex(lake.vault, await readSeal(lake.vault, await lake.backup("three")), "raw");
  expect(shrunk?.entries).toBe(16);
  expect(shrunk?.segments.length).toBeLessThan(8);
});

test.for([
  ["within a segment", "n0065"],
  ["at the first name of a segment", "n004"],
  ["at the last name of a segment", "n007"],
] as const)("a range that is cut %s takes over no more than its own names", async ([, at], { expect }) => {
  const lake = await lakeOf(20);
  const first = await lake.backup("one");
  const segments = (await readIndex(lake.vault, await readSeal(lake.vault, first), "raw"))?.segments ?? [];
  expect(segments.slice(1, 2)).toMatchObject([{ first: "n004", last: "n007" }]);
  const ref = await lake.requestBackup("two");
  await lake.work.insert("two", workRows.plan("raw"), { kind: "plan", container: "raw", parts: 2, cuts: [at] });
  await lake.deliverAll(await lake.beginBackup(ref));
  await lake.seal(ref);
  const point = (await lake.job("two")).recoveryPoint?.id ?? "";
  expect(await entriesOf(lake, point, "raw")).toEqual(await entriesOf(lake, first, "raw"));
  expect((await lake.job("two")).totals).toMatchObject({ listed: 20, unchanged: 20, copied: 0, removed: 0 });
});

test("a piece that runs out of time leaves the rest to the next, which continues where it stopped", async ({
  expect,
}) => {
  const lake = await lakeOf(40, { budgetMs: 1 });
  const ref = await lake.requestBackup("one");
  const delivered = await lake.deliverAll(await lake.beginBackup(ref));
  await lake.seal(ref);
  expect(delivered).toBeGreaterThan(8);
  expect((await lake.job("one")).totals).toMatchObject({ listed: 40, copied: 40, entries: 40 });
});

test("a listing out of order ends the job and reports nothing as deleted", async ({ expect }) => {
  const lake = await lakeOf(10);
  await lake.backup("one");
  const ref = await lake.requestBackup("two");
  const [message] = await lake.beginBackup(ref);
  const { deps } = lake;
  const { workRange } = await import("./work-range.ts");
  const backwards = {
    ...deps,
    datasource: () => {
      const real = deps.datasource();
      return Object.assign(Object.create(real) as typeof real, {
        kind: real.kind,
        listPages: async function* () {
          for await (const page of real.listPages("raw", { from: { name: "", after: false } })) yield page.toReversed();
        },
      });
    },
  };
  if (message === undefined) throw new Error("no range was planned");
  await expect(workRange(backwards, message)).rejects.toMatchObject({ code: "listing/out-of-order" });
  expect(await lake.work.get("two", "piece|raw|000000|000000")).toBeUndefined();
});

test("a blob that changes during its copy is copied in its new version, and counted", async ({ expect }) => {
  const lake = await lakeOf(3);
  const ref = await lake.requestBackup("one");
  const messages = await lake.beginBackup(ref);
  const copyObject = lake.vault.copyObject.bind(lake.vault);
  let raced = false;
  lake.vault.copyObject = async (version, path, shouldContinue) => {
    if (version.name === "n001" && !raced) {
      raced = true;
      lake.source.write("raw", "n001", "newer");
    }
    return copyObject(version, path, shouldContinue);
  };
  await lake.deliverAll(messages);
  await lake.seal(ref);
  const job = await lake.job("one");
  expect(job).toMatchObject({ status: "Completed", totals: { changedDuringCopy: 1, copied: 3 } });
  const entry = (await entriesOf(lake, job.recoveryPoint?.id ?? "", "raw")).find((one) => one.name === "n001");
  expect(entry).toMatchObject({ etag: lake.source.container("raw").get("n001")?.etag, size: 5 });
});

test("a blob that vanishes before its copy is left out, and counted", async ({ expect }) => {
  const lake = await lakeOf(3);
  const ref = await lake.requestBackup("one");
  const messages = await lake.beginBackup(ref);
  const copyObject = lake.vault.copyObject.bind(lake.vault);
  lake.vault.copyObject = async (version, path, shouldContinue) => {
    if (version.name === "n001") lake.source.container("raw").delete("n001");
    return copyObject(version, path, shouldContinue);
  };
  await lake.deliverAll(messages);
  await lake.seal(ref);
  expect(await lake.job("one")).toMatchObject({ status: "Completed", totals: { changedDuringCopy: 1, entries: 2 } });
});

test("a blob that cannot be read is a warning of job and seal, and the point is usable", async ({ expect }) => {
  const lake = await lakeOf(3);
  lake.source.write("raw", "cold", "x", { tier: "Archive" });
  lake.source.write("raw", "a/../b", "x");
  const point = await lake.backup("one");
  const warnings = {
    count: 2,
    first: [
      expect.objectContaining({ container: "raw", name: "a/../b", code: "name-not-addressable" }),
      expect.objectContaining({ container: "raw", name: "cold", code: "archived" }),
    ],
  };
  expect(await lake.job("one")).toMatchObject({ status: "CompletedWithWarnings", warnings });
  expect((await readSeal(lake.vault, point)).warnings).toEqual(warnings);
  expect(await lake.restore("two", point)).toBe("Completed");
  expect(lake.target.container("raw").size).toBe(3);
});

test("of many blobs that cannot be read the first thousand are listed, and all are counted", async ({ expect }) => {
  const lake = await lakeOf(0);
  for (let i = 0; i < 1_200; i++)
    lake.source.write("raw", `cold${String(i).padStart(4, "0")}`, "x", { tier: "Archive" });
  const point = await lake.backup("one");
  const { warnings, totals } = await lake.job("one");
  expect(warnings).toMatchObject({ count: 1_200, first: { length: 1_000, 0: { name: "cold0000" } } });
  expect(totals).toMatchObject({ listed: 1_200, warned: 1_200, entries: 0 });
  expect((await readSeal(lake.vault, point)).warnings).toEqual(warnings);
});

test("objects of a failed job are used by the next, which gets the same sequence number", async ({ expect }) => {
  const lake = await lakeOf(10);
  const failed = await lake.requestBackup("one");
  await lake.deliverAll(await lake.beginBackup(failed));
  await endJobActivity(lake.deps, { ...failed, failure: { code: "storage/unavailable", message: "gone" } });
  expect(await lake.job("one")).toMatchObject({ status: "Failed", failure: { code: "storage/unavailable" } });

  await lake.backup("two");
  expect(await lake.job("two")).toMatchObject({
    status: "Completed",
    recoveryPoint: { sequence: 1 },
    totals: { copied: 10, copiedBytes: 0 },
  });
  expect(lake.vault.written.filter((path) => path.startsWith("data/"))).toHaveLength(10);
});

test("a message that comes late, after its job has ended, changes nothing", async ({ expect }) => {
  const lake = await lakeOf(5);
  const ref = await lake.requestBackup("one");
  const messages = await lake.beginBackup(ref);
  await lake.deliverAll(messages);
  await lake.seal(ref);
  const written = lake.vault.written.length;
  lake.source.write("raw", "later", "x");
  await lake.deliverAll(messages);
  expect(lake.vault.written).toHaveLength(written);
  expect((await lake.work.list("one")).records.map(({ row }) => row)).toEqual(["container|raw"]);
});

test("an undeleted blob with its old ETag is a new object with a new birth", async ({ expect }) => {
  const lake = await lakeOf(2);
  const blob = lake.source.container("raw").get("n000") as MemoryBlob;
  await lake.backup("one");
  lake.source.container("raw").delete("n000");
  await lake.backup("two");
  lake.source.container("raw").set("n000", blob);
  const [entry] = await entriesOf(lake, await lake.backup("three"), "raw");
  expect(entry).toMatchObject({ name: "n000", etag: blob.etag, birth: 3 });
  expect(lake.vault.files.has(objectPath("raw", "n000", blob.etag, 3))).toBe(true);
});

test("a piece whose process is about to stop leaves the rest to the next, and loses no result", async ({ expect }) => {
  const lake = await lakeOf(40);
  const ref = await lake.requestBackup("one");
  const [message] = await lake.beginBackup(ref);
  if (message === undefined) throw new Error("no range was planned");
  let copies = 0;
  const copyObject = lake.vault.copyObject.bind(lake.vault);
  lake.vault.copyObject = (...args) => {
    copies += 1;
    if (copies === 10) lake.isStopping = true;
    return copyObject(...args);
  };
  const follow = await lake.deliver(message);
  // The rest, and its split-off part.
  expect(follow.map((each) => "piece" in each && each.piece)).toEqual([1, 0]);
  expect(copies).toBeLessThan(30);
  const begun = copies;
  lake.isStopping = false;
  await lake.deliverAll(follow);
  await lake.seal(ref);
  expect(copies).toBe(40);
  expect(begun).toBeGreaterThanOrEqual(10);
  expect((await lake.job("one")).totals).toMatchObject({ copied: 40, entries: 40 });
});

test("a worker whose piece is ended by another at that moment copies nothing that would never be swept", async ({
  expect,
}) => {
  const lake = await lakeOf(4);
  const ref = await lake.requestBackup("one");
  const [message] = await lake.beginBackup(ref);
  if (message === undefined) throw new Error("no range was planned");
  const get = lake.work.get.bind(lake.work);
  let other: Promise<unknown> | undefined;
  lake.work.get = async (partition, row) => {
    const found = await get(partition, row);
    if (row !== workRows.piece("raw", message.range, 0) || other !== undefined) return found;
    // The other worker does everything, and the source changes, during this one's first request.
    other = lake.deliver(message);
    await other;
    lake.source.write("raw", "n000", "newer");
    return found;
  };
  const check = await lake.deliver(message);
  expect(other).toBeDefined();
  expect([...lake.vault.files.keys()].filter((path) => path.startsWith("data/"))).toHaveLength(4);
  await lake.deliverAll(check);
  expect(await lake.seal(ref)).toBe("Completed");
  expect(lake.attempts.size).toBe(0);
});
