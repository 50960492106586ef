import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { DatasourceInfo } from "../instances/read-instance.ts";
import { parseStorageAccountId } from "../instances/storage-account-id.ts";
import type { VaultRecord } from "../instances/vault-record.ts";
import type { RestoreRequest } from "../jobs/job.ts";
import { datasourceKind } from "../policies/policy-record.ts";
import { regionName } from "./arm-ids.ts";

const RestoreCriterion = z.looseObject({
  objectType: z.string(),
  itemPath: z.string().optional(),
  isPathRelativeToBackupItem: z.boolean().optional(),
  subItemPathPrefix: z.array(z.string()).optional(),
  renameTo: z.string().optional(),
});

/** A restore request on the wire; its `objectType` and its target's decide which members it needs. */
export const RestoreBody = z.looseObject({
  objectType: z.string(),
  recoveryPointId: z.string().optional(),
  sourceDataStoreType: z.string(),
  sourceResourceId: z.string().optional(),
  restoreTargetInfo: z.looseObject({
    objectType: z.string(),
    recoveryOption: z.string(),
    restoreLocation: z.string().optional(),
    datasourceInfo: DatasourceInfo.optional(),
    restoreCriteria: z.array(RestoreCriterion).optional(),
  }),
});
export type RestoreBody = Readonly<z.infer<typeof RestoreBody>>;

/**
 * Parses a restore request and validates everything that needs no lookups.
 *
 * @throws VaultError `request/invalid`, `restore/unsupported`, `restore/target-is-source`,
 *   `restore/target-in-other-region`
 */
export function readRestore(vault: VaultRecord, instance: BackupInstance, body: RestoreBody): RestoreRequest {
  if (body.objectType !== "AzureBackupRecoveryPointBasedRestoreRequest") {
    unsupported(`requests of type '${body.objectType}'`, "send the id of a recovery point");
  }
  if (body.recoveryPointId === undefined) throw new VaultError("request/invalid", "recoveryPointId is missing");
  if (body.sourceDataStoreType !== "VaultStore") unsupported(`the source data store '${body.sourceDataStoreType}'`);

  const target = body.restoreTargetInfo;
  if (target.recoveryOption !== "FailIfExists") unsupported(`the recovery option '${target.recoveryOption}'`);
  const containers = readItems(target);
  return {
    kind: "restore",
    recoveryPoint: body.recoveryPointId,
    target: readTarget(vault, instance, target),
    ...present({ containers }),
  };
}

function unsupported(what: string, hint?: string): never {
  throw new VaultError("restore/unsupported", `${what} are not supported`, present({ hint }));
}

type Target = RestoreBody["restoreTargetInfo"];

/** @returns the containers to restore, or undefined for all */
function readItems(target: Target): string[] | undefined {
  switch (target.objectType) {
    case "RestoreTargetInfo":
      return undefined;
    case "ItemLevelRestoreTargetInfo":
      break;
    default:
      return unsupported(`restore targets of type '${target.objectType}'`, "restore to a storage account");
  }
  const criteria = target.restoreCriteria ?? [];
  if (criteria.length === 0) throw new VaultError("request/invalid", "restoreCriteria is empty");
  return [...new Set(criteria.map(readItem))];
}

function readItem(criterion: z.infer<typeof RestoreCriterion>): string {
  const { objectType, itemPath, subItemPathPrefix = [], renameTo = "" } = criterion;
  if (objectType !== "ItemPathBasedRestoreCriteria") unsupported(`criteria of type '${objectType}'`);
  if (itemPath === undefined || itemPath === "") throw new VaultError("request/invalid", "an itemPath is missing");
  const wholeContainers = "name whole containers";
  if (subItemPathPrefix.length > 0) unsupported("item path prefixes", wholeContainers);
  if (renameTo !== "") unsupported("items under another name", wholeContainers);
  if (itemPath.includes("/")) unsupported("items below a container", wholeContainers);
  return itemPath;
}

function readTarget(vault: VaultRecord, instance: BackupInstance, target: Target): RestoreRequest["target"] {
  const { datasourceInfo, restoreLocation } = target;
  if (datasourceInfo === undefined) throw new VaultError("request/invalid", "datasourceInfo of the target is missing");
  const { resourceID: resourceId, resourceLocation, datasourceType } = datasourceInfo;
  const account = parseStorageAccountId(resourceId)?.account;
  if (account === undefined) {
    throw new VaultError("request/invalid", `target '${resourceId}' is not the ARM id of a storage account`);
  }
  if (datasourceType !== undefined && datasourceKind(datasourceType) !== instance.datasource.kind) {
    unsupported(
      `restores of '${instance.datasource.kind}' to a target of type '${datasourceType}'`,
      "restore to an account of the same kind",
    );
  }
  // Names of storage accounts are unique in all of Azure, so the name is more reliable than the id.
  if (account === instance.datasource.account) {
    throw new VaultError("restore/target-is-source", `'${account}' is the account that was backed up`, {
      hint: "restore to another storage account",
    });
  }
  const elsewhere = [restoreLocation, resourceLocation].find(
    (location) => location && regionName(location) !== regionName(vault.location),
  );
  if (elsewhere !== undefined) {
    throw new VaultError(
      "restore/target-in-other-region",
      `the target is in '${elsewhere}', but the vault is in '${vault.location}'`,
    );
  }
  const location = resourceLocation || restoreLocation;
  return { resourceId, account, ...(location ? { location } : {}) };
}
