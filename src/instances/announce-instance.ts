/**
 * @module Protects policy and vault from deletion while an instance is written. A PUT announces its instance before it
 *   checks that they exist; a deletion of either marks it before it looks for instances and announcements. See
 *   `deletion-mark.ts`.
 */

import { dependOn } from "../foundation/deletion-mark.ts";
import { VaultError } from "../foundation/errors.ts";
import { listRecords, type RecordTable } from "../foundation/records.ts";
import { FULL_SAFETY } from "../foundation/safety.ts";
import type { PolicyRecord } from "../policies/policy-record.ts";
import type { BackupInstance } from "./backup-instance.ts";
import type { DatasourceClaim } from "./claim-datasource.ts";
import { type VaultRecord, vaultKey } from "./vault-record.ts";
import { vaultRecordKey } from "./vault-settings.ts";

export interface AnnounceDeps {
  readonly vaults: RecordTable<VaultRecord>;
  readonly policies: RecordTable<PolicyRecord>;
  /** Partition: vault key; announcements are rows of their own beside the claims of datasources. */
  readonly claims: RecordTable<DatasourceClaim>;
  readonly newId: () => string;
}

/** No storage account name begins with it. */
const ANNOUNCED = "~";

/**
 * Writes an instance while its policy and its vault cannot be deleted.
 *
 * After a crash the announcement is valid for some minutes, then it is ignored.
 *
 * @throws VaultError `policy/not-found`, `vault/not-found`; `storage/conflict` (retryable) while one of them is being
 *   deleted
 */
export async function whileKept<T>(
  deps: AnnounceDeps,
  { id, name, vaultArmId, policyName }: Pick<BackupInstance, "id" | "name" | "vaultArmId" | "policyName">,
  now: Date,
  write: () => Promise<T>,
): Promise<T> {
  const policy = policyName.toLowerCase();
  const claim = { instanceName: name.toLowerCase(), instance: id, since: now.toISOString(), policy };
  return await announced(deps, vaultArmId, claim, async () => {
    const place = { table: deps.policies, partition: vaultKey(vaultArmId), row: policy };
    if ((await dependOn(place, now)) === undefined) {
      throw new VaultError("policy/not-found", `policy '${policyName}' was not found in the vault`);
    }
    await requireKept(deps, vaultArmId, now);
    return await write();
  });
}

/**
 * Writes a policy, or the vault itself, while the vault cannot be deleted.
 *
 * @throws VaultError `vault/not-found`; `storage/conflict` (retryable) while it is being deleted
 */
export async function whileVaultKept<T>(
  deps: AnnounceDeps,
  vaultArmId: string,
  name: string,
  now: Date,
  write: () => Promise<T>,
): Promise<T> {
  // Without a policy it protects the vault only: a changed policy is deleted only with the ETag that was read.
  const claim = { instanceName: name, instance: "", since: now.toISOString() };
  return await announced(deps, vaultArmId, claim, async () => {
    await requireKept(deps, vaultArmId, now);
    return await write();
  });
}

async function announced<T>(
  { claims, newId }: AnnounceDeps,
  vaultArmId: string,
  claim: DatasourceClaim,
  write: () => Promise<T>,
): Promise<T> {
  const partition = vaultKey(vaultArmId);
  const row = `${ANNOUNCED}${newId()}`;
  await claims.put(partition, row, claim);
  try {
    return await write();
  } finally {
    await claims.remove(partition, row);
  }
}

async function requireKept({ vaults }: AnnounceDeps, vaultArmId: string, now: Date): Promise<void> {
  if ((await dependOn({ table: vaults, ...vaultRecordKey(vaultArmId) }, now)) !== undefined) return;
  throw new VaultError("vault/not-found", "the vault was deleted meanwhile");
}

/**
 * Finds an instance of a vault, also a deleted one.
 *
 * @param vault - key of the vault
 * @param policy - name in lower case: only instances assigned to it
 * @throws VaultError `storage/conflict` (retryable) while something is being written that needs the vault, or the
 *   policy
 */
export async function findDependant(
  { claims, instances }: Pick<AnnounceDeps, "claims"> & { readonly instances: RecordTable<BackupInstance> },
  vault: string,
  now: Date,
  policy?: string,
): Promise<BackupInstance | undefined> {
  // Announcements first: each is removed only after its row is written.
  let written: string | undefined;
  for await (const { value } of listRecords(claims, vault, ANNOUNCED)) {
    const isFresh = now.getTime() - Date.parse(value.since) < FULL_SAFETY.claimMs;
    if (isFresh && (policy === undefined || value.policy === policy)) written = value.instanceName;
  }
  for await (const { value: instance } of listRecords(instances, vault)) {
    if (policy === undefined || instance.policyName.toLowerCase() === policy) return instance;
  }
  if (written === undefined) return undefined;
  throw new VaultError("storage/conflict", `'${written}' is being written`, { hint: "try again in a moment" });
}
