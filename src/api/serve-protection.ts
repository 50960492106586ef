/**
 * @module
 * Changes to an existing backup instance: stop, suspend, resume, delete, undelete. Each call is done when it returns;
 * the operation in the response has already succeeded.
 */
import { VaultError } from "../foundation/errors.ts";
import { writeAhead } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import {
  canUndelete,
  changeProtection,
  deleteSoftly,
  type ProtectionCall,
  undelete,
} from "../instances/change-protection.ts";
import { claimDatasource } from "../instances/claim-datasource.ts";
import { type VaultRecord, vaultKey } from "../instances/vault-record.ts";
import { isImmutable, settingsOf } from "../instances/vault-settings.ts";
import { checkNothingKept } from "../retention/check-lives.ts";
import { acceptDone } from "./accept-operation.ts";
import { type ApiCall, type ApiResponse, type InstancePath, NO_CONTENT, ok, type VaultPath } from "./api-call.ts";
import { PROVIDER } from "./arm-ids.ts";
import { requireInstance, shownProperties } from "./instance-resource.ts";
import { listTablePage } from "./lists.ts";
import { requireFree } from "./on-demand-job.ts";
import { requireVault } from "./vault-resource.ts";

type Served = (call: ApiCall<InstancePath>) => Promise<ApiResponse>;

/** Safe to run twice: an instance that is already in the state stays in it. */
function serving(protectionCall: ProtectionCall): Served {
  return async (call) => {
    const { deps, params } = call;
    const vault = await requireVault(deps, params);
    const instance = await requireInstance(deps, vault, params.instance);
    const now = deps.clock();
    const change = (row: BackupInstance): BackupInstance => changeProtection(row, protectionCall, now.toISOString());
    // While it was stopped or deleted, another instance may have claimed the datasource.
    if (change(instance).protectionState === "ProtectionConfigured") {
      await claimDatasource(deps.tables, vaultKey(vault.armId), instance, now);
    }
    await changeInstance(call, vault, change);
    return await acceptDone(call, vault, instance.name);
  };
}

export const stopProtection = serving("stopProtection");
export const suspendBackups = serving("suspendBackups");
export const resumeBackups = serving("resumeBackups");
export const resumeProtection = serving("resumeProtection");

/** Changes the instance's document and row, based on its latest state. */
async function changeInstance(
  { deps, params }: ApiCall<InstancePath>,
  vault: VaultRecord,
  change: (instance: BackupInstance) => BackupInstance,
): Promise<void> {
  await writeAhead(
    deps.tables.instances,
    vaultKey(vault.armId),
    params.instance.toLowerCase(),
    (before) => {
      if (before === undefined) throw new VaultError("storage/conflict", `'${params.instance}' was removed meanwhile`);
      return change(before);
    },
    (instance) => deps.files.ensure(instance),
  );
}

/**
 * Soft-deletes an instance, as the vault's settings say. Its data is purged when the retention of deleted instances
 * ends.
 *
 * Safe to run twice: the second finds nothing to delete.
 */
export async function deleteInstance(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const key = vaultKey(vault.armId);
  const instance = (await deps.tables.instances.get(key, params.instance.toLowerCase()))?.value;
  if (instance === undefined || instance.protectionState === "SoftDeleted") return NO_CONTENT;
  await requireFree(call, instance, "cancel that job, or wait until it has ended");
  const now = deps.clock();
  if (isImmutable(vault)) {
    const policy = (await deps.tables.policies.get(key, instance.policyName.toLowerCase()))?.value;
    await checkNothingKept(deps.tables.recoveryPoints, instance, policy?.retentionRules, now);
  }
  const operation = deps.newId();
  await changeInstance(call, vault, (row) => deleteSoftly(row, settingsOf(vault), now, operation));
  return await acceptDone(call, vault, instance.name, operation);
}

export async function listDeletedInstances(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const vault = await requireVault(call.deps, call.params);
  const now = call.deps.clock();
  return await listTablePage(call, call.deps.tables.instances, vaultKey(vault.armId), ({ value }) =>
    canUndelete(value, now) ? deletedResource(value) : undefined,
  );
}

export async function getDeletedInstance(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const vault = await requireVault(call.deps, call.params);
  return ok(deletedResource(await requireDeleted(call, vault)));
}

/** Undeletes an instance, whose protection is then stopped. Safe to run twice: an existing one stays unchanged. */
export async function undeleteInstance(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const stored = await deps.tables.instances.get(vaultKey(vault.armId), params.instance.toLowerCase());
  const isThere = stored !== undefined && stored.value.protectionState !== "SoftDeleted";
  const instance = isThere ? stored.value : await requireDeleted(call, vault);
  await changeInstance(call, vault, (row) => undelete(row, deps.clock()));
  return await acceptDone(call, vault, instance.name);
}

/** @throws VaultError `instance/not-found` */
async function requireDeleted({ deps, params }: ApiCall<InstancePath>, vault: VaultRecord): Promise<BackupInstance> {
  const stored = await deps.tables.instances.get(vaultKey(vault.armId), params.instance.toLowerCase());
  if (stored !== undefined && canUndelete(stored.value, deps.clock())) return stored.value;
  throw new VaultError(
    "instance/not-found",
    `deleted backup instance '${params.instance}' was not found in vault '${vault.name}'`,
  );
}

/** A deleted instance as ARM's `DeletedBackupInstanceResource`. */
function deletedResource(instance: BackupInstance): object {
  const { armId, name, deletion, vaultArmId } = instance;
  return {
    id: armId.replace(`${vaultArmId}/backupInstances/`, `${vaultArmId}/deletedBackupInstances/`),
    name,
    type: `${PROVIDER}/backupVaults/deletedBackupInstances`,
    properties: {
      ...shownProperties(instance),
      objectType: "DeletedBackupInstance",
      deletionInfo: {
        deletionTime: deletion?.deletedAt,
        billingEndDate: deletion?.purgeAt,
        scheduledPurgeTime: deletion?.purgeAt,
        deleteActivityID: deletion?.activity,
      },
    },
  };
}
