/**
 * @module
 * The states of a backup instance, and which call leads from which to which. Azure's calls: `stopProtection` keeps all
 * data forever, `suspendBackups` lets it expire by policy but for the newest point.
 *
 * @see https://learn.microsoft.com/rest/api/dataprotection/backup-instances
 */
import { DAY_MS } from "../foundation/durations.ts";
import { VaultError } from "../foundation/errors.ts";
import type { ProtectionState } from "../vault/instance-document.ts";
import type { BackupInstance } from "./backup-instance.ts";
import type { VaultSettings } from "./vault-settings.ts";

export type ProtectionCall = "stopProtection" | "suspendBackups" | "resumeBackups" | "resumeProtection";

const LEADS: Readonly<
  Record<ProtectionCall, { readonly from: readonly ProtectionState[]; readonly to: ProtectionState }>
> = {
  stopProtection: { from: ["ProtectionConfigured", "BackupSchedulesSuspended"], to: "ProtectionStopped" },
  suspendBackups: { from: ["ProtectionConfigured"], to: "BackupSchedulesSuspended" },
  resumeBackups: { from: ["BackupSchedulesSuspended"], to: "ProtectionConfigured" },
  resumeProtection: { from: ["ProtectionStopped"], to: "ProtectionConfigured" },
};

/**
 * Decides what a call makes of an instance. One that is there already stays as it is, so a call may be repeated.
 *
 * An instance that is resumed has no slots up to now: what it missed on purpose is not made up for, and its next backup
 * goes on from its newest point.
 *
 * @param now - ISO 8601 UTC
 * @throws VaultError `instance/invalid-state`
 */
export function changeProtection(instance: BackupInstance, call: ProtectionCall, now: string): BackupInstance {
  const { from, to } = LEADS[call];
  const { protectionState } = instance;
  if (protectionState === to) return instance;
  if (!from.includes(protectionState)) {
    throw new VaultError("instance/invalid-state", `'${instance.name}' is in state '${protectionState}'`, {
      hint: `${call} is for instances in state ${from.map((state) => `'${state}'`).join(" or ")}`,
    });
  }
  const isResumed = to === "ProtectionConfigured";
  return { ...instance, protectionState: to, ...(isResumed ? { slotsAfter: now } : {}) };
}

/**
 * Decides what the deletion of an instance makes of it: it is kept for the days of the vault's soft delete, and without
 * soft delete it goes with the next retention.
 *
 * @param activity - id of the operation that deletes it
 */
export function deleteSoftly(
  instance: BackupInstance,
  { softDelete }: VaultSettings,
  now: Date,
  activity: string,
): BackupInstance {
  if (instance.protectionState === "SoftDeleted") return instance;
  const keptMs = softDelete.state === "Off" ? 0 : softDelete.days * DAY_MS;
  return {
    ...instance,
    protectionState: "SoftDeleted",
    deletion: {
      deletedAt: now.toISOString(),
      purgeAt: new Date(now.getTime() + keptMs).toISOString(),
      activity,
    },
  };
}

/** Whether a deleted instance can be undeleted still. */
export function canUndelete({ deletion }: BackupInstance, now: Date): boolean {
  return deletion !== undefined && Date.parse(deletion.purgeAt) > now.getTime();
}

/**
 * Decides what an undelete makes of an instance: its protection is stopped until it is resumed, and its data is kept for
 * ever until then. One that is not deleted stays as it is.
 *
 * @throws VaultError `instance/not-found` when its time is over
 */
export function undelete(instance: BackupInstance, now: Date): BackupInstance {
  const { deletion, ...rest } = instance;
  if (deletion === undefined) return instance;
  if (canUndelete(instance, now)) return { ...rest, protectionState: "ProtectionStopped" };
  throw new VaultError("instance/not-found", `the time to undelete '${instance.name}' was over at ${deletion.purgeAt}`);
}
