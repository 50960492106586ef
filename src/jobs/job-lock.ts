import { z } from "zod";
import type { RecordTable } from "../foundation/records.ts";

/** One writing job at a time per backup instance. Partition: instance id; row: {@link LOCK_ROW}. */
export const InstanceLock = z.object({
  /** The job that holds it. */
  job: z.string(),
  /** ISO 8601 UTC. */
  since: z.string(),
});
export type InstanceLock = Readonly<z.infer<typeof InstanceLock>>;

export const LOCK_ROW = "write";

/**
 * Takes the lock of a backup instance for a job. Safe to run twice: a job that holds it takes it again.
 *
 * @returns the id of the job that holds it now; another's means that it was not taken
 */
export async function takeLock(
  locks: RecordTable<InstanceLock>,
  instanceId: string,
  jobId: string,
  now: Date,
): Promise<string> {
  for (;;) {
    if (await locks.insert(instanceId, LOCK_ROW, { job: jobId, since: now.toISOString() })) return jobId;
    const held = await locks.get(instanceId, LOCK_ROW);
    if (held !== undefined) return held.value.job;
  }
}

/** Gives the lock back. Safe to run twice: another job's lock is left alone. */
export async function releaseLock(locks: RecordTable<InstanceLock>, instanceId: string, jobId: string): Promise<void> {
  const held = await locks.get(instanceId, LOCK_ROW);
  if (held?.value.job === jobId) await locks.remove(instanceId, LOCK_ROW, held.etag);
}
