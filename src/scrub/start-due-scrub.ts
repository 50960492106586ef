import type { Clock } from "../foundation/clock.ts";
import { deriveUuid } from "../foundation/ids.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { jobFor } from "../instances/job-for.ts";
import type { Schedule } from "../instances/schedules.ts";
import { type Started, type StartedFor, startForInstances } from "../instances/start-for-instances.ts";
import { isOpen, type Job } from "../jobs/job.ts";
import type { InstanceLock } from "../jobs/job-lock.ts";
import { joinJob } from "../jobs/join-job.ts";
import { decideDueScrub } from "./decide-due-scrub.ts";
import type { ScrubSettings } from "./scrub-settings.ts";
import { SCRUB_ROW, type ScrubState } from "./scrub-state.ts";

export interface StartDueScrubDeps {
  readonly schedules: RecordTable<Schedule>;
  readonly instances: RecordTable<BackupInstance>;
  readonly jobs: RecordTable<Job>;
  readonly locks: RecordTable<InstanceLock>;
  readonly scrubs: RecordTable<ScrubState>;
  readonly scrubSettings: ScrubSettings;
  readonly clock: Clock;
  /** Creates and starts a job; an existing one is only started. */
  readonly requestJob: (job: Job) => Promise<Job>;
}

/** The unfinished scrub job of an instance. */
export async function scrubAtWork(
  { scrubs, jobs }: Pick<StartDueScrubDeps, "scrubs" | "jobs">,
  vault: string,
  instanceId: string,
): Promise<Job | undefined> {
  const state = (await scrubs.get(instanceId, SCRUB_ROW))?.value;
  const job = state && (await jobs.get(vault, state.job))?.value;
  return job !== undefined && isOpen(job) ? job : undefined;
}

/**
 * Starts the scrub of every instance that is due, in all vaults, and returns the reason for each of the others.
 *
 * Safe to run twice and concurrently: the job's id is derived from the instance and the day.
 */
export async function startDueScrubs(deps: StartDueScrubDeps): Promise<StartedFor[]> {
  return startForInstances(deps, (instance, vault) => startWhenDue(deps, instance, vault));
}

async function startWhenDue(deps: StartDueScrubDeps, instance: BackupInstance, vault: string): Promise<Started> {
  const now = deps.clock();
  const state = (await deps.scrubs.get(instance.id, SCRUB_ROW))?.value;
  const { isDue, because, dueAt } = decideDueScrub(instance, state, deps.scrubSettings, now);
  if (!isDue) return { start: false, because: `it is due at ${dueAt.toISOString()}: ${because}` };
  if ((await scrubAtWork(deps, vault, instance.id)) !== undefined) return { start: false, because: "it is running" };
  const id = deriveUuid("scrub", instance.id, now.toISOString().slice(0, 10));
  if ((await deps.jobs.get(vault, id)) !== undefined) return { start: false, because: "it was started today" };
  // A request by hand may be faster.
  if ((await joinJob(deps, "scrub", { id, vault, instance: instance.id }, now)) !== id) {
    return { start: false, because: "it is running" };
  }
  const request = { kind: "scrub" } as const;
  const job = jobFor(instance, { id, vault, requestedBy: "schedule", request, startedAt: now.toISOString() });
  return { start: true, job: await deps.requestJob(job) };
}
