/**
 * @module
 * Lakevault on this machine: Azurite with a few accounts, and the app's settings for them.
 */
import type { Azurite } from "./azurite.ts";

/** A protected lake, the vault, an account for restores, and the app's own state. */
export const LOCAL_ACCOUNTS = ["prodlake", "vault", "restored", "vaultstate"] as const;

/** App settings with the accounts; see `local.settings.sample.json` for the meaning of each. */
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
