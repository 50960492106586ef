/**
 * @module
 * A restore pins the recovery point that it reads, so that no purge deletes it meanwhile. `purgeRecoveryPoint` in
 * `src/purge` explains how pins and purges see each other without a lock.
 */
import { listRecords, type RecordTable } from "../foundation/records.ts";
import { isOpen, type Job } from "./job.ts";
import { JobRef } from "./job-ref.ts";

/** Partition: instance id; row: `<recovery point>|<job>`. */
export const Pin = JobRef;
export type Pin = JobRef;

interface PinDeps {
  readonly pins: RecordTable<Pin>;
  readonly jobs: RecordTable<Job>;
}

const rowOf = (recoveryPointId: string, job: string): string => `${recoveryPointId}|${job}`;

/** Safe to run twice: it is the same row. */
export async function pin(
  pins: RecordTable<Pin>,
  job: Pick<Job, "id" | "vault" | "instance">,
  recoveryPointId: string,
): Promise<void> {
  await pins.put(job.instance, rowOf(recoveryPointId, job.id), { vault: job.vault, job: job.id });
}

/** Safe to run twice: skips a pin that is not found. */
export async function unpin(
  pins: RecordTable<Pin>,
  job: Pick<Job, "id" | "instance">,
  recoveryPointId: string,
): Promise<void> {
  await pins.remove(job.instance, rowOf(recoveryPointId, job.id));
}

/** Whether an unfinished job has pinned the point; pins of ended jobs are ignored. */
export async function isPinned(deps: PinDeps, instanceId: string, recoveryPointId: string): Promise<boolean> {
  return (await pinnedPoints(deps, instanceId, `${recoveryPointId}|`)).has(recoveryPointId);
}

/** Recovery points of an instance that unfinished jobs have pinned. */
export async function pinnedPoints(
  { pins, jobs }: PinDeps,
  instanceId: string,
  prefix?: string,
): Promise<ReadonlySet<string>> {
  const pinned = new Set<string>();
  for await (const { row, value } of listRecords(pins, instanceId, prefix)) {
    const job = (await jobs.get(value.vault, value.job))?.value;
    const [point = ""] = row.split("|");
    if (job !== undefined && isOpen(job)) pinned.add(point);
  }
  return pinned;
}
