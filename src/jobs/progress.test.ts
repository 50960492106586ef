import fc from "fast-check";
import { describe, test } from "vitest";
import { REQUESTED } from "../../test/support/memory-jobs.ts";
import { MemoryRecords } from "../../test/support/memory-records.ts";
import type { ListRecordsOptions, RecordPage } from "../foundation/records.ts";
import type { Job } from "./job.ts";
import { addTotals, type JobTotals, NO_TOTALS } from "./job-totals.ts";
import { MAX_LISTED_CONTAINERS, readContainerTotals, readProgress } from "./progress.ts";
import { type PressureRecord, plannedRangeId, splitRangeId, type WorkRecord, workRows } from "./work.ts";

const NOW = new Date("2026-01-01T01:00:00.000Z");
const LATELY = "2026-01-01T00:59:50.000Z";
const LONG_AGO = "2026-01-01T00:59:00.000Z";

/** Records which rows were read. */
class WatchedRecords extends MemoryRecords<WorkRecord> {
  readonly read = new Set<string>();
  lists = 0;

  override async list(partition: string, options?: ListRecordsOptions): Promise<RecordPage<WorkRecord>> {
    this.lists += 1;
    const page = await super.list(partition, options);
    for (const { row } of page.records) this.read.add(row);
    return page;
  }
}

class World {
  readonly work = new WatchedRecords();
  job: Job;

  constructor(containers: readonly string[], job: Partial<Job> = {}) {
    this.job = { ...REQUESTED, containers: [...containers], ...job };
  }

  put(row: string, record: WorkRecord): Promise<void> {
    return this.work.put(this.job.id, row, record);
  }

  plan(container: string, parts: number, expected?: number): Promise<void> {
    const known = expected === undefined ? {} : { expected };
    return this.put(workRows.plan(container), { kind: "plan", container, parts, cuts: [], ...known });
  }

  tally(
    container: string,
    group: number,
    range: string,
    piece: number,
    totals: JobTotals,
    { finished = true, split = false } = {},
  ): Promise<void> {
    return this.put(workRows.tally(container, group, range, piece), { kind: "tally", finished, split, totals });
  }

  running(
    container: string,
    range: string,
    piece: number,
    totals: JobTotals,
    more: Partial<Extract<WorkRecord, { kind: "running" }>> = {},
  ): Promise<void> {
    return this.put(workRows.running(container, range, piece), {
      kind: "running",
      totals,
      since: LATELY,
      notedAt: LATELY,
      objectsPerSecond: 10,
      bytesPerSecond: 1_000,
      ...more,
    });
  }

  progress() {
    return readProgress(this.work, this.job, NOW);
  }
}

const R0 = plannedRangeId(0);
const R1 = plannedRangeId(1);

function copied(count: number): JobTotals {
  return { ...NO_TOTALS, listed: count, copied: count, copiedBytes: count * 10 };
}

describe("the progress of a running job", () => {
  test("is empty before anything is planned", async ({ expect }) => {
    expect(await new World(["raw"]).progress()).toEqual({
      totals: NO_TOTALS,
      doneShare: 0,
      containers: [],
      containerCount: 1,
    });
    const world = new World([]);
    const { containers: _, ...notBegun } = world.job;
    world.job = notBegun;
    expect(await world.progress()).toMatchObject({ doneShare: 0, containerCount: 0 });
  });

  test("adds up finished and running pieces, each once", async ({ expect }) => {
    const world = new World(["raw"]);
    await world.plan("raw", 2);
    await world.running("raw", R0, 0, copied(3));
    expect((await world.progress()).totals).toEqual(copied(3));

    // Its result is written, and its worker died before it deleted the note.
    await world.tally("raw", 0, R0, 0, copied(5), { finished: false });
    expect((await world.progress()).totals).toEqual(copied(5));

    await world.running("raw", R0, 1, copied(2));
    await world.running("raw", R1, 0, copied(4));
    expect((await world.progress()).totals).toEqual(copied(11));
  });

  test("counts a complete group by its own row, whether its tallies are deleted or not", async ({ expect }) => {
    const world = new World(["raw"]);
    await world.plan("raw", 3, 100);
    await world.tally("raw", 0, R0, 0, copied(10), { split: true });
    await world.tally("raw", 0, splitRangeId(R0, 0), 0, copied(20));
    await world.tally("raw", 1, "000002", 0, copied(30));
    const before = await world.progress();
    await world.put(workRows.group("raw", 0), { kind: "group", finished: 2, splits: 1, totals: copied(30) });
    expect(await world.progress()).toEqual(before);
    await world.work.remove("one", workRows.tally("raw", 0, R0, 0));
    await world.work.remove("one", workRows.tally("raw", 0, splitRangeId(R0, 0), 0));
    expect(await world.progress()).toEqual(before);
    expect(before).toMatchObject({ totals: copied(60), doneShare: 0.6 });
  });

  test("never reads the results, nor the ranges", async ({ expect }) => {
    const world = new World(["raw"]);
    await world.plan("raw", 1);
    await world.put(workRows.range("raw", R0), { kind: "range", container: "raw", range: R0, from: "" });
    await world.put(workRows.piece("raw", R0, 0), {
      kind: "piece",
      container: "raw",
      range: R0,
      piece: 0,
      from: { name: "", after: false },
      segments: [],
      totals: copied(5),
      warnings: { count: 0, first: [] },
      nextSegment: 1,
    });
    await world.tally("raw", 0, R0, 0, copied(5));
    expect(await world.progress()).toMatchObject({ totals: copied(5), doneShare: 1 });
    expect([...world.work.read].sort()).toEqual([workRows.plan("raw"), workRows.tally("raw", 0, R0, 0)]);
  });

  test("reads no tally of a complete group, and none after a group that has not started", async ({ expect }) => {
    const world = new World(["curated", "raw"]);
    await world.plan("curated", 1);
    await world.plan("raw", 10_000);
    for (let group = 0; group < 2; group++) {
      for (let i = 0; i < 256; i++) await world.tally("raw", group, plannedRangeId(group * 256 + i), 0, copied(1));
    }
    await world.put(workRows.group("raw", 0), { kind: "group", finished: 256, splits: 0, totals: copied(256) });
    await world.tally("raw", 2, plannedRangeId(512), 0, copied(1));
    expect(await world.progress()).toMatchObject({ totals: copied(513) });
    const groups = [...world.work.read].filter((row) => row.startsWith("tally")).map((row) => row.split("|")[2]);
    expect([groups.length, ...new Set(groups)]).toEqual([257, "000001", "000002"]);
  });

  for (const [what, containers, parts] of [
    ["few parts", 30, 4],
    ["many containers", 250, 100],
  ] as const) {
    test(`of ${what} reads all tallies at once`, async ({ expect }) => {
      const names = Array.from({ length: containers }, (_, i) => `c${String(i).padStart(4, "0")}`);
      const world = new World(names);
      for (const name of names) {
        await world.plan(name, parts);
        await world.tally(name, 0, R0, 0, copied(1));
      }
      world.work.lists = 0;
      expect(await world.progress()).toMatchObject({ totals: copied(containers), doneShare: 1 / parts });
      expect(world.work.lists).toBeLessThan(6);
    });
  }

  test("has rate and time left by container and in total", async ({ expect }) => {
    const world = new World(["curated", "raw"]);
    await world.plan("raw", 2, 1_000);
    await world.plan("curated", 1, 500);
    await world.tally("raw", 0, R0, 0, copied(600));
    await world.running("raw", R1, 0, copied(100), { objectsPerSecond: 30, bytesPerSecond: 300 });
    await world.running("curated", R0, 0, copied(0), { objectsPerSecond: 10, bytesPerSecond: 0 });
    expect(await world.progress()).toEqual({
      totals: copied(700),
      doneShare: 700 / 1_500,
      rate: { objectsPerSecond: 40, bytesPerSecond: 300 },
      secondsLeft: 20,
      containers: [
        {
          container: "curated",
          totals: NO_TOTALS,
          doneShare: 0,
          rate: { objectsPerSecond: 10, bytesPerSecond: 0 },
          secondsLeft: 50,
        },
        {
          container: "raw",
          totals: copied(700),
          doneShare: 0.7,
          rate: { objectsPerSecond: 30, bytesPerSecond: 300 },
          secondsLeft: 10,
        },
      ],
      containerCount: 2,
    });
  });

  test("does not count names that are only listed as done", async ({ expect }) => {
    const world = new World(["raw"]);
    await world.plan("raw", 1, 5_000);
    await world.running("raw", R0, 0, { ...copied(500), listed: 5_000, unchanged: 400, warned: 100 });
    expect(await world.progress()).toMatchObject({ doneShare: 0.2, secondsLeft: 400, totals: { listed: 5_000 } });
  });

  test("estimates from finished parts where the plan has no length", async ({ expect }) => {
    const world = new World(["raw"]);
    await world.plan("raw", 4);
    await world.running("raw", R1, 0, copied(10), { objectsPerSecond: 5 });
    const unknown = await world.progress();
    expect(unknown).toMatchObject({ doneShare: 0, rate: { objectsPerSecond: 5 } });
    expect(unknown).not.toHaveProperty("secondsLeft");
    await world.tally("raw", 0, R0, 0, copied(90));
    expect(await world.progress()).toMatchObject({ doneShare: 100 / 360, secondsLeft: 52 });
  });

  test("stays below 1 until all is done, even with more names than expected", async ({ expect }) => {
    const world = new World(["raw"]);
    await world.plan("raw", 2, 100);
    await world.tally("raw", 0, R0, 0, copied(150));
    await world.running("raw", R1, 0, copied(20));
    const progress = await world.progress();
    expect(progress.doneShare).toBe(0.99);
    expect(progress).not.toHaveProperty("secondsLeft");
    await world.tally("raw", 0, R1, 0, copied(50));
    expect((await world.progress()).doneShare).toBe(1);
  });

  test("has no time left while containers have no plan", async ({ expect }) => {
    const world = new World(["curated", "raw"]);
    await world.plan("raw", 1, 100);
    await world.running("raw", R0, 0, copied(50));
    const progress = await world.progress();
    expect(progress).toMatchObject({ doneShare: 0.25, containers: [{ container: "raw", secondsLeft: 5 }] });
    expect(progress).not.toHaveProperty("secondsLeft");
  });

  test("ignores rate and pressure of a worker without recent notes", async ({ expect }) => {
    const world = new World(["raw"]);
    const pressure: PressureRecord = { width: 1, widest: 32, halvings: 5 };
    await world.plan("raw", 1, 100);
    await world.running("raw", R0, 0, copied(50), { notedAt: LONG_AGO, pressure });
    const progress = await world.progress();
    expect(progress.totals).toEqual(copied(50));
    for (const member of ["rate", "pressure", "secondsLeft"]) expect(progress).not.toHaveProperty(member);
  });

  test("has the pressure of the worker that is slowed down most", async ({ expect }) => {
    const world = new World(["raw"]);
    const last = { code: "storage/throttled", message: "busy", at: "2026-01-01T00:59:30.000Z" };
    await world.plan("raw", 4);
    await world.running("raw", R0, 0, copied(1), { pressure: { width: 16, widest: 32, halvings: 1, last } });
    await world.running("raw", R1, 0, copied(1), { pressure: { width: 8, widest: 32, halvings: 2, last } });
    await world.running("raw", "000002", 0, copied(1), { pressure: { width: 8, widest: 32, halvings: 3, last } });
    await world.running("raw", "000003", 0, copied(1), { pressure: { width: 32, widest: 32, halvings: 0 } });
    expect((await world.progress()).pressure).toEqual({ width: 8, widest: 32, halvings: 3, last });
  });

  test("of a restore adds up its segments", async ({ expect }) => {
    const world = new World(["another", "empty", "raw"], {
      request: { kind: "restore", recoveryPoint: "p", target: { resourceId: "/x", account: "x" } },
    });
    await world.plan("raw", 2, 40);
    await world.plan("empty", 0, 0);
    await world.put(workRows.restored("raw", 0), {
      kind: "restored",
      container: "raw",
      segment: 0,
      totals: copied(20),
    });
    await world.running("raw", R0, 0, copied(19));
    await world.running("raw", R1, 0, copied(10));
    expect(await world.progress()).toMatchObject({
      totals: copied(30),
      doneShare: 0.75,
      secondsLeft: 1,
      containers: [
        { container: "empty", doneShare: 1 },
        { container: "raw", doneShare: 0.75 },
      ],
    });
  });

  test("lists the first containers by name, and counts all", async ({ expect }) => {
    const names = Array.from({ length: MAX_LISTED_CONTAINERS + 20 }, (_, i) => `c${String(i).padStart(4, "0")}`);
    const world = new World(names.toReversed());
    for (const name of names) {
      await world.plan(name, 1, 2);
      await world.running(name, R0, 0, copied(1));
    }
    const { containers, containerCount, totals } = await world.progress();
    expect(containers.map(({ container }) => container)).toEqual(names.slice(0, MAX_LISTED_CONTAINERS));
    expect([containerCount, totals]).toEqual([names.length, copied(names.length)]);

    for (const container of names) {
      await world.put(workRows.container(container), { kind: "container", container, totals: copied(1) });
    }
    world.work.read.clear();
    world.job = { ...world.job, status: "Completed", totals: copied(names.length) };
    expect((await world.progress()).containers.map(({ container }) => container)).toEqual(
      names.slice(0, MAX_LISTED_CONTAINERS),
    );
    expect(world.work.read.size).toBe(MAX_LISTED_CONTAINERS);
  });
});

describe("the progress of an ended job", () => {
  test("is that of its row and its containers", async ({ expect }) => {
    const world = new World(["raw"], { status: "Completed", totals: copied(9) });
    await world.put(workRows.container("raw"), { kind: "container", container: "raw", totals: copied(9) });
    expect(await world.progress()).toEqual({
      totals: copied(9),
      doneShare: 1,
      containers: [{ container: "raw", totals: copied(9), doneShare: 1 }],
      containerCount: 1,
    });
  });

  test("is not 1 when it failed or was cancelled", async ({ expect }) => {
    for (const status of ["Failed", "Cancelled"] as const) {
      const progress = await new World(["raw"], { status, totals: copied(9) }).progress();
      expect(progress).not.toHaveProperty("doneShare");
    }
  });
});

test("totals of each container come from results alone once the job's own totals are written", async ({ expect }) => {
  const world = new World(["raw"]);
  await world.plan("raw", 1);
  await world.tally("raw", 0, R0, 0, copied(5));
  await world.running("raw", R0, 1, copied(3));
  expect(await readContainerTotals(world.work, world.job)).toEqual([{ container: "raw", totals: copied(8) }]);
  world.job = { ...world.job, totals: copied(5) };
  expect(await readContainerTotals(world.work, world.job)).toEqual([{ container: "raw", totals: copied(5) }]);
});

test("the totals of all containers are those of all pieces, whichever groups are complete", async ({ expect }) => {
  const count = fc.nat(1_000);
  const manyOrFew = fc.constantFrom(1_000, 10_000);
  const group = fc.record({
    isWhole: fc.boolean(),
    tallies: fc.array(count, { minLength: 1, maxLength: 4 }),
    running: fc.array(fc.record({ count, isLeft: fc.boolean() }), { maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(group, { maxLength: 4 }), { maxLength: 4 }), manyOrFew, async (lake, parts) => {
      const names = lake.map((_, i) => `c${i}`);
      const world = new World(names);
      const wanted: JobTotals[] = [];
      for (const [i, groups] of lake.entries()) {
        const name = `c${i}`;
        await world.plan(name, parts);
        let totals = NO_TOTALS;
        for (const [g, { isWhole, tallies, running }] of groups.entries()) {
          let range = g * 256;
          for (const one of tallies) await world.tally(name, g, plannedRangeId(range++), 0, copied(one));
          const sum = tallies.map(copied).reduce(addTotals, NO_TOTALS);
          totals = addTotals(totals, sum);
          if (isWhole) {
            const row = workRows.group(name, g);
            await world.put(row, { kind: "group", finished: tallies.length, splits: 0, totals: sum });
            continue;
          }
          for (const { count: noted, isLeft } of running) {
            // Notes of a worker that died after its result was written do not count.
            if (isLeft) await world.running(name, plannedRangeId(g * 256), 0, copied(noted));
            else {
              await world.running(name, plannedRangeId(range++), 0, copied(noted));
              totals = addTotals(totals, copied(noted));
            }
          }
        }
        wanted.push(totals);
      }
      const { totals, containers } = await world.progress();
      expect(containers.map((one) => one.totals)).toEqual(wanted);
      expect(totals).toEqual(wanted.reduce(addTotals, NO_TOTALS));
    }),
  );
});
