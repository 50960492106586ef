/**
 * @module
 * Request bodies as Azure's clients send them, for the demo and the end-to-end tests.
 */

import { present } from "../../src/foundation/present.ts";
import { storageAccountId } from "./arm-client.ts";

export const LOCATION = "westeurope";
export const RULE = "BackupDaily";

const DATASOURCE_TYPE = "Microsoft.Storage/storageAccounts/blobServices";
const VAULT_STORE = { dataStoreType: "VaultStore", objectType: "DataStoreInfoBase" };

export const VAULT_BODY = {
  location: LOCATION,
  properties: { storageSettings: [{ datastoreType: "VaultStore", type: "LocallyRedundant" }] },
};

/** A policy with one schedule, whose recovery points are kept for 30 days. */
export function policyBody(interval = "R/2026-01-01T02:00:00+00:00/P1D"): object {
  const tag = { tagInfo: { tagName: "Default", id: "Default_" }, taggingPriority: 99, isDefault: true };
  return {
    properties: {
      objectType: "BackupPolicy",
      datasourceTypes: [DATASOURCE_TYPE],
      policyRules: [
        {
          name: RULE,
          objectType: "AzureBackupRule",
          backupParameters: { objectType: "AzureBackupParams", backupType: "Discrete" },
          dataStore: VAULT_STORE,
          trigger: {
            objectType: "ScheduleBasedTriggerContext",
            schedule: { repeatingTimeIntervals: [interval], timeZone: "UTC" },
            taggingCriteria: [tag],
          },
        },
        {
          name: "Default",
          objectType: "AzureRetentionRule",
          isDefault: true,
          lifecycles: [
            { deleteAfter: { objectType: "AbsoluteDeleteOption", duration: "P30D" }, sourceDataStore: VAULT_STORE },
          ],
        },
      ],
    },
  };
}

function datasource(account: string): object {
  return {
    objectType: "Datasource",
    datasourceType: DATASOURCE_TYPE,
    resourceID: storageAccountId(account),
    resourceUri: storageAccountId(account),
    resourceName: account,
    resourceType: "Microsoft.Storage/storageAccounts",
    resourceLocation: LOCATION,
  };
}

export function instanceBody(account: string, policyId: string, containersList: readonly string[]): object {
  const parameters = { objectType: "BlobBackupDatasourceParameters", containersList };
  return {
    properties: {
      objectType: "BackupInstance",
      friendlyName: account,
      dataSourceInfo: datasource(account),
      policyInfo: { policyId, policyParameters: { backupDatasourceParametersList: [parameters] } },
    },
  };
}

export const BACKUP_BODY = { backupRuleOptions: { ruleName: RULE, triggerOption: {} } };

/** @param containers - absent: the whole account */
export function restoreBody(recoveryPointId: string, account: string, containers?: readonly string[]): object {
  const restoreCriteria = containers?.map((itemPath) => ({
    objectType: "ItemPathBasedRestoreCriteria",
    itemPath,
    isPathRelativeToBackupItem: true,
  }));
  return {
    objectType: "AzureBackupRecoveryPointBasedRestoreRequest",
    recoveryPointId,
    sourceDataStoreType: "VaultStore",
    restoreTargetInfo: {
      objectType: restoreCriteria === undefined ? "RestoreTargetInfo" : "ItemLevelRestoreTargetInfo",
      recoveryOption: "FailIfExists",
      restoreLocation: LOCATION,
      datasourceInfo: datasource(account),
      ...present({ restoreCriteria }),
    },
  };
}
