import { test } from "vitest";
import { MemoryRecords } from "../../test/support/memory-records.ts";
import { type JobTotals, NO_TOTALS } from "./job-totals.ts";
import { ProgressNote } from "./progress-note.ts";
import { type PressureRecord, type WorkRecord, workRows } from "./work.ts";

const ROW = workRows.running("raw", "000000", 0);
const BEGUN = "2026-01-01T00:00:00.000Z";

class World {
  readonly work = new MemoryRecords<WorkRecord>();
  now = Date.parse(BEGUN);

  note(everyMs?: number): ProgressNote {
    return new ProgressNote(this.work, "one", ROW, () => new Date(this.now), everyMs);
  }

  async row(): Promise<WorkRecord | undefined> {
    return (await this.work.get("one", ROW))?.value;
  }
}

const copied = (count: number): JobTotals => ({ ...NO_TOTALS, listed: 100, copied: count, copiedBytes: count * 10 });

test("the start of a part is noted, and only the first attempt is reported as first", async ({ expect }) => {
  const world = new World();
  expect(await world.note().begin()).toBe(true);
  expect(await world.row()).toEqual({
    kind: "running",
    totals: NO_TOTALS,
    since: BEGUN,
    notedAt: BEGUN,
    objectsPerSecond: 0,
    bytesPerSecond: 0,
  });
  expect(await world.note().begin()).toBe(false);
});

test("a note is written when the previous one is old enough, with the rate since then", async ({ expect }) => {
  const world = new World();
  const note = world.note(1_000);
  await note.begin();
  world.now += 999;
  const writes = world.work.writes;
  await note.note(copied(5));
  expect(world.work.writes).toBe(writes);

  world.now += 1;
  await note.note(copied(8));
  expect(await world.row()).toMatchObject({ totals: copied(8), objectsPerSecond: 8, bytesPerSecond: 80 });

  const pressure: PressureRecord = { width: 16, widest: 32, halvings: 1 };
  world.now += 2_000;
  await note.note({ ...copied(12), unchanged: 6 }, pressure);
  expect(await world.row()).toMatchObject({
    since: BEGUN,
    notedAt: "2026-01-01T00:00:03.000Z",
    objectsPerSecond: 5,
    bytesPerSecond: 20,
    pressure,
  });
});

test("totals of a crashed attempt are shown until the next one has done more", async ({ expect }) => {
  const world = new World();
  const first = world.note(0);
  await first.begin();
  world.now += 1_000;
  await first.note(copied(50));
  const second = world.note(0);
  expect(await second.begin()).toBe(false);
  for (const [done, told] of [
    [10, 50],
    [49, 50],
    [51, 51],
  ] as const) {
    world.now += 1_000;
    await second.note({ ...copied(done), listed: done });
    expect(await world.row()).toMatchObject({ totals: { copied: told, copiedBytes: told * 10, listed: 100 } });
  }
  expect(await world.row()).toMatchObject({ objectsPerSecond: 2 });
});

test("decreasing totals give no negative rate", async ({ expect }) => {
  const world = new World();
  const note = world.note(0);
  await note.note(copied(50));
  world.now += 1_000;
  await note.note(copied(40));
  expect(await world.row()).toMatchObject({ totals: copied(50), objectsPerSecond: 0, bytesPerSecond: 0 });
});

test("a part that has ended, or whose job has, gets no new note", async ({ expect }) => {
  const world = new World();
  const note = world.note(0);
  await note.begin();
  await note.end();
  world.now += 1_000;
  await note.note(copied(1));
  await note.end();
  expect(world.work.size).toBe(0);
});
