import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/contract.ts";
import type { Job, JobRef } from "../jobs/contract.ts";
import { jobUnderWay } from "../jobs/job-under-way.ts";
import { type WorkRecord, workRows } from "../jobs/work.ts";
import { readIndex, readSeal } from "../vault/read-manifest.ts";
import type { RestoreVault, SegmentMessage } from "./contract.ts";

export interface PlanSegmentsDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly work: RecordTable<WorkRecord>;
  readonly vault: (instanceId: string) => RestoreVault;
}

export interface SegmentPlan {
  /** Containers that have segments, and whose end is to be waited for. */
  readonly containers: string[];
  /** One a segment. */
  readonly messages: SegmentMessage[];
}

/**
 * Cuts a restore into the segments of the recovery point's manifests.
 *
 * Safe to run twice: a plan that is there stays, and a message that is sent again finds its segment restored.
 */
export async function planSegmentsActivity(deps: PlanSegmentsDeps, ref: JobRef): Promise<SegmentPlan> {
  const plan: SegmentPlan = { containers: [], messages: [] };
  const under = await jobUnderWay(deps, ref);
  if (under === undefined) return plan;
  const { job } = under;
  const vault = deps.vault(job.instance);
  const seal = await readSeal(vault, job.recoveryPoint.id);
  for (const container of job.containers) {
    const segments = (await readIndex(vault, seal, container))?.segments ?? [];
    await deps.work.insert(job.id, workRows.plan(container), { kind: "plan", container, parts: segments.length });
    if (segments.length > 0) plan.containers.push(container);
    for (const segment of segments.keys()) plan.messages.push({ vault: job.vault, job: job.id, container, segment });
  }
  return plan;
}
