import { mapBounded } from "../foundation/bounded-pool.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/contract.ts";
import type { Job, JobRef } from "../jobs/contract.ts";
import { jobUnderWay } from "../jobs/job-under-way.ts";
import { type WorkRecord, workRows } from "../jobs/work.ts";
import type { RangeMessage } from "./contract.ts";

/** Containers whose plans are written at once. */
const PLAN_WIDTH = 16;

export interface PlanRangesDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly work: RecordTable<WorkRecord>;
}

/**
 * Cuts each container into ranges and writes them down: for now one range, the whole container.
 *
 * Safe to run twice: a plan that is there stays, and a message that is sent again finds its work done or under way.
 *
 * @returns the messages to send, one a range
 */
export async function planRangesActivity(deps: PlanRangesDeps, ref: JobRef): Promise<RangeMessage[]> {
  const under = await jobUnderWay(deps, ref);
  if (under === undefined) return [];
  const { job } = under;
  return mapBounded(job.containers, PLAN_WIDTH, async (container) => {
    await deps.work.insert(job.id, workRows.range(container, 0), { kind: "range", container, range: 0, from: "" });
    await deps.work.insert(job.id, workRows.plan(container), { kind: "plan", container, parts: 1 });
    return { vault: job.vault, job: job.id, container, range: 0, piece: 0 };
  });
}
