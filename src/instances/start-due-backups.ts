import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import { deriveUuid } from "../foundation/ids.ts";
import { present } from "../foundation/present.ts";
import { listRecords, type RecordTable, type Stored } from "../foundation/records.ts";
import { isOpen, type Job } from "../jobs/job.ts";
import { dueSlot } from "../policies/due-slot.ts";
import type { PolicyRecord } from "../policies/policy-record.ts";
import type { BackupInstance } from "./backup-instance.ts";
import { jobFor } from "./job-for.ts";
import { ALL_SCHEDULES, MAX_SKIPPED_SLOTS, type PassedOver, type Schedule } from "./schedules.ts";

export interface StartDueBackupsDeps {
  readonly schedules: RecordTable<Schedule>;
  readonly instances: RecordTable<BackupInstance>;
  readonly policies: RecordTable<PolicyRecord>;
  readonly jobs: RecordTable<Job>;
  readonly clock: Clock;
  /** Writes a job and starts it; one that exists is only started. */
  readonly requestJob: (job: Job) => Promise<Job>;
  /** The unfinished job that holds the instance's lock. */
  readonly busyWith: (vault: string, instanceId: string) => Promise<string | undefined>;
}

/** What decides about the slots of one instance. */
export interface DueFacts {
  readonly schedule: Schedule;
  readonly instance: BackupInstance | undefined;
  readonly policy: PolicyRecord | undefined;
  /** The job of `schedule.asked`, if it has a row. */
  readonly askedJob: Job | undefined;
  readonly now: Date;
}

/** The decision about the slots of one instance. */
export type DueBackup = {
  /** The schedule's new row; the same object when nothing changes. */
  readonly schedule: Schedule;
  /** Slots for which no backup will start, ascending. */
  readonly passedOver: PassedOver["newest"];
} & (
  | { readonly start: true; readonly slot: string; readonly job: Job }
  | { readonly start: false; readonly because: string }
);

/** The result for one instance at one tick. */
export type DueOutcome = Pick<Schedule, "vault" | "instanceName"> & {
  readonly passedOver: PassedOver["newest"];
} & (
    | { readonly start: true; readonly slot: string; readonly job: Job }
    | { readonly start: false; readonly because: string }
    | { readonly start: false; readonly because: "failed"; readonly error: unknown }
  );

type Asked = NonNullable<Schedule["asked"]>;

/**
 * Id of the job that backs up an instance for a slot.
 *
 * @param attempt - above 1 when another job took the lock before the jobs of earlier attempts
 */
export function scheduledJobId(instanceId: string, slot: string, attempt = 1): string {
  return deriveUuid("scheduled-backup", instanceId, slot, ...(attempt === 1 ? [] : [String(attempt)]));
}

/**
 * Decides whether an instance is backed up now: for the newest slot since the last handled one, or since the instance
 * was created, resumed, or given another schedule. Older slots, for example after a time in which the app was down, are
 * skipped: one backup covers them all.
 *
 * A slot waits while a job holds the instance, see {@link waitWhileBusy}. It is handled once its job has taken the
 * instance's lock: a job that came too late for the lock did nothing, and its slot is retried.
 *
 * The slots of a suspended or no longer protected instance are skipped as they come, so that none of them runs when it
 * is resumed.
 */
export function decideDueBackup(facts: DueFacts): DueBackup {
  const { schedule, instance, policy, askedJob, now } = facts;
  const wait = (because: string): DueBackup => ({ start: false, because, schedule, passedOver: [] });
  if (instance === undefined) return wait("the instance was not found");
  if (instance.protectionState === "ConfiguringProtection") return wait("it is not protected yet");
  if (instance.protectionState === "SoftDeleted") return wait("it was deleted");
  if (policy === undefined) return wait(`policy '${instance.policyName}' was not found`);
  if (policy.backupRule === undefined) return wait("its policy has no schedule");
  const asked = progressOf(schedule.asked, askedJob);
  if (asked.is === "starting") return wait(`job '${asked.job}' is about to start`);

  const after = newest(instance.createdAt, instance.slotsAfter, policy.slotsAfter, schedule.handledUpTo);
  const due = dueSlot(policy.backupRule.intervals, { after, until: now });
  const open = openSlots(asked, due === undefined ? [] : [...due.skipped, due.slot]);
  const next = open.at(-1);
  if (instance.protectionState !== "ProtectionConfigured") {
    const because = `protection was in state '${instance.protectionState}'`;
    const passedOver = open.map(({ slot }) => ({ slot, because }));
    return {
      ...wait("it is not protected"),
      schedule: advance(schedule, next?.slot, undefined, passedOver),
      passedOver,
    };
  }
  if (next === undefined) return { ...wait("no slot is due"), schedule: advance(schedule, undefined, undefined, []) };
  const because = "a newer slot was due before it could run";
  const passedOver = open.slice(0, -1).map(({ slot }) => ({ slot, because }));
  return {
    start: true,
    slot: next.slot,
    schedule: next === schedule.asked ? schedule : advance(schedule, next.slot, next, passedOver),
    passedOver,
    job: jobFor(
      // The name in the letter case of the policy.
      { ...instance, policyName: policy.name },
      {
        id: scheduledJobId(instance.id, next.slot, next.attempt),
        vault: schedule.vault,
        requestedBy: "schedule",
        request: { kind: "backup", slot: next.slot, rule: policy.backupRule.name },
        startedAt: now.toISOString(),
      },
    ),
  };
}

/** A due slot waits while a job holds the instance. */
export function waitWhileBusy(due: DueBackup, schedule: Schedule, busyWith: string | undefined): DueBackup {
  if (!due.start || busyWith === undefined) return due;
  return { start: false, because: `job '${busyWith}' is running`, schedule, passedOver: [] };
}

/** The progress of the slot that was requested last. */
type AskedSlot =
  | { readonly is: "done" }
  | { readonly is: "starting"; readonly job: string }
  /** Its job has no row, or another one took the instance's lock first. */
  | { readonly is: "not requested" | "too late"; readonly slot: Asked };

function progressOf(slot: Schedule["asked"], job: Job | undefined): AskedSlot {
  if (slot === undefined) return { is: "done" };
  if (job === undefined) return { is: "not requested", slot };
  const hasStarted = job.containers !== undefined;
  if (hasStarted) return { is: "done" };
  if (isOpen(job)) return { is: "starting", job: job.id };
  const wasBusy = job.status === "Failed" && job.failure?.code === "instance/busy";
  return wasBusy ? { is: "too late", slot } : { is: "done" };
}

/** The slots that may run next, ascending. */
function openSlots(asked: Exclude<AskedSlot, { is: "starting" }>, since: readonly Date[]): Asked[] {
  const fresh = since.map((slot) => ({ slot: slot.toISOString(), attempt: 1 }));
  switch (asked.is) {
    case "done":
      return fresh;
    case "not requested":
      // It comes before all later slots: another tick may be about to request it.
      return [asked.slot];
    case "too late":
      return [{ slot: asked.slot.slot, attempt: asked.slot.attempt + 1 }, ...fresh];
  }
}

function newest(first: string, ...others: readonly (string | undefined)[]): Date {
  return new Date(Math.max(Date.parse(first), ...others.filter((time) => time !== undefined).map(Date.parse)));
}

/** @returns the same object when nothing changes */
function advance(
  schedule: Schedule,
  slot: string | undefined,
  asked: Asked | undefined,
  passedOver: PassedOver["newest"],
): Schedule {
  if (slot === undefined && asked === undefined && schedule.asked === undefined) return schedule;
  const { asked: _, ...rest } = schedule;
  const { count, newest } = schedule.passedOver ?? { count: 0, newest: [] };
  return {
    ...rest,
    ...present({ handledUpTo: slot, asked }),
    ...(passedOver.length === 0
      ? {}
      : {
          passedOver: {
            count: count + passedOver.length,
            newest: [...newest, ...passedOver.slice(-MAX_SKIPPED_SLOTS)].slice(-MAX_SKIPPED_SLOTS),
          },
        }),
  };
}

/**
 * Starts every due backup, in all vaults, and returns for each instance what was done and why.
 *
 * Instances are found by rows in one partition of their own: instances are partitioned by vault and vaults by
 * subscription, so there is no other list of all. One instance that fails does not block the others.
 *
 * Safe to run twice, and concurrently: before its job is requested a slot is recorded, on the condition that the row is
 * unchanged, and the job's id is derived from instance, slot and attempt. After a crash in between the next tick
 * requests the slot.
 */
export async function startDueBackups(deps: StartDueBackupsDeps): Promise<DueOutcome[]> {
  const schedules: Stored<Schedule>[] = [];
  for await (const stored of listRecords(deps.schedules, ALL_SCHEDULES)) schedules.push(stored);
  return mapBounded(schedules, CHECKING_WIDTH, async (stored): Promise<DueOutcome> => {
    const { vault, instanceName } = stored.value;
    try {
      const { schedule, ...outcome } = await startWhenDue(deps, stored);
      return { vault, instanceName, ...outcome };
    } catch (error) {
      return { vault, instanceName, start: false, because: "failed", error, passedOver: [] };
    }
  });
}

/** Instances that are checked at once: a thousand must fit into the minute between two ticks. */
const CHECKING_WIDTH = 16;

async function startWhenDue(deps: StartDueBackupsDeps, stored: Stored<Schedule>): Promise<DueBackup> {
  const schedule = stored.value;
  const { vault, instanceName, asked } = schedule;
  const instance = (await deps.instances.get(vault, instanceName))?.value;
  const facts: DueFacts = {
    schedule,
    instance,
    policy: instance && (await deps.policies.get(vault, instance.policyName.toLowerCase()))?.value,
    askedJob:
      instance && asked && (await deps.jobs.get(vault, scheduledJobId(instance.id, asked.slot, asked.attempt)))?.value,
    now: deps.clock(),
  };

  const due = decideDueBackup(facts);
  // The lock is read only when a slot is due: at most ticks none is.
  const decision = due.start ? waitWhileBusy(due, schedule, await deps.busyWith(vault, due.job.instance)) : due;
  if (decision.schedule !== schedule && !(await isNoted(deps.schedules, stored, decision.schedule))) {
    return { start: false, because: "another tick was faster", schedule, passedOver: [] };
  }
  if (decision.start) await deps.requestJob(decision.job);
  return decision;
}

async function isNoted(schedules: RecordTable<Schedule>, { row, etag }: Stored<Schedule>, next: Schedule) {
  try {
    await schedules.replace(ALL_SCHEDULES, row, next, etag);
    return true;
  } catch (error) {
    if (error instanceof VaultError && error.code === "storage/conflict") return false;
    throw error;
  }
}
