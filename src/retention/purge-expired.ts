import { type Attempt, listAttempts } from "../debris/attempts.ts";
import type { Clock } from "../foundation/clock.ts";
import { deadline } from "../foundation/deadline.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { type RecordTable, updateRecord } from "../foundation/records.ts";
import type { Job } from "../jobs/job.ts";
import { fenceLock, holdLock, type InstanceLock } from "../jobs/job-lock.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { isPinned } from "../jobs/pins.ts";
import type { PurgeEnd, PurgeInput, PurgePosition } from "../purge/activities.ts";
import { type PurgeDeps, purgeRecoveryPoint, resumePurges } from "../purge/purge-recovery-point.ts";
import type { PurgeCounts } from "../purge/removal-batches.ts";
import { listJournals } from "../vault/list-journals.ts";
import type { ManifestCache } from "../vault/manifest-cache.ts";
import type { SweepableVault } from "../vault/vault-files.ts";
import { type PlanRetentionDeps, planRetention } from "./plan-retention.ts";
import { type RemoveInstanceDeps, removeInstance } from "./remove-instance.ts";

export interface RetentionDeps
  extends PlanRetentionDeps,
    Omit<RemoveInstanceDeps, keyof PlanRetentionDeps | "attempts"> {
  readonly attempts: RecordTable<Attempt>;
  readonly locks: RecordTable<InstanceLock>;
  readonly vault: (instanceId: string) => SweepableVault;
  readonly manifests: ManifestCache;
  readonly clock: Clock;
  /** A new id at each call. */
  readonly newId: () => string;
  readonly settings: { readonly budgetMs: number };
}

const DONE: PurgeEnd = { done: true };

/**
 * Takes the instance's lock and ends the purges that were begun and not ended.
 *
 * Safe to run twice: the lock is taken again by the same job, a purge goes on wherever it is, and of two executions at once
 * the older one can remove nothing more.
 *
 * @throws VaultError `instance/busy`, and what `purgeRecoveryPoint` throws: then the job must not go on
 */
export async function finishPurgesActivity(deps: RetentionDeps, input: PurgeInput): Promise<PurgeEnd> {
  const job = await openJob(deps, input);
  if (job === undefined) return DONE;
  const vault = await fencedVault(deps, job);
  const progress = await resumePurges(
    purgeDeps(deps, job.instance, vault, deadline(deps.clock, deps.settings.budgetMs)),
    input.from,
  );
  // Debris puts off only what was not begun, and that has no journal.
  return progress.state === "stopped" ? endOf(progress.from) : DONE;
}

/**
 * Purges the expired points of an instance, the oldest first; of a deleted instance whose time is over, all that is its.
 * What is expired is decided anew in each execution, so a policy that was made longer meanwhile counts at once. A point
 * that a restore has pinned, or whose debris is not swept yet, is left to the next retention.
 *
 * Safe to run twice: what is purged is no longer there to be decided about.
 *
 * @throws VaultError `instance/busy`, and what `purgeRecoveryPoint` throws
 */
export async function purgeExpiredActivity(deps: RetentionDeps, input: PurgeInput): Promise<PurgeEnd> {
  const job = await openJob(deps, input);
  const instance = job && (await deps.instances.get(job.vault, job.instanceName))?.value;
  if (job === undefined || instance === undefined) return DONE;
  const vault = await fencedVault(deps, job);
  const hasTime = deadline(deps.clock, deps.settings.budgetMs);
  const purging = purgeDeps(deps, instance.id, vault, hasTime);
  // A point that the execution before had no time for has no seal any more: nothing decides about it again.
  if ((await listJournals(vault)).length > 0) {
    const rest = await resumePurges(purging, input.from);
    await count(deps, input, rest, rest.state);
    if (rest.state === "stopped") return endOf(rest.from);
  }
  const plan = await planRetention(deps, instance, job.vault);
  for (const point of plan.missingRows) {
    // Inserted, because whoever has made the point may be about to write more of it.
    await deps.recoveryPoints.insert(instance.id, point.id, point);
    if (!hasTime()) return endOf(undefined);
  }
  let left = plan.points.length;
  for (const [i, point] of plan.expired.entries()) {
    // Each execution purges something, or it might never end.
    if ((i > 0 && !hasTime()) || !(await isWanted(deps, input))) return endOf(undefined);
    const progress = await purgeRecoveryPoint(purging, point.id);
    await count(deps, input, progress, progress.state);
    if (progress.state === "stopped") return endOf(progress.from);
    if (progress.state === "done") left -= 1;
  }
  if (left > 0 || !plan.removesInstance) return DONE;
  return (await removeInstance(deps, vault, job, instance, hasTime)) ? DONE : endOf(undefined);
}

function endOf(from: PurgePosition | undefined): PurgeEnd {
  return { done: false, ...present({ from }) };
}

/** @returns undefined when the job has ended or is being cancelled */
async function openJob(deps: Pick<RetentionDeps, "jobs">, ref: JobRef): Promise<Job | undefined> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  if (job === undefined) throw new VaultError("job/not-found", `there is no job '${ref.job}'`);
  return job.status === "InProgress" ? job : undefined;
}

async function isWanted(deps: Pick<RetentionDeps, "jobs">, ref: JobRef): Promise<boolean> {
  return (await openJob(deps, ref)) !== undefined;
}

/**
 * Takes the instance's lock, and gives a vault from which nothing can be removed any more when another execution of the job
 * has taken over: deliveries come at least once, and a worker that was given up may go on.
 *
 * @throws VaultError `instance/busy`
 */
async function fencedVault(deps: RetentionDeps, job: Job): Promise<SweepableVault> {
  await holdLock(deps, job, deps.clock());
  const isCurrent = await fenceLock(deps.locks, job, deps.newId());
  const vault = deps.vault(job.instance);
  return {
    read: (path) => vault.read(path),
    create: (path, content, options) => vault.create(path, content, options),
    list: (prefix, from) => vault.list(prefix, from),
    remove: async (files) => {
      if (!(await isCurrent()))
        throw new VaultError("storage/conflict", "another execution of the job goes on with this");
      return vault.remove(files);
    },
  };
}

function purgeDeps(deps: RetentionDeps, instance: string, vault: SweepableVault, hasTime: () => boolean): PurgeDeps {
  return {
    instance,
    vault,
    manifests: deps.manifests,
    rows: {
      hasDebris: async (sequence) =>
        (await listAttempts(deps.attempts, instance)).some((attempt) => attempt.sequence === sequence),
      isPinned: (recoveryPoint) => isPinned(deps, instance, recoveryPoint),
      remove: (recoveryPoint) => deps.recoveryPoints.remove(instance, recoveryPoint),
    },
    hasTime,
  };
}

/** Counts of a job are for the eye: an execution that is repeated may count twice. */
async function count(
  deps: Pick<RetentionDeps, "jobs">,
  ref: JobRef,
  { objects, objectBytes, segments, deleteRequests, undecided, changed }: PurgeCounts,
  state: "done" | "stopped" | "put-off" | "pinned",
): Promise<void> {
  const come = {
    recoveryPointsPurged: state === "done" ? 1 : 0,
    recoveryPointsPinned: state === "pinned" ? 1 : 0,
    recoveryPointsPutOff: state === "put-off" ? 1 : 0,
    objectsRemoved: objects,
    bytesRemoved: objectBytes,
    segmentsRemoved: segments,
    deleteRequests,
    undecided,
    filesChanged: changed,
  };
  await updateRecord(deps.jobs, ref.vault, ref.job, (job) => ({
    ...job,
    counts: Object.fromEntries(Object.entries(come).map(([name, more]) => [name, (job.counts?.[name] ?? 0) + more])),
  }));
}
