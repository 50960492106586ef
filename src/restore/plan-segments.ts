import { VaultError } from "../foundation/errors.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { Job } from "../jobs/job.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { jobUnderWay } from "../jobs/job-under-way.ts";
import { laneCount } from "../jobs/lanes.ts";
import { type WorkRecord, workRows } from "../jobs/work.ts";
import type { ManifestCache } from "../vault/manifest-cache.ts";
import { readSeal } from "../vault/read-manifest.ts";
import type { LanesMessage, SegmentMessage } from "./messages.ts";
import type { RestoreVault } from "./restore-target.ts";

export interface PlanSegmentsDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly vault: (instanceId: string) => RestoreVault;
}

export interface RestorePlan {
  /** Containers that are not empty, and whose end is waited for. */
  readonly containers: string[];
  /** One for each of them. */
  readonly messages: LanesMessage[];
}

/**
 * Returns the containers of the recovery point that are not empty, with their messages.
 *
 * Safe to run twice: a container whose message is sent again finds its segments restored or running.
 */
export async function planSegmentsActivity(deps: PlanSegmentsDeps, ref: JobRef): Promise<RestorePlan> {
  const under = await jobUnderWay(deps, ref);
  if (under === undefined) return { containers: [], messages: [] };
  const { job } = under;
  const seal = await readSeal(deps.vault(job.instance), job.recoveryPoint.id);
  const filled = new Set(seal.containers.filter(({ entries }) => entries > 0).map(({ name }) => name));
  const containers = job.containers.filter((name) => filled.has(name));
  return { containers, messages: containers.map((container) => ({ vault: job.vault, job: job.id, container })) };
}

export interface PlanLanesDeps extends PlanSegmentsDeps {
  readonly work: RecordTable<WorkRecord>;
  readonly manifests: ManifestCache;
}

/**
 * Records the number of a container's segments, and starts its lanes: of `n` lanes, the first restores the segments 0,
 * n, 2n and so on, one after the other.
 *
 * Safe to run twice: an existing plan is kept, and a lane that is started again skips what is restored.
 *
 * @returns the first message of each lane; none when the job has ended
 * @throws VaultError `recovery-point/not-found`, `format/corrupt`, `format/missing`, and retryable ones of storage
 */
export async function planLanes(deps: PlanLanesDeps, message: LanesMessage): Promise<SegmentMessage[]> {
  const under = await jobUnderWay(deps, message);
  if (under === undefined) return [];
  const { job } = under;
  const { container } = message;
  const vault = deps.vault(job.instance);
  const seal = await deps.manifests.readSeal(vault, job.instance, job.recoveryPoint.id);
  const index = await deps.manifests.readIndex(vault, seal, container);
  const sealed = seal.containers.find(({ name }) => name === container);
  if (index === undefined || index.entries !== sealed?.entries) {
    throw new VaultError(
      "format/corrupt",
      `the index of container '${container}' does not match the totals of its seal`,
    );
  }
  const parts = index.segments.length;
  await deps.work.insert(job.id, workRows.plan(container), {
    kind: "plan",
    container,
    parts,
    cuts: [],
    expected: index.entries,
  });
  const lanes = laneCount(parts);
  return Array.from({ length: lanes }, (_, segment) => ({ ...message, segment, lanes }));
}
