import { isTransient } from "../foundation/adaptive-pool.ts";
import { VaultError } from "../foundation/errors.ts";
import type { RecordTable } from "../foundation/records.ts";
import { isOpen, type Job } from "./job.ts";
import type { JobRef } from "./job-ref.ts";

/** A job that has begun and not ended. */
export type JobUnderWay = Job & {
  readonly recoveryPoint: NonNullable<Job["recoveryPoint"]>;
  readonly containers: readonly string[];
};

/** The rows of jobs, and those of the instances that they are about, whatever these hold. */
export interface JobAndInstanceRows<Instance> {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<Instance>;
}

/**
 * Reads the job that a message or an activity is about.
 *
 * @returns undefined when the job has ended or is being cancelled: what is asked for is no longer wanted
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
 * Tells whether a job still wants what a worker does for it. While its row cannot be read the work goes on: it is wanted
 * until somebody says that it is not, and the worker's own time ends it soon enough.
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
 * The same as {@link jobUnderWay}, also while the job is being cancelled.
 *
 * @returns undefined when the job has ended
 * @throws VaultError `job/not-found`, `instance/not-found`
 */
export async function begunJob<Instance>(
  deps: JobAndInstanceRows<Instance>,
  ref: JobRef,
): Promise<{ readonly job: JobUnderWay; readonly instance: Instance } | undefined> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  if (job === undefined) throw new VaultError("job/not-found", `there is no job '${ref.job}'`);
  if (!isOpen(job)) return undefined;
  const { recoveryPoint, containers } = job;
  if (recoveryPoint === undefined || containers === undefined) {
    // A job that is cancelled before it has begun has nothing to work on.
    if (job.status === "Cancelling") return undefined;
    throw new VaultError("internal/unexpected", `job '${job.id}' is worked on before it has begun`);
  }
  const instance = (await deps.instances.get(job.vault, job.instanceName))?.value;
  if (instance === undefined) {
    throw new VaultError("instance/not-found", `there is no backup instance '${job.instanceName}'`);
  }
  return { job: { ...job, recoveryPoint, containers }, instance };
}
