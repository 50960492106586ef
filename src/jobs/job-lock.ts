import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";
import { type RecordTable, updateRecord } from "../foundation/records.ts";
import { isOpen, type Job } from "./job.ts";

/** One writing job at a time per backup instance. Partition: instance id; row: {@link LOCK_ROW}. */
export const InstanceLock = z.object({
  /** The job that holds it. */
  job: z.string(),
  /** ISO 8601 UTC. */
  since: z.string(),
  /** The execution of the job that may write; an older one that still runs sees a different id here and stops. */
  execution: z.string().optional(),
});
export type InstanceLock = Readonly<z.infer<typeof InstanceLock>>;

export const LOCK_ROW = "write";

/**
 * Acquires the lock of a backup instance for a job; also from a job that ended without releasing it.
 *
 * Safe to run twice: its holder acquires it again.
 *
 * @returns id of the job that holds the lock now; another id means that it was not acquired
 */
export async function takeLock(
  deps: { readonly jobs: RecordTable<Job>; readonly locks: RecordTable<InstanceLock> },
  job: Pick<Job, "id" | "vault" | "instance">,
  now: Date,
): Promise<string> {
  for (;;) {
    if (await deps.locks.insert(job.instance, LOCK_ROW, { job: job.id, since: now.toISOString() })) return job.id;
    const held = await deps.locks.get(job.instance, LOCK_ROW);
    if (held === undefined) continue;
    const { job: holder } = held.value;
    if (holder === job.id || (await holderOf(deps, job.vault, job.instance)) !== undefined) return holder;
    await releaseLock(deps.locks, job.instance, holder);
  }
}

/**
 * Acquires the lock of a backup instance for a job, or throws. Safe to run twice, like {@link takeLock}.
 *
 * @throws VaultError `instance/busy`; `storage/conflict` (retryable) while a scrub holds it, which is only for a moment
 */
export async function holdLock(
  deps: { readonly jobs: RecordTable<Job>; readonly locks: RecordTable<InstanceLock> },
  job: Pick<Job, "id" | "vault" | "instance" | "instanceName">,
  now: Date,
): Promise<void> {
  const holder = await takeLock(deps, job, now);
  if (holder === job.id) return;
  if ((await deps.jobs.get(job.vault, holder))?.value.request.kind === "scrub") {
    throw new VaultError("storage/conflict", `scrub '${holder}' is deleting unused files of '${job.instanceName}'`);
  }
  throw new VaultError("instance/busy", `job '${holder}' holds the lock of backup instance '${job.instanceName}'`, {
    hint: "wait until that job has ended, then start this one again",
  });
}

/**
 * Makes an execution the only one that may write for the job that holds the lock: messages are delivered at least once,
 * so an earlier execution of the same step may still run.
 *
 * @param execution - a new id
 * @returns checks whether it is still the one; call it before each irreversible operation
 * @throws VaultError `storage/conflict` (retryable) when the job does not hold the lock
 */
export async function fenceLock(
  locks: RecordTable<InstanceLock>,
  job: Pick<Job, "id" | "instance">,
  execution: string,
): Promise<() => Promise<boolean>> {
  const held = await updateRecord(locks, job.instance, LOCK_ROW, (lock) =>
    lock.job === job.id ? { ...lock, execution } : lock,
  );
  if (held?.execution !== execution) throw new VaultError("storage/conflict", `job '${job.id}' has lost its lock`);
  return async () => {
    const lock = (await locks.get(job.instance, LOCK_ROW))?.value;
    return lock?.job === job.id && lock.execution === execution;
  };
}

/**
 * Returns the unfinished job that blocks other work on a backup instance. A scrub does not: it holds the lock only for
 * moments, and other jobs retry.
 *
 * @returns undefined when the instance is free
 */
export async function busyWith(
  deps: { readonly jobs: RecordTable<Job>; readonly locks: RecordTable<InstanceLock> },
  vault: string,
  instanceId: string,
): Promise<string | undefined> {
  const holder = await holderOf(deps, vault, instanceId);
  return holder?.request.kind === "scrub" ? undefined : holder?.id;
}

/** The unfinished job that holds the lock of a backup instance. The lock of an ended job is ignored. */
async function holderOf(
  deps: { readonly jobs: RecordTable<Job>; readonly locks: RecordTable<InstanceLock> },
  vault: string,
  instanceId: string,
): Promise<Job | undefined> {
  const lock = await deps.locks.get(instanceId, LOCK_ROW);
  if (lock === undefined) return undefined;
  const holder = (await deps.jobs.get(vault, lock.value.job))?.value;
  return holder !== undefined && isOpen(holder) ? holder : undefined;
}

/** Releases the lock. Safe to run twice: skips a lock that another job holds. */
export async function releaseLock(locks: RecordTable<InstanceLock>, instanceId: string, jobId: string): Promise<void> {
  const held = await locks.get(instanceId, LOCK_ROW);
  if (held?.value.job === jobId) await locks.remove(instanceId, LOCK_ROW, held.etag);
}
