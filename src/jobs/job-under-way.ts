import { isTransient } from "../foundation/adaptive-pool.ts";
import { VaultError } from "../foundation/errors.ts";
import type { RecordTable } from "../foundation/records.ts";
import { isOpen, type Job } from "./job.ts";
import type { JobRef } from "./job-ref.ts";

/** A job that has started and not ended. */
export type JobUnderWay = Job & {
  readonly recoveryPoint: NonNullable<Job["recoveryPoint"]>;
  readonly containers: readonly string[];
};

/** Rows of jobs and of their instances, whatever type these have. */
export interface JobAndInstanceRows<Instance> {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<Instance>;
}

/**
 * Reads the job of a message or an activity.
 *
 * @returns undefined when the job has ended or is being cancelled, so that its work is no longer needed
 * @throws VaultError `job/not-found`, `instance/not-found`
 */
export async function jobUnderWay<Instance>(
  deps: JobAndInstanceRows<Instance>,
  ref: JobRef,
): Promise<{ readonly job: JobUnderWay; readonly instance: Instance } | undefined> {
  const begun = await begunJob(deps, ref);
  return begun?.job.status === "InProgress" ? begun : undefined;
}

/**
 * Whether a job still needs the work of a worker. If its row cannot be read, the work continues: the worker's own
 * timeout ends it soon.
 */
export async function isStillWanted(jobs: RecordTable<Job>, ref: JobRef): Promise<boolean> {
  try {
    return (await jobs.get(ref.vault, ref.job))?.value.status === "InProgress";
  } catch (error) {
    if (isTransient(error)) return true;
    throw error;
  }
}

/**
 * Like {@link jobUnderWay}, but includes a job that is being cancelled.
 *
 * @returns undefined when the job has ended
 * @throws VaultError `job/not-found`, `instance/not-found`
 */
export async function begunJob<Instance>(
  deps: JobAndInstanceRows<Instance>,
  ref: JobRef,
): Promise<{ readonly job: JobUnderWay; readonly instance: Instance } | undefined> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  if (job === undefined) throw new VaultError("job/not-found", `job '${ref.job}' was not found`);
  if (!isOpen(job)) return undefined;
  const { recoveryPoint, containers } = job;
  if (recoveryPoint === undefined || containers === undefined) {
    // A job that is cancelled before it starts has no work.
    if (job.status === "Cancelling") return undefined;
    throw new VaultError("internal/unexpected", `work of job '${job.id}' started before the job`);
  }
  const instance = (await deps.instances.get(job.vault, job.instanceName))?.value;
  if (instance === undefined) {
    throw new VaultError("instance/not-found", `backup instance '${job.instanceName}' was not found`);
  }
  return { job: { ...job, recoveryPoint, containers }, instance };
}
