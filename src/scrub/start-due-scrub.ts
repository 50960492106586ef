import type { Clock } from "../foundation/clock.ts";
import { deriveUuid } from "../foundation/ids.ts";
import { listRecords, type RecordTable } from "../foundation/records.ts";
import { ALL_SCHEDULES, type BackupInstance, type Schedule } from "../instances/contract.ts";
import { isOpen, type Job } from "../jobs/contract.ts";
import { SCRUB_ROW, type ScrubSettings, type ScrubState } from "./contract.ts";
import { decideDueScrub } from "./decide-due-scrub.ts";

export interface StartDueScrubDeps {
  readonly schedules: RecordTable<Schedule>;
  readonly instances: RecordTable<BackupInstance>;
  readonly jobs: RecordTable<Job>;
  readonly scrubs: RecordTable<ScrubState>;
  readonly scrubSettings: ScrubSettings;
  readonly clock: Clock;
  /** Writes a job and starts it; one that exists is only started. */
  readonly requestJob: (job: Job) => Promise<Job>;
}

/** What became of one instance at one tick. */
export type StartedScrub = Pick<Schedule, "vault" | "instanceName"> &
  (
    | { readonly start: true; readonly job: Job }
    | { readonly start: false; readonly because: string; readonly error?: unknown }
  );

/** @param id - of the job, made of what asks for it */
export function scrubJob(
  instance: BackupInstance,
  { id, vault, requestedBy, now }: Pick<Job, "id" | "vault" | "requestedBy"> & { readonly now: Date },
): Job {
  return {
    id,
    vault,
    instanceName: instance.name.toLowerCase(),
    instance: instance.id,
    status: "InProgress",
    requestedBy,
    request: { kind: "scrub" },
    startedAt: now.toISOString(),
    policyName: instance.policyName,
  };
}

/** The unfinished job that works on an instance's scrub. */
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
 * Starts the scrub of every instance that is due, in all vaults, and tells why of the others it has not. One instance that
 * fails holds up none of the others.
 *
 * Safe to run twice, and at once: the job's id is made of the instance and the day.
 */
export async function startDueScrubs(deps: StartDueScrubDeps): Promise<StartedScrub[]> {
  const outcomes: StartedScrub[] = [];
  for await (const { value: schedule } of listRecords(deps.schedules, ALL_SCHEDULES)) {
    const { vault, instanceName } = schedule;
    try {
      outcomes.push({ vault, instanceName, ...(await startWhenDue(deps, schedule)) });
    } catch (error) {
      outcomes.push({ vault, instanceName, start: false, because: "failed", error });
    }
  }
  return outcomes;
}

async function startWhenDue(
  deps: StartDueScrubDeps,
  { vault, instanceName }: Schedule,
): Promise<{ readonly start: true; readonly job: Job } | { readonly start: false; readonly because: string }> {
  const instance = (await deps.instances.get(vault, instanceName))?.value;
  if (instance === undefined) return { start: false, because: "there is no such instance" };
  const now = deps.clock();
  const state = (await deps.scrubs.get(instance.id, SCRUB_ROW))?.value;
  const { isDue, because, dueAt } = decideDueScrub(instance, state, deps.scrubSettings, now);
  if (!isDue) return { start: false, because: `it is due at ${dueAt.toISOString()}: ${because}` };
  if ((await scrubAtWork(deps, vault, instance.id)) !== undefined) return { start: false, because: "it is at work" };
  const id = deriveUuid("scrub", instance.id, now.toISOString().slice(0, 10));
  if ((await deps.jobs.get(vault, id)) !== undefined) return { start: false, because: "it was started today" };
  return { start: true, job: await deps.requestJob(scrubJob(instance, { id, vault, requestedBy: "schedule", now })) };
}
