/**
 * @module
 * Converts documents of a vault account to rows. A document that contradicts its location gives no row.
 */
import { DAY_MS } from "../foundation/durations.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { type BackupInstance, backupInstanceId } from "../instances/backup-instance.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import { recoveryPointOf } from "../instances/recovery-point-of.ts";
import { ALL_SCHEDULES, type Schedule, scheduleRow } from "../instances/schedules.ts";
import { type VaultRecord, vaultKey } from "../instances/vault-record.ts";
import { SOFT_DELETE_DAYS, vaultRecordKey } from "../instances/vault-settings.ts";
import { datasourceType, type PolicyRecord } from "../policies/policy-record.ts";
import { PolicyProperties, readPolicy } from "../policies/read-policy.ts";
import type { ContainerChoice, InstanceDocument } from "../vault/instance-document.ts";
import { INSTANCE_FILE, sealPath } from "../vault/names.ts";
import type { Seal } from "../vault/seal.ts";
import {
  type PolicyDocument,
  policyDocumentPath,
  VAULT_DOCUMENT,
  type VaultDocument,
} from "../vault/vault-document.ts";

/** A row to be written, and where. */
export interface WantedRow<T> {
  readonly partition: string;
  readonly row: string;
  readonly value: T;
  /** What was decided where the document is ambiguous. */
  readonly because?: string;
}

/** Characters allowed in the key of a row. */
const PART = "[^/\\\\#?\\p{Cc}]{1,260}";
const VAULT_ID = new RegExp(
  `^/subscriptions/${PART}/resourceGroups/${PART}/providers/Microsoft\\.DataProtection/backupVaults/${PART}$`,
  "iu",
);
const INSTANCE_ID = new RegExp(`^(?<vault>/.+)/backupInstances/(?<name>${PART})$`, "iu");

function corrupt(path: string, problem: string): never {
  throw new VaultError("format/corrupt", `'${path}' ${problem}`, {
    hint: "the vault account was changed by something other than Lakevault",
  });
}

/** @throws VaultError `format/corrupt` when it is of another vault than its container */
export function vaultRowOf(key: string, { formatVersion, resourceId, ...same }: VaultDocument): WantedRow<VaultRecord> {
  if (!VAULT_ID.test(resourceId) || vaultKey(resourceId) !== key)
    corrupt(VAULT_DOCUMENT, `is the document of '${resourceId}'`);
  return { ...vaultRecordKey(resourceId), value: { armId: resourceId, ...same } };
}

/** @throws VaultError `policy/invalid` when this app does not accept it, `format/corrupt` when it has another path */
export function policyRowOf(key: string, path: string, file: PolicyDocument): WantedRow<PolicyRecord> {
  const { formatVersion, resourceId, ...same } = file;
  if (policyDocumentPath(file.name) !== path) corrupt(path, `is the document of policy '${file.name}'`);
  const properties = PolicyProperties.safeParse(file.properties);
  if (!properties.success) throw new VaultError("policy/invalid", `'${path}' holds no BackupPolicy`);
  const value = { armId: resourceId, ...same, ...readPolicy(properties.data) };
  return { partition: key, row: file.name.toLowerCase(), value };
}

export interface InstancePlace {
  readonly vaultArmId: string;
  /** Key of its vault. */
  readonly vault: string;
  readonly name: string;
}

/** @throws VaultError `format/corrupt` when it is of another instance than its container */
export function placeOf(id: string, { instance, resourceId, ...file }: InstanceDocument): InstancePlace {
  const { vault: vaultArmId = "", name = "" } = INSTANCE_ID.exec(resourceId)?.groups ?? {};
  const fits =
    instance === id &&
    backupInstanceId(resourceId) === id &&
    VAULT_ID.test(vaultArmId) &&
    vaultKey(file.vault ?? vaultArmId) === vaultKey(vaultArmId) &&
    (file.name ?? name).toLowerCase() === name.toLowerCase();
  if (!fits) corrupt(INSTANCE_FILE, `is the document of '${resourceId}'`);
  return { vaultArmId: file.vault ?? vaultArmId, vault: vaultKey(vaultArmId), name: file.name ?? name };
}

/**
 * Returns the row of a backup instance. Where the document is ambiguous, the interpretation that keeps data is used:
 *
 * - A deleted instance stays deleted, and can be undeleted for at least as many days as if it were deleted now: its
 *   time may have passed while nobody could undelete it.
 * - An instance that is deleted without a time, or whose document is of a version without policy, becomes
 *   `ProtectionStopped`: its points are kept forever, until it is assigned to a policy again.
 *
 * @param newest - its newest recovery point, which has what such an older document lacks
 */
export function instanceRowOf(
  id: string,
  file: InstanceDocument,
  newest: RecoveryPoint | undefined,
  now: Date,
): WantedRow<BackupInstance> {
  const { vaultArmId, vault, name } = placeOf(id, file);
  const {
    formatVersion,
    instance,
    resourceId: armId,
    vault: _,
    policy,
    protectionState,
    containers,
    properties,
    deletion,
    ...same
  } = file;
  const key = { partition: vault, row: name.toLowerCase() };
  const known = { ...same, id, armId, vaultArmId, name };
  if (policy === undefined || protectionState === undefined || containers === undefined || properties === undefined) {
    const policyName = policy ?? newest?.policy ?? UNKNOWN_POLICY;
    const choice = containers ?? { kind: "chosen", names: newest?.containers ?? [] };
    const value: BackupInstance = {
      ...known,
      policyName,
      containers: choice,
      protectionState: "ProtectionStopped",
      properties: properties ?? wireOf(file, `${vaultArmId}/backupPolicies/${policyName}`, choice),
    };
    return {
      ...key,
      value,
      because: `its ${INSTANCE_FILE} is of an older version without policy: protection is stopped, and all points are kept until it is assigned to a policy`,
    };
  }

  const row = { ...known, policyName: policy, containers, properties };
  if (protectionState !== "SoftDeleted") return { ...key, value: { ...row, protectionState } };
  if (deletion === undefined) {
    const because = `its ${INSTANCE_FILE} has no time until which it can be undeleted: protection is stopped`;
    return { ...key, value: { ...row, protectionState: "ProtectionStopped" }, because };
  }
  const purgeAt = new Date(
    Math.max(Date.parse(deletion.purgeAt) || 0, now.getTime() + SOFT_DELETE_DAYS.min * DAY_MS),
  ).toISOString();
  return {
    ...key,
    value: { ...row, protectionState, deletion: { ...deletion, purgeAt } },
    because: `it is deleted, and can be undeleted until ${purgeAt}`,
  };
}

/** Not a valid policy name, so no policy has it. */
const UNKNOWN_POLICY = "(unknown)";

/** The resource, reconstructed. */
function wireOf(
  { friendlyName, datasource }: InstanceDocument,
  policyId: string,
  containers: ContainerChoice,
): Record<string, unknown> {
  const { resourceId, account, kind, location } = datasource;
  const parameters = kind === "blobServices" ? "BlobBackupDatasourceParameters" : "AdlsBlobBackupDatasourceParameters";
  return {
    objectType: "BackupInstance",
    friendlyName,
    dataSourceInfo: {
      objectType: "Datasource",
      datasourceType: datasourceType(kind),
      resourceID: resourceId,
      resourceName: account,
      resourceType: "Microsoft.Storage/storageAccounts",
      resourceUri: resourceId,
      ...present({ resourceLocation: location }),
    },
    policyInfo: {
      policyId,
      policyParameters: {
        backupDatasourceParametersList: [
          { objectType: parameters, containersList: containers.kind === "chosen" ? containers.names : [] },
        ],
      },
    },
  };
}

/**
 * Returns the schedule row, by which the timer finds an instance. All slots up to the latest one with a sealed point
 * count as handled; if none is known, all slots up to now, so that no past slot runs again.
 */
export function scheduleRowOf(
  { vault, name }: Pick<InstancePlace, "vault" | "name">,
  newest: RecoveryPoint | undefined,
  now: Date,
): WantedRow<Schedule> {
  const instanceName = name.toLowerCase();
  const handledUpTo = newest?.scheduledSlot ?? now.toISOString();
  return {
    partition: ALL_SCHEDULES,
    row: scheduleRow(vault, instanceName),
    value: { vault, instanceName, handledUpTo },
  };
}

/** @throws VaultError `format/corrupt` when it is of another point than its path */
export function recoveryPointRowOf(id: string, point: string, seal: Seal): WantedRow<RecoveryPoint> {
  if (seal.instance !== id || seal.recoveryPoint !== point) {
    corrupt(sealPath(point), `is the seal of recovery point '${seal.recoveryPoint}' of instance '${seal.instance}'`);
  }
  return { partition: id, row: point, value: recoveryPointOf(seal) };
}

/** The highest sequence number; of two with the same number, which should not happen, the later one. */
export function newestPoint(points: Iterable<RecoveryPoint>): RecoveryPoint | undefined {
  let newest: RecoveryPoint | undefined;
  for (const point of points) {
    const isNewer =
      newest === undefined ||
      point.sequence > newest.sequence ||
      (point.sequence === newest.sequence && point.sealedAt > newest.sealedAt);
    if (isNewer) newest = point;
  }
  return newest;
}
