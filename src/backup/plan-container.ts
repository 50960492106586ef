/**
 * @module
 * Cuts each container into ranges, which are worked on by many workers at once. One message a container goes to the queue
 * `container-plans`, whose function cuts it and sends its ranges off in lanes; so neither the orchestration's history nor
 * the queue grows with what a container holds.
 */
import type { Clock } from "../foundation/clock.ts";
import { present } from "../foundation/present.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { Job } from "../jobs/job.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { type JobUnderWay, jobUnderWay } from "../jobs/job-under-way.ts";
import { laneCount } from "../jobs/lanes.ts";
import type { ListingPosition } from "../jobs/listing-position.ts";
import { getWork, type PlanRecord, plannedRangeId, type WorkRecord, workRows } from "../jobs/work.ts";
import type { ListingOrder } from "../vault/listing-order.ts";
import type { ManifestCache } from "../vault/manifest-cache.ts";
import type { VaultFiles } from "../vault/vault-files.ts";
import {
  type Cuts,
  cutAlongSegments,
  cutByProbing,
  type PlanSettings,
  type UnknownContainer,
} from "./cut-container.ts";
import type { Datasource } from "./datasource.ts";
import { listingOrderOf } from "./listing-order-of.ts";
import type { PlanMessage, RangeStep } from "./messages.ts";
import { previousSegments } from "./previous-segments.ts";
import { containerOutcome, skipOrThrow } from "./skip-container.ts";
import { probeOf } from "./split-range.ts";

/** Characters of all cuts together; a row has 1 MiB. */
const MAX_CUTS_LENGTH = 300_000;

/** Names in one page of a sample. */
const SAMPLE_NAMES = 5_000;

/**
 * Asks for the plan of each container.
 *
 * Safe to run twice: a message that is sent again finds its plan there.
 */
export async function planRangesActivity(
  deps: Pick<PlanContainerDeps, "jobs" | "instances">,
  ref: JobRef,
): Promise<PlanMessage[]> {
  const under = await jobUnderWay(deps, ref);
  if (under === undefined) return [];
  const { id, vault, containers } = under.job;
  return containers.map((container) => ({ vault, job: id, container }));
}

export interface PlanContainerDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly work: RecordTable<WorkRecord>;
  readonly datasource: (instance: BackupInstance) => Datasource;
  readonly vault: (instance: BackupInstance) => Pick<VaultFiles, "read">;
  readonly manifests: ManifestCache;
  readonly planSettings: PlanSettings;
  readonly clock: Clock;
}

/**
 * Cuts one container into ranges, writes down where, and sends them off in lanes.
 *
 * Safe to run twice, also at the same time: the plan is one row, inserted once, and everything else follows from it. A lane
 * that is sent again passes over the ranges that are done.
 *
 * @returns the first message of each lane; for a container that is skipped, the check that says so
 * @throws VaultError `format/corrupt`, `format/missing`, `datasource/forbidden`, and retryable ones of storage
 */
export async function planContainer(deps: PlanContainerDeps, message: PlanMessage): Promise<RangeStep> {
  const under = await jobUnderWay(deps, message);
  if (under === undefined) return { ranges: [] };
  const { job, instance } = under;
  const { container } = message;
  const skipped: RangeStep = { ranges: [], check: { ...message, group: 0 } };
  if ((await containerOutcome(deps.work, job.id, container)) !== undefined) return skipped;
  try {
    const { parts } = await planOf(deps, job, instance, container);
    const lane = { lanes: laneCount(parts), parts };
    const ranges = Array.from({ length: lane.lanes }, (_, n) => ({
      ...message,
      ...{ range: plannedRangeId(n), piece: 0, lane },
    }));
    return { ranges };
  } catch (error) {
    await skipOrThrow({ work: deps.work, datasource: deps.datasource(instance) }, job, container, error);
    return skipped;
  }
}

async function planOf(
  deps: PlanContainerDeps,
  job: JobUnderWay,
  instance: BackupInstance,
  container: string,
): Promise<PlanRecord> {
  const row = workRows.plan(container);
  const there = await getWork(deps.work, job.id, row, "plan");
  if (there !== undefined) return there;
  const { cuts, expected } = await cut(deps, job, instance, container);
  const fitting = thinnedOut(cuts);
  const plan: PlanRecord = {
    kind: "plan",
    container,
    parts: fitting.length + 1,
    cuts: [...fitting],
    ...present({ expected }),
  };
  if (await deps.work.insert(job.id, row, plan)) return plan;
  return (await getWork(deps.work, job.id, row, "plan")) ?? plan;
}

async function cut(
  deps: PlanContainerDeps,
  job: JobUnderWay,
  instance: BackupInstance,
  container: string,
): Promise<Cuts> {
  const datasource = deps.datasource(instance);
  const order = listingOrderOf(datasource.kind);
  const segments = await previousSegments(deps.manifests, deps.vault(instance), job, container, order);
  if (segments !== undefined) return cutAlongSegments(segments, deps.planSettings);
  return cutByProbing(unknownContainer(datasource, container, order), deps.planSettings, deps.clock);
}

function unknownContainer(datasource: Datasource, container: string, order: ListingOrder): UnknownContainer {
  return {
    ...probeOf(datasource, container, order),
    page: async (from) => {
      const names = await firstNames(datasource, container, { name: from, after: false }, SAMPLE_NAMES);
      const last = names.at(-1);
      if (last === undefined) return { names, more: false };
      // The last name itself comes first in this answer.
      return { names, more: (await firstNames(datasource, container, { name: last, after: true }, 2)).length > 0 };
    },
  };
}

/** One page of names that is not empty, unless there are none. */
async function firstNames(
  datasource: Datasource,
  container: string,
  from: ListingPosition,
  pageSize: number,
): Promise<string[]> {
  for await (const page of datasource.listPages(container, { from, pageSize })) {
    if (page.length > 0) return page.map(({ name }) => name);
  }
  return [];
}

/** Leaves every second cut out until the others fit into one row. */
function thinnedOut(cuts: readonly string[]): readonly string[] {
  const length = cuts.reduce((sum, text) => sum + text.length, 0);
  return length <= MAX_CUTS_LENGTH ? cuts : thinnedOut(cuts.filter((_, i) => i % 2 === 0));
}
