import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { VaultRecord } from "../instances/vault-record.ts";
import { findVault, SecuritySettings, settingsOf } from "../instances/vault-settings.ts";
import type { ApiDeps, VaultPath } from "./api-call.ts";
import { PROVIDER, vaultArmId } from "./arm-ids.ts";

/** @throws VaultError `vault/not-found` */
export async function requireVault(deps: ApiDeps, path: VaultPath): Promise<VaultRecord> {
  const vault = await findVault(deps.tables.vaults, vaultArmId(path));
  if (vault === undefined) throw vaultNotFound(path);
  return vault;
}

export function vaultNotFound({ vault, group }: VaultPath): VaultError {
  return new VaultError("vault/not-found", `vault '${vault}' was not found in resource group '${group}'`);
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
    ...present({ tags: vault.tags, identity: vault.identity }),
    properties: { ...vault.properties, securitySettings: shownSecurity(vault), provisioningState },
  };
}

/** Settings in force, including defaults. */
function shownSecurity(vault: VaultRecord): object {
  const { softDelete, immutability } = settingsOf(vault);
  const asPut = SecuritySettings.safeParse(vault.properties["securitySettings"]).data;
  return {
    ...asPut,
    softDeleteSettings: {
      state: softDelete.state,
      retentionDurationInDays: softDelete.days,
      ...asPut?.softDeleteSettings,
    },
    immutabilitySettings: { state: immutability, ...asPut?.immutabilitySettings },
  };
}
