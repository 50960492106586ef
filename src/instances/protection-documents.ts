/**
 * @module Rows as documents of the vault account. A member that only the row has would be lost with the tables, so
 *   documents have all other members of their row under the same names.
 */
import type { PolicyRecord } from "../policies/policy-record.ts";
import type { InstanceDocument } from "../vault/instance-document.ts";
import type { PolicyDocument, VaultDocument } from "../vault/vault-document.ts";
import { FORMAT_VERSION } from "../vault/version.ts";
import type { BackupInstance } from "./backup-instance.ts";
import type { VaultRecord } from "./vault-record.ts";

/** Fails to compile if a row has a member that its document lacks; `deletingSince` is left out on purpose. */
type Holds<Document, Row> = { readonly [Lost in Exclude<keyof Row, keyof Document>]: never };

export function instanceFileOf(row: BackupInstance): InstanceDocument {
  const { id, armId, vaultArmId, policyName, ...same } = row;
  return {
    formatVersion: FORMAT_VERSION,
    instance: id,
    resourceId: armId,
    vault: vaultArmId,
    policy: policyName,
    ...(same satisfies Holds<InstanceDocument, typeof same>),
  };
}

export function vaultFileOf({ armId, deletingSince, ...same }: VaultRecord): VaultDocument {
  return { formatVersion: FORMAT_VERSION, resourceId: armId, ...(same satisfies Holds<VaultDocument, typeof same>) };
}

/** Without members that are read from `properties`: their form in the row may change with the app. */
export function policyFileOf(row: PolicyRecord): PolicyDocument {
  const { armId, datasourceTypes, backupRule, defaultTag, retentionRules, deletingSince, ...same } = row;
  return { formatVersion: FORMAT_VERSION, resourceId: armId, ...(same satisfies Holds<PolicyDocument, typeof same>) };
}
