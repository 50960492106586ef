import type { RecordTable } from "../foundation/records.ts";
import { addTotals, NO_TOTALS } from "../jobs/contract.ts";
import { getWork, listWork, type WorkRecord, workRows } from "../jobs/work.ts";

/** Planned ranges that are counted together: a check reads the tallies of one group, however many ranges there are. */
export const GROUP_RANGES = 256;

/** The group of a range, and of all that were split off from it. */
export function groupOf(range: string): number {
  return Math.floor(Number.parseInt(range, 10) / GROUP_RANGES);
}

/**
 * Tells whether all ranges of a container are done, after one of a group was.
 *
 * Of two ranges that end together both tallies are there before either check, and of two groups that are whole together
 * both rows: so one check sees all of it. Safe to run twice: rows are inserted once.
 */
export async function areRangesIn(
  work: RecordTable<WorkRecord>,
  jobId: string,
  container: string,
  group: number,
): Promise<boolean> {
  const plan = await getWork(work, jobId, workRows.plan(container), "plan");
  if (plan === undefined) return false;
  const tallies = await listWork(work, jobId, workRows.tallies(container, group), "tally");
  const planned = Math.min(GROUP_RANGES, plan.parts - group * GROUP_RANGES);
  const splits = tallies.filter(({ split }) => split).length;
  const finished = tallies.filter((tally) => tally.finished).length;
  if (finished !== planned + splits) return false;

  const totals = tallies.map((tally) => tally.totals).reduce(addTotals, NO_TOTALS);
  await work.insert(jobId, workRows.group(container, group), { kind: "group", finished, splits, totals });
  const whole = await listWork(work, jobId, workRows.groups(container), "group");
  return whole.length === Math.ceil(plan.parts / GROUP_RANGES);
}
