import type { PolicyRecord } from "../policies/policy-record.ts";
import type { BackupInstance } from "./backup-instance.ts";
import type { VaultRecord } from "./vault-record.ts";

/**
 * The documents of vaults, policies and instances in the vault account: everything in their rows, so that lost tables
 * can be rebuilt. A document is written before its row changes, so it is never older; after a crash in between it is
 * newer until the caller, who got no answer, repeats the request.
 *
 * All methods are safe to run twice.
 */
export interface ProtectionFiles {
  /** Creates the instance's container and its `instance.json`, or updates the file. */
  ensure(instance: BackupInstance): Promise<void>;
  /**
   * Deletes `instance.json` and the instance's container.
   *
   * @throws VaultError `storage/conflict` when the container has anything else; nothing is deleted then
   */
  remove(instanceId: string): Promise<void>;
  /** Creates the vault's container and its `vault.json`, or updates the file. */
  ensureVault(vault: VaultRecord): Promise<void>;
  /**
   * Deletes `vault.json` and the vault's container.
   *
   * @throws VaultError `storage/conflict` when the container has anything else; nothing is deleted then
   */
  removeVault(vaultArmId: string): Promise<void>;
  /** Creates or updates the policy's document. */
  ensurePolicy(vaultArmId: string, policy: PolicyRecord): Promise<void>;
  removePolicy(vaultArmId: string, policyName: string): Promise<void>;
}
