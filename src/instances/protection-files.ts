import type { PolicyRecord } from "../policies/policy-record.ts";
import type { BackupInstance } from "./backup-instance.ts";
import type { VaultRecord } from "./vault-record.ts";

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
