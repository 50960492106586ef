import type { VaultPath } from "./api-call.ts";

export const PROVIDER = "Microsoft.DataProtection";

export function vaultArmId({ subscription, group, vault }: VaultPath): string {
  return `/subscriptions/${subscription}/resourceGroups/${group}/providers/${PROVIDER}/backupVaults/${vault}`;
}

/** @returns the subscription, resource group and name in the ARM id of a vault */
export function vaultPathOf(armId: string): VaultPath {
  const [, , subscription = "", , group = "", , , , vault = ""] = armId.split("/");
  return { subscription, group, vault };
}

/** Azure writes a region as `West Europe`, `westeurope` or `WestEurope`; this form is for paths and comparisons. */
export function regionName(location: string): string {
  return location.toLowerCase().replaceAll(" ", "");
}
