import type { Clock } from "../foundation/clock.ts";
import { deriveUuid } from "../foundation/ids.ts";
import { listRecords, type RecordTable, updateRecord } from "../foundation/records.ts";
import type { Job } from "../jobs/contract.ts";
import { dueSlot, type PolicyRecord } from "../policies/contract.ts";
import { ALL_SCHEDULES, type BackupInstance, type Schedule } from "./contract.ts";

export interface StartDueBackupsDeps {
  readonly schedules: RecordTable<Schedule>;
  readonly instances: RecordTable<BackupInstance>;
  readonly policies: RecordTable<PolicyRecord>;
  readonly clock: Clock;
  /** Writes a job and starts it; one that exists is only started. */
  readonly requestJob: (job: Job) => Promise<Job>;
  /** The unfinished job that holds the instance's lock. */
  readonly busyWith: (vault: string, instanceId: string) => Promise<string | undefined>;
}

export type DueBackup =
  | { readonly start: true; readonly slot: Date; readonly job: Job }
  | { readonly start: false; readonly because: string };

/** What became of one instance at one tick. */
export type DueOutcome = Schedule &
  (DueBackup | { readonly start: false; readonly because: "failed"; readonly error: unknown });

/** Id of the job that backs up an instance for a slot. */
export function scheduledJobId(instanceId: string, slot: Date): string {
  return deriveUuid("scheduled-backup", instanceId, slot.toISOString());
}

/**
 * Decides whether an instance is to be backed up now: for the newest slot since the one that was handled last, or since
 * the instance was made. Slots that passed while the app was down are made up for by one backup.
 *
 * @param busyWith - the job that holds the instance's lock; a slot waits until it is free
 */
export function decideDueBackup(
  { vault, instanceName }: Schedule,
  instance: BackupInstance | undefined,
  policy: PolicyRecord | undefined,
  busyWith: string | undefined,
  now: Date,
): DueBackup {
  if (instance === undefined) return { start: false, because: "there is no such instance" };
  if (instance.protectionState !== "ProtectionConfigured") return { start: false, because: "it is not protected" };
  if (policy === undefined) return { start: false, because: `there is no policy '${instance.policyName}'` };
  if (policy.backupRule === undefined) return { start: false, because: "its policy has no schedule" };

  const after = new Date(instance.lastSlot ?? instance.createdAt);
  const slot = dueSlot(policy.backupRule.intervals, { after, now });
  if (slot === undefined) return { start: false, because: "no slot has come" };
  const id = scheduledJobId(instance.id, slot);
  if (busyWith !== undefined && busyWith !== id) return { start: false, because: `job '${busyWith}' is at work` };
  return {
    start: true,
    slot,
    job: {
      id,
      vault,
      instanceName,
      instance: instance.id,
      status: "InProgress",
      requestedBy: "schedule",
      request: { kind: "backup", slot: slot.toISOString(), rule: policy.backupRule.name },
      startedAt: now.toISOString(),
      policyName: policy.name,
    },
  };
}

/**
 * Starts every backup that is due, in all vaults, and tells for each instance what was done and why.
 *
 * Instances are found by rows in one partition of their own, because they lie by vault and vaults lie by subscription,
 * so no other list has them all. One instance that fails holds up none of the others.
 *
 * Safe to run twice, and at once: the job's id is made of instance and slot, so both name one job; a crash before the
 * slot is stored only asks for the same job again.
 */
export async function startDueBackups(deps: StartDueBackupsDeps): Promise<DueOutcome[]> {
  const outcomes: DueOutcome[] = [];
  for await (const { value: schedule } of listRecords(deps.schedules, ALL_SCHEDULES)) {
    try {
      outcomes.push({ ...schedule, ...(await startWhenDue(deps, schedule)) });
    } catch (error) {
      outcomes.push({ ...schedule, start: false, because: "failed", error });
    }
  }
  return outcomes;
}

async function startWhenDue(deps: StartDueBackupsDeps, schedule: Schedule): Promise<DueBackup> {
  const { vault, instanceName } = schedule;
  const instance = (await deps.instances.get(vault, instanceName))?.value;
  const policy =
    instance === undefined ? undefined : (await deps.policies.get(vault, instance.policyName.toLowerCase()))?.value;
  const now = deps.clock();
  const decide = (busyWith?: string): DueBackup => decideDueBackup(schedule, instance, policy, busyWith, now);

  const due = decide();
  // The lock is looked at only when a slot has come: most ticks find none.
  const decision = due.start ? decide(await deps.busyWith(vault, due.job.instance)) : due;
  if (!decision.start) return decision;

  await deps.requestJob(decision.job);
  const slot = decision.slot.toISOString();
  await updateRecord(deps.instances, vault, instanceName, (fresh) =>
    fresh.lastSlot !== undefined && fresh.lastSlot >= slot ? fresh : { ...fresh, lastSlot: slot },
  );
  return decision;
}
