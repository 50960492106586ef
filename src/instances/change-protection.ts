/**
 * @module The states of a backup instance, and the calls that change them. Azure's calls: `stopProtection` keeps all
 *   data forever, `suspendBackups` lets it expire by policy, except for the newest point.
 *
 * @see https://learn.microsoft.com/rest/api/dataprotection/backup-instances
 */
import { DAY_MS } from "../foundation/durations.ts";
import { VaultError } from "../foundation/errors.ts";
import type { ProtectionState } from "../vault/instance-document.ts";
import type { BackupInstance } from "./backup-instance.ts";
import type { VaultSettings } from "./vault-settings.ts";

export type ProtectionCall = "stopProtection" | "suspendBackups" | "resumeBackups" | "resumeProtection";

const TRANSITIONS: Readonly<
  Record<ProtectionCall, { readonly from: readonly ProtectionState[]; readonly to: ProtectionState }>
> = {
  stopProtection: { from: ["ProtectionConfigured", "BackupSchedulesSuspended"], to: "ProtectionStopped" },
  suspendBackups: { from: ["ProtectionConfigured"], to: "BackupSchedulesSuspended" },
  resumeBackups: { from: ["BackupSchedulesSuspended"], to: "ProtectionConfigured" },
  resumeProtection: { from: ["ProtectionStopped"], to: "ProtectionConfigured" },
};

/**
 * Decides how a call changes an instance. An instance in the target state stays as it is, so a call may be repeated.
 *
 * A resumed instance has no slots up to now: backups that were suspended are not caught up on, and the next backup
 * continues from its newest point.
 *
 * @param now - ISO 8601 UTC
 * @throws VaultError `instance/invalid-state`
 */
export function changeProtection(instance: BackupInstance, call: ProtectionCall, now: string): BackupInstance {
  const { from, to } = TRANSITIONS[call];
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
 * Decides how a deletion changes an instance: it is kept for the days of the vault's soft delete; without soft delete
 * the next retention purges it.
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

/** Whether a deleted instance can still be undeleted. */
export function canUndelete({ deletion }: BackupInstance, now: Date): boolean {
  return deletion !== undefined && Date.parse(deletion.purgeAt) > now.getTime();
}

/**
 * Decides how an undelete changes an instance: its protection is stopped until it is resumed, and its data is kept
 * until then. One that is not deleted stays as it is.
 *
 * @throws VaultError `instance/not-found` when its retention has ended
 */
export function undelete(instance: BackupInstance, now: Date): BackupInstance {
  const { deletion, ...rest } = instance;
  if (deletion === undefined) return instance;
  if (canUndelete(instance, now)) return { ...rest, protectionState: "ProtectionStopped" };
  throw new VaultError("instance/not-found", `the time to undelete '${instance.name}' ended at ${deletion.purgeAt}`);
}
