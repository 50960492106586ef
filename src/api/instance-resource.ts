import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { type VaultRecord, vaultKey } from "../instances/vault-record.ts";
import type { ApiDeps } from "./api-call.ts";
import { PROVIDER } from "./arm-ids.ts";

/** @throws VaultError `instance/not-found` */
export async function requireInstance(deps: ApiDeps, vault: VaultRecord, name: string): Promise<BackupInstance> {
  const stored = await deps.tables.instances.get(vaultKey(vault.armId), name.toLowerCase());
  if (stored === undefined || stored.value.protectionState === "SoftDeleted") {
    throw new VaultError("instance/not-found", `backup instance '${name}' was not found in vault '${vault.name}'`);
  }
  return stored.value;
}

/**
 * A backup instance as ARM's `BackupInstanceResource`.
 *
 * @param isNew - for the response to the PUT that created it
 */
export function instanceResource(instance: BackupInstance, isNew = false): object {
  return {
    id: instance.armId,
    name: instance.name,
    type: `${PROVIDER}/backupVaults/backupInstances`,
    ...present({ tags: instance.tags }),
    properties: shownProperties(instance, isNew),
  };
}

/** `properties` of an instance, deleted or not. */
export function shownProperties(instance: BackupInstance, isNew = false): object {
  const protectionState = isNew ? "ConfiguringProtection" : instance.protectionState;
  return {
    ...instance.properties,
    friendlyName: instance.friendlyName,
    protectionStatus: { status: protectionState },
    currentProtectionState: protectionState,
    provisioningState: isNew ? "Provisioning" : "Succeeded",
  };
}
