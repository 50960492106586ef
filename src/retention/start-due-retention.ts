import type { Clock } from "../foundation/clock.ts";
import { deriveUuid } from "../foundation/ids.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { jobFor } from "../instances/job-for.ts";
import type { Schedule } from "../instances/schedules.ts";
import { type Started, type StartedFor, startForInstances } from "../instances/start-for-instances.ts";
import { isOpen, type Job } from "../jobs/job.ts";
import { listJournals } from "../vault/list-journals.ts";
import type { SweepableVault } from "../vault/vault-files.ts";
import { type PlanRetentionDeps, planRetention } from "./plan-retention.ts";

export interface StartDueRetentionDeps extends PlanRetentionDeps {
  readonly schedules: RecordTable<Schedule>;
  readonly instances: RecordTable<BackupInstance>;
  readonly vault: (instanceId: string) => SweepableVault;
  readonly clock: Clock;
  /** Writes a job and starts it; one that exists is only started. */
  readonly requestJob: (job: Job) => Promise<Job>;
  /** The unfinished job that holds the instance's lock. */
  readonly busyWith: (vault: string, instanceId: string) => Promise<string | undefined>;
}

/** Jobs per instance and day: earlier ones may have been cancelled, or have failed. */
const MAX_ATTEMPTS_PER_DAY = 4;

/** What decides whether the retention of an instance is due. */
export interface RetentionFacts {
  /** Points that have expired. */
  readonly expired: number;
  /** Unfinished purges. */
  readonly begun: number;
  /** It was deleted, and its retention has ended. */
  readonly removesInstance: boolean;
  /** The job that holds the instance's lock. */
  readonly busyWith: string | undefined;
  /** Earlier jobs of the day, in order. */
  readonly earlier: readonly Pick<Job, "status">[];
}

export type RetentionStart =
  | { readonly start: true; readonly attempt: number; readonly because: string }
  | { readonly start: false; readonly because: string };

/** Decides whether an instance's retention starts now: once a day, and again if it did not succeed. */
export function decideDueRetention({
  expired,
  begun,
  removesInstance,
  busyWith,
  earlier,
}: RetentionFacts): RetentionStart {
  const wait = (because: string): RetentionStart => ({ start: false, because });
  const reasons = [
    ...(begun > 0 ? [`${begun} purges are unfinished`] : []),
    ...(expired > 0 ? [`${expired} recovery points have expired`] : []),
    ...(removesInstance ? ["the instance was deleted and its retention has ended"] : []),
  ];
  if (reasons.length === 0) return wait("nothing has expired");
  const done = doneToday(earlier);
  if (done !== undefined) return wait(done);
  if (busyWith !== undefined) return wait(`job '${busyWith}' is running`);
  return { start: true, attempt: earlier.length + 1, because: reasons.join(", ") };
}

/** Why no further retention starts today, whatever has expired; undefined when one may. */
export function doneToday(earlier: RetentionFacts["earlier"]): string | undefined {
  if (earlier.some(isOpen)) return "its retention is running";
  if (earlier.some(({ status }) => status === "Completed")) return "its retention has run today";
  if (earlier.length >= MAX_ATTEMPTS_PER_DAY) return `its retention has failed ${earlier.length} times today`;
  return undefined;
}

/** Id of the job that purges what has expired of an instance on a day. */
export function retentionJobId(instanceId: string, day: string, attempt: number): string {
  return deriveUuid("retention", instanceId, day, String(attempt));
}

/**
 * Starts the retention of every instance that has something to purge, in all vaults. Returns the reason for each other
 * one.
 *
 * Safe to run twice, and concurrently: the job's id is derived from the instance, the day and the attempt.
 */
export async function startDueRetention(deps: StartDueRetentionDeps): Promise<StartedFor[]> {
  return startForInstances(deps, (instance, vault) => startWhenDue(deps, instance, vault));
}

async function startWhenDue(deps: StartDueRetentionDeps, instance: BackupInstance, vault: string): Promise<Started> {
  const now = deps.clock();
  const day = now.toISOString().slice(0, 10);
  const earlier = await jobsOf(deps, vault, instance.id, day);
  // Asked first, because it spares reading all points each hour.
  const done = doneToday(earlier);
  if (done !== undefined) return { start: false, because: done };
  const plan = await planRetention(deps, instance, vault);
  const decision = decideDueRetention({
    expired: plan.expired.length,
    begun: (await listJournals(deps.vault(instance.id))).length,
    removesInstance: plan.removesInstance,
    busyWith: await deps.busyWith(vault, instance.id),
    earlier,
  });
  if (!decision.start) return decision;
  const id = retentionJobId(instance.id, day, decision.attempt);
  const request = { kind: "retention" } as const;
  const startedAt = now.toISOString();
  const job = jobFor(instance, { id, vault, requestedBy: "schedule", request, startedAt });
  return { start: true, job: await deps.requestJob(job) };
}

async function jobsOf(deps: StartDueRetentionDeps, vault: string, instanceId: string, day: string): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let attempt = 1; attempt <= MAX_ATTEMPTS_PER_DAY; attempt++) {
    const job = (await deps.jobs.get(vault, retentionJobId(instanceId, day, attempt)))?.value;
    if (job === undefined) break;
    jobs.push(job);
  }
  return jobs;
}
