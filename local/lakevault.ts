/**
 * @module
 * Lakevault on this machine: Azurite with the accounts of a small estate, and the app's settings for them.
 */
import type { Azurite } from "./azurite.ts";

/** A lake that is protected, the vault, an account to restore to, and the app's own state. */
export const LOCAL_ACCOUNTS = ["prodlake", "vault", "restored", "vaultstate"] as const;

/** App settings that let the app find the accounts; see `local.settings.sample.json` for what each means. */
export function lakevaultSettings(azurite: Azurite): Record<string, string> {
  const connection = (name: (typeof LOCAL_ACCOUNTS)[number]): string => azurite.account(name).connectionString;
  return {
    FUNCTIONS_WORKER_RUNTIME: "node",
    AzureWebJobsStorage: connection("vaultstate"),
    VaultState: connection("vaultstate"),
    VaultStorage: connection("vault"),
    VaultAccount__prodlake: connection("prodlake"),
    VaultAccount__restored: connection("restored"),
    VaultAccess: "development",
    VaultRetryAfterSeconds: "1",
  };
}
