import { test } from "vitest";
import { MemoryRecords } from "../../test/support/memory-records.ts";
import { NO_TOTALS } from "../jobs/job-totals.ts";
import { plannedRangeId, splitRangeId, type WorkRecord, workRows } from "../jobs/work.ts";
import { areRangesIn, GROUP_RANGES, groupOf, maySplit } from "./range-tallies.ts";

class Ranges {
  readonly work = new MemoryRecords<WorkRecord>();

  async plan(parts: number): Promise<this> {
    const cuts = Array.from({ length: parts - 1 }, (_, i) => String(i));
    await this.work.put("job", workRows.plan("raw"), { kind: "plan", container: "raw", parts, cuts });
    return this;
  }

  async tally(range: string, finished = true, split = false): Promise<void> {
    const row = workRows.tally("raw", groupOf(range), range, finished ? 1 : 0);
    await this.work.put("job", row, { kind: "tally", finished, split, totals: { ...NO_TOTALS, entries: 1 } });
  }

  areIn(range: string): Promise<boolean> {
    return areRangesIn(this.work, "job", "raw", groupOf(range));
  }

  maySplit(range: string): Promise<boolean> {
    return maySplit(this.work, "job", "raw", groupOf(range));
  }
}

test("a container is done when all its ranges are, whatever was split off, in whatever group", async ({ expect }) => {
  const ranges = await new Ranges().plan(GROUP_RANGES + 2);
  const last = plannedRangeId(GROUP_RANGES + 1);
  for (let i = 0; i < GROUP_RANGES + 1; i++) await ranges.tally(plannedRangeId(i));
  expect(await ranges.areIn(plannedRangeId(0))).toBe(false);
  await ranges.tally(last, false, true);
  expect(await ranges.areIn(last)).toBe(false);
  await ranges.tally(last);
  expect(await ranges.areIn(last)).toBe(false);
  const given = splitRangeId(last, 0);
  expect(groupOf(given)).toBe(groupOf(last));
  await ranges.tally(given);
  expect(await ranges.areIn(given)).toBe(true);
  expect(await ranges.areIn(given)).toBe(true);
  const group = await ranges.work.get("job", workRows.group("raw", 1));
  expect(group?.value).toMatchObject({ finished: 3, splits: 1, totals: { entries: 4 } });
});

test("ranges are split only while few are open, so that the queue does not grow with the container", async ({
  expect,
}) => {
  const ranges = await new Ranges().plan(1);
  let open = 1;
  for (let piece = 0; await ranges.maySplit("000000"); piece++) {
    await ranges.work.put("job", workRows.tally("raw", 0, "000000", piece), {
      kind: "tally",
      finished: false,
      split: true,
      totals: NO_TOTALS,
    });
    open += 1;
  }
  expect(open).toBe(GROUP_RANGES);
  await ranges.tally(splitRangeId("000000", 3));
  expect(await ranges.maySplit("000000")).toBe(true);
});

test("a job whose rows are gone has nothing to count", async ({ expect }) => {
  const ranges = new Ranges();
  expect(await ranges.areIn("000000")).toBe(false);
  expect(await ranges.maySplit("000000")).toBe(false);
});
