/**
 * @module
 * Vaults, backup instances and recovery points as rows. Each list that the API gives is one partition.
 */
import { z } from "zod";
import { DeletingSince } from "../foundation/deletion-mark.ts";
import { deriveId } from "../foundation/ids.ts";
import { JobTotals } from "../jobs/contract.ts";
import type { PolicyRecord } from "../policies/contract.ts";
import {
  ContainerChoice,
  type DatasourceKind,
  Deletion,
  PROTECTION_STATES,
  ProtectedAccount,
} from "../vault/instance-file.ts";

export { checkKind } from "./datasource-kind.ts";

/** What stands for a vault in keys: derived from its ARM id, whose letter case means nothing. */
export function vaultKey(vaultArmId: string): string {
  return deriveId("vault", vaultArmId.toLowerCase());
}

/** Id of a backup instance, 32 hexadecimal digits; names its container in the vault account. */
export function backupInstanceId(instanceArmId: string): string {
  return deriveId("instance", instanceArmId.toLowerCase());
}

/** JSON as a caller sent it; kept so that it can be given back as it came. */
const WireObject = z.record(z.string(), z.unknown());

/** Partition: subscription id in lower case; row: `<resource group>|<name>` in lower case. */
export const VaultRecord = z.object({
  armId: z.string(),
  name: z.string(),
  location: z.string(),
  tags: z.record(z.string(), z.string()).optional(),
  identity: WireObject.optional(),
  properties: WireObject,
  createdAt: z.string(),
  deletingSince: DeletingSince,
});
export type VaultRecord = Readonly<z.infer<typeof VaultRecord>>;

/** Partition: vault key; row: the instance's name in lower case. */
export const BackupInstance = z.object({
  /** 32 hexadecimal digits. */
  id: z.string(),
  name: z.string(),
  armId: z.string(),
  vaultArmId: z.string(),
  friendlyName: z.string(),
  datasource: ProtectedAccount,
  containers: ContainerChoice,
  policyName: z.string(),
  protectionState: z.enum(PROTECTION_STATES),
  /** `properties` of the resource as it was put. */
  properties: WireObject,
  tags: z.record(z.string(), z.string()).optional(),
  createdAt: z.string(),
  /** When it last came under another policy or was resumed: it has no slots up to then. ISO 8601 UTC. */
  slotsAfter: z.string().optional(),
  /** Present while it is `SoftDeleted`. Times are ISO 8601 UTC. */
  deletion: Deletion.optional(),
});
export type BackupInstance = Readonly<z.infer<typeof BackupInstance>>;

/** Partition: instance id; row: recovery point id. Rebuilt from the seals of the vault account at need. */
export const RecoveryPoint = z.object({
  /** 32 hexadecimal digits. */
  id: z.string(),
  sequence: z.int().positive(),
  instance: z.string(),
  job: z.string(),
  slot: z.string(),
  /** The moment up to which it is complete, ISO 8601 UTC. */
  time: z.string(),
  sealedAt: z.string(),
  tag: z.string(),
  policy: z.string(),
  containers: z.array(z.string()),
  entries: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  warnings: z.int().nonnegative(),
  totals: JobTotals.optional(),
  /** The newest slot of its schedule for which this point or an earlier one was made, ISO 8601 UTC. */
  scheduledSlot: z.string().optional(),
  /** Until when its policy kept it when it was made, ISO 8601 UTC; an immutable vault keeps it so long. */
  promisedUntil: z.string().optional(),
  /** What a scrub found missing or altered; absent: nothing, or none has looked. */
  damage: z
    .object({
      /** ISO 8601 UTC. */
      foundAt: z.string(),
      missing: z.int().nonnegative(),
      altered: z.int().nonnegative(),
      /** Seals, indexes and segments that cannot be read. */
      manifests: z.int().nonnegative(),
    })
    .optional(),
});
export type RecoveryPoint = Readonly<z.infer<typeof RecoveryPoint>>;

/** What the edge must know of a storage account before it takes a request. `src/azure` asks the account. */
export interface StorageAccounts {
  /**
   * @throws VaultError `datasource/account-unknown` when no such account can be reached,
   *   `datasource/forbidden` when the app may not read it
   */
  containerExists(account: string, container: string): Promise<boolean>;
  /** Names of all containers, ascending, system containers (`$logs`, `$blobchangefeed`) left out; throws as above. */
  listContainers(account: string): Promise<string[]>;
  /** Of which kind the account is; undefined when it does not say. Throws as above. */
  kindOf(account: string): Promise<DatasourceKind | undefined>;
}

/**
 * What the vault account tells of vaults, policies and instances: all that their rows say, so that the rows can be made
 * again when the tables are lost. A document is written before its row changes, so it is never behind it; after a crash in
 * between it is ahead until the caller, who got no answer, asks again.
 *
 * All of it is safe to run twice.
 */
export interface ProtectionFiles {
  /** Makes the instance's container and its `instance.json`, or brings the file up to date. */
  ensure(instance: BackupInstance): Promise<void>;
  /**
   * Removes `instance.json` and the instance's container.
   *
   * @throws VaultError `storage/conflict` when the container holds anything else; nothing is removed then
   */
  remove(instanceId: string): Promise<void>;
  /** Makes the vault's container and its `vault.json`, or brings the file up to date. */
  ensureVault(vault: VaultRecord): Promise<void>;
  /**
   * Removes `vault.json` and the vault's container.
   *
   * @throws VaultError `storage/conflict` when the container holds anything else; nothing is removed then
   */
  removeVault(vaultArmId: string): Promise<void>;
  /** Writes the policy's document, or brings it up to date. */
  ensurePolicy(vaultArmId: string, policy: PolicyRecord): Promise<void>;
  removePolicy(vaultArmId: string, policyName: string): Promise<void>;
}

export {
  ContainerChoice,
  PROTECTION_STATES,
  type ProtectionState,
} from "../vault/instance-file.ts";
export { jobFor } from "./job-for.ts";
export { instanceFileOf, policyFileOf, vaultFileOf } from "./protection-documents.ts";
export { recoveryPointOf } from "./recovery-point-of.ts";
export { ALL_SCHEDULES, MOST_PASSED_OVER, PassedOver, Schedule, scheduleRow } from "./schedules.ts";
export { type Started, type StartedFor, startForInstances } from "./start-for-instances.ts";
export { findVault, isImmutable } from "./vault-settings.ts";
