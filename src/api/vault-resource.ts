import { VaultError } from "../foundation/errors.ts";
import type { VaultRecord } from "../instances/contract.ts";
import type { ApiDeps, VaultPath } from "./api-call.ts";
import { PROVIDER, vaultRow } from "./arm-ids.ts";

/** @throws VaultError `vault/not-found` */
export async function requireVault(deps: ApiDeps, path: VaultPath): Promise<VaultRecord> {
  const stored = await deps.tables.vaults.get(path.subscription.toLowerCase(), vaultRow(path));
  if (stored === undefined) {
    throw new VaultError("vault/not-found", `there is no vault '${path.vault}' in resource group '${path.group}'`);
  }
  return stored.value;
}

/** A vault as ARM's `BackupVaultResource`. */
export function vaultResource(
  vault: VaultRecord,
  provisioningState: "Provisioning" | "Succeeded" = "Succeeded",
): object {
  return {
    id: vault.armId,
    name: vault.name,
    type: `${PROVIDER}/backupVaults`,
    location: vault.location,
    ...(vault.tags === undefined ? {} : { tags: vault.tags }),
    ...(vault.identity === undefined ? {} : { identity: vault.identity }),
    properties: { ...vault.properties, provisioningState },
  };
}
