import type { RecordTable } from "../foundation/records.ts";
import { addTotals, type JobTotals, NO_TOTALS } from "../jobs/job-totals.ts";
import { getWork, listWork, type WorkRecord, workRows } from "../jobs/work.ts";

/** Planned ranges of a group: a check reads the tallies of one group, however many ranges there are. */
export const GROUP_RANGES = 256;

/** The group of a range, and of all ranges that were split off from it. */
export function groupOf(range: string): number {
  return Math.floor(Number.parseInt(range, 10) / GROUP_RANGES);
}

interface CountedGroup {
  /** Planned ranges, and the number of ranges split off from them. */
  readonly planned: number;
  readonly splits: number;
  readonly finished: number;
  readonly totals: JobTotals;
  /** Groups of the container. */
  readonly groups: number;
}

/** @returns undefined when the job has ended and its rows are gone */
async function countGroup(
  work: RecordTable<WorkRecord>,
  jobId: string,
  container: string,
  group: number,
): Promise<CountedGroup | undefined> {
  const plan = await getWork(work, jobId, workRows.plan(container), "plan");
  if (plan === undefined) return undefined;
  const tallies = await listWork(work, jobId, workRows.tallies(container, group), "tally");
  return {
    planned: Math.min(GROUP_RANGES, plan.parts - group * GROUP_RANGES),
    splits: tallies.filter(({ split }) => split).length,
    finished: tallies.filter(({ finished }) => finished).length,
    totals: tallies.map(({ totals }) => totals).reduce(addTotals, NO_TOTALS),
    groups: Math.ceil(plan.parts / GROUP_RANGES),
  };
}

/**
 * Returns whether all ranges of a container are done, after one of a group was.
 *
 * Each range writes its tally before its check, and each complete group its row before it reads the others, so of
 * several that end at the same time at least one check sees everything. Safe to run twice: rows are inserted once.
 */
export async function areRangesIn(
  work: RecordTable<WorkRecord>,
  jobId: string,
  container: string,
  group: number,
): Promise<boolean> {
  const counted = await countGroup(work, jobId, container, group);
  if (counted === undefined || counted.finished !== counted.planned + counted.splits) return false;
  const { finished, splits, totals, groups } = counted;
  await work.insert(jobId, workRows.group(container, group), { kind: "group", finished, splits, totals });
  return (await listWork(work, jobId, workRows.groups(container), "group")).length === groups;
}

/**
 * Returns whether another range may be split off from one of a group: only while fewer are open than a group has, so
 * that the queue does not grow with the container.
 */
export async function maySplit(
  work: RecordTable<WorkRecord>,
  jobId: string,
  container: string,
  group: number,
): Promise<boolean> {
  const counted = await countGroup(work, jobId, container, group);
  return counted !== undefined && counted.planned + counted.splits - counted.finished < GROUP_RANGES;
}
