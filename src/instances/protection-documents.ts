/**
 * @module
 * Rows as documents of the vault account. What a row has and its document has not would be lost with the tables, so the
 * documents take over whatever they do not name otherwise.
 */
import type { PolicyRecord } from "../policies/policy-record.ts";
import type { InstanceDocument } from "../vault/instance-document.ts";
import type { PolicyDocument, VaultDocument } from "../vault/vault-document.ts";
import { FORMAT_VERSION } from "../vault/version.ts";
import type { BackupInstance } from "./backup-instance.ts";
import type { VaultRecord } from "./vault-record.ts";

/** Fails to compile when a row has a member for which its document has no place. Whether it is being deleted has none. */
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

/** What can be read from `properties` again is left out: how it is kept in a row may change with the app. */
export function policyFileOf(row: PolicyRecord): PolicyDocument {
  const { armId, datasourceTypes, backupRule, defaultTag, retentionRules, deletingSince, ...same } = row;
  return { formatVersion: FORMAT_VERSION, resourceId: armId, ...(same satisfies Holds<PolicyDocument, typeof same>) };
}
