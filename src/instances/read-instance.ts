import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { datasourceKind } from "../policies/policy-record.ts";
import type { ContainerChoice, DatasourceKind } from "../vault/instance-document.ts";
import { type BackupInstance, backupInstanceId } from "./backup-instance.ts";
import { isProtectableContainer, parseStorageAccountId } from "./storage-account-id.ts";

/** A datasource, or the set it belongs to, on the wire. */
export const DatasourceInfo = z.looseObject({
  objectType: z.string().optional(),
  resourceID: z.string(),
  datasourceType: z.string().optional(),
  resourceName: z.string().optional(),
  resourceType: z.string().optional(),
  resourceUri: z.string().optional(),
  resourceLocation: z.string().optional(),
});

const AutoProtectionRule = z.looseObject({ mode: z.string(), type: z.string(), pattern: z.string() });

const DatasourceParameters = z.looseObject({
  objectType: z.string(),
  containersList: z.array(z.string()).optional(),
  autoProtectionSettings: z
    .looseObject({ objectType: z.string(), enabled: z.boolean(), rules: z.array(AutoProtectionRule).optional() })
    .optional(),
});
type DatasourceParameters = z.infer<typeof DatasourceParameters>;

/** `properties` of a backup instance on the wire (`BackupInstance`). */
export const InstanceProperties = z.looseObject({
  objectType: z.string(),
  friendlyName: z.string().optional(),
  dataSourceInfo: DatasourceInfo,
  dataSourceSetInfo: DatasourceInfo.optional(),
  policyInfo: z.looseObject({
    policyId: z.string(),
    policyVersion: z.string().optional(),
    policyParameters: z
      .looseObject({
        backupDatasourceParametersList: z.array(DatasourceParameters).optional(),
        dataStoreParametersList: z.array(z.unknown()).optional(),
      })
      .optional(),
  }),
  validationType: z.string().optional(),
  identityDetails: z.looseObject({}).optional(),
  // Set by the vault, whatever a caller sends.
  protectionStatus: z.unknown().optional(),
  currentProtectionState: z.unknown().optional(),
  protectionErrorDetails: z.unknown().optional(),
  provisioningState: z.unknown().optional(),
});
export type InstanceProperties = Readonly<z.infer<typeof InstanceProperties>>;

/** A requested backup instance, before it is checked against policies, claims and accounts. */
export type WantedInstance = Omit<BackupInstance, "protectionState" | "createdAt" | "slotsAfter">;

export interface InstanceAddress {
  readonly vaultArmId: string;
  readonly name: string;
}

/**
 * Reads a requested backup instance from its properties.
 *
 * @param maxContainers - maximum number of chosen containers
 * @throws VaultError `instance/invalid`, `datasource/too-many-containers`
 */
export function readInstance(
  { vaultArmId, name }: InstanceAddress,
  properties: InstanceProperties,
  maxContainers: number,
): WantedInstance {
  if (properties.objectType !== "BackupInstance") {
    invalid(`objectType is '${properties.objectType}', not 'BackupInstance'`);
  }
  const { dataSourceInfo, policyInfo } = properties;
  const type = dataSourceInfo.datasourceType ?? properties.dataSourceSetInfo?.datasourceType ?? "";
  const kind = datasourceKind(type) ?? invalid(`datasource type '${type}' is not supported`);
  const source =
    parseStorageAccountId(dataSourceInfo.resourceID) ??
    invalid(`'${dataSourceInfo.resourceID}' is not the ARM id of a storage account`);

  const policiesPrefix = `${vaultArmId}/backupPolicies/`;
  if (!policyInfo.policyId.toLowerCase().startsWith(policiesPrefix.toLowerCase())) {
    invalid(`policy '${policyInfo.policyId}' is not in this vault`);
  }
  const policyName = policyInfo.policyId.slice(policiesPrefix.length);
  if (!/^[A-Za-z0-9-]{1,150}$/.test(policyName)) invalid(`'${policyInfo.policyId}' is not the ARM id of a policy`);
  const armId = `${vaultArmId}/backupInstances/${name}`;
  const { protectionStatus, currentProtectionState, protectionErrorDetails, provisioningState, ...asPut } = properties;
  return {
    id: backupInstanceId(armId),
    name,
    armId,
    vaultArmId,
    friendlyName: properties.friendlyName ?? source.account,
    datasource: {
      resourceId: dataSourceInfo.resourceID,
      account: source.account,
      kind,
      ...(dataSourceInfo.resourceLocation ? { location: dataSourceInfo.resourceLocation } : {}),
    },
    containers: readContainers(kind, policyInfo.policyParameters?.backupDatasourceParametersList ?? [], maxContainers),
    policyName,
    properties: asPut,
  };
}

function invalid(problem: string, hint?: string): never {
  throw new VaultError("instance/invalid", `the backup instance is not valid: ${problem}`, present({ hint }));
}

const PARAMETERS_TYPE: Record<DatasourceKind, string> = {
  blobServices: "BlobBackupDatasourceParameters",
  adlsBlobServices: "AdlsBlobBackupDatasourceParameters",
};

function readContainers(
  kind: DatasourceKind,
  [parameters, ...others]: readonly DatasourceParameters[],
  maxContainers: number,
): ContainerChoice {
  const type = PARAMETERS_TYPE[kind];
  if (parameters === undefined || others.length > 0) {
    return invalid("backupDatasourceParametersList needs exactly one entry", `a ${type} with its containersList`);
  }
  switch (parameters.objectType) {
    case type:
      return { kind: "chosen", names: readChosen(parameters.containersList ?? [], maxContainers) };
    case `${type}ForAutoProtection`:
      return { kind: "all", excludedPrefixes: readExcluded(parameters.autoProtectionSettings) };
    default:
      return invalid(`'${parameters.objectType}' does not fit datasources of kind '${kind}'`, `send a ${type}`);
  }
}

function readChosen(names: readonly string[], maxContainers: number): string[] {
  if (names.length === 0) invalid("no container is chosen");
  if (names.length > maxContainers) {
    throw new VaultError(
      "datasource/too-many-containers",
      `${names.length} containers are chosen, more than ${maxContainers}`,
    );
  }
  const unfit = names.find((name) => !isProtectableContainer(name));
  if (unfit !== undefined) invalid(`container '${unfit}' cannot be protected`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) invalid(`container '${twice}' is chosen twice`);
  return [...names];
}

function readExcluded(settings: DatasourceParameters["autoProtectionSettings"]): string[] {
  if (settings?.objectType !== "BlobBackupRuleBasedAutoProtectionSettings" || !settings.enabled) {
    invalid("autoProtectionSettings must be enabled BlobBackupRuleBasedAutoProtectionSettings");
  }
  return (settings.rules ?? []).map(({ mode, type, pattern }) =>
    mode === "Exclude" && type === "Prefix" && pattern !== ""
      ? pattern
      : invalid(`auto protection rule '${mode} ${type} ${pattern}' is not supported`, "exclude by prefix"),
  );
}
