/**
 * @module Which segments of a container are in the target. There is a row per segment, and one per complete group of a
 *   hundred, so that what a finished segment must read does not grow with its container.
 */
import type { RecordTable } from "../foundation/records.ts";
import { addTotals, type JobTotals, NO_TOTALS } from "../jobs/job-totals.ts";
import { getWork, listWork, type WorkRecord, workRows } from "../jobs/work.ts";

/** Segments of a group: their row keys differ in the last two digits only. */
const GROUP_SEGMENTS = 100;
const GROUP_DIGITS = 2;

export async function isSegmentRestored(
  work: RecordTable<WorkRecord>,
  jobId: string,
  container: string,
  segment: number,
): Promise<boolean> {
  return (await getWork(work, jobId, workRows.restored(container, segment), "restored")) !== undefined;
}

/** Records that a segment is in the target, unless it is recorded. */
export async function noteRestored(
  work: RecordTable<WorkRecord>,
  jobId: string,
  container: string,
  segment: number,
  totals: JobTotals,
): Promise<void> {
  await work.insert(jobId, workRows.restored(container, segment), { kind: "restored", container, segment, totals });
}

/**
 * Returns whether all segments of a container are in the target, after one of them was recorded.
 *
 * Each segment writes its row before it reads those of others, and each complete group does too, so of several that end
 * at the same time at least one sees all rows. Safe to run twice: rows are inserted once.
 */
export async function isContainerRestored(
  work: RecordTable<WorkRecord>,
  jobId: string,
  container: string,
  segment: number,
): Promise<boolean> {
  const plan = await getWork(work, jobId, workRows.plan(container), "plan");
  if (plan === undefined) return false;
  const group = Math.floor(segment / GROUP_SEGMENTS);
  const first = group * GROUP_SEGMENTS;
  const prefix = workRows.restored(container, first).slice(0, -GROUP_DIGITS);
  const restored = await listWork(work, jobId, prefix, "restored");
  if (restored.length !== Math.min(GROUP_SEGMENTS, plan.parts - first)) return false;

  const totals = restored.map((row) => row.totals).reduce(addTotals, NO_TOTALS);
  await work.insert(jobId, workRows.group(container, group), {
    kind: "group",
    finished: restored.length,
    splits: 0,
    totals,
  });
  const groups = await listWork(work, jobId, workRows.groups(container), "group");
  return groups.length === Math.ceil(plan.parts / GROUP_SEGMENTS);
}
