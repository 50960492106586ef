import { z } from "zod";
import { deleteMarked, unmarked } from "../foundation/deletion-mark.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { listRecords, writeAhead } from "../foundation/records.ts";
import { findDependant, whileVaultKept } from "../instances/announce-instance.ts";
import { type VaultRecord, vaultKey } from "../instances/vault-record.ts";
import {
  checkVaultChange,
  findVault,
  readVaultSettings,
  SecuritySettings,
  settingsOf,
  vaultRecordKey,
} from "../instances/vault-settings.ts";
import { acceptPut } from "./accept-operation.ts";
import {
  type ApiCall,
  type ApiResponse,
  type GroupPath,
  NO_CONTENT,
  ok,
  type SubscriptionPath,
  type VaultPath,
} from "./api-call.ts";
import { regionName, vaultArmId } from "./arm-ids.ts";
import { listTablePage } from "./lists.ts";
import { readKept } from "./read-wire.ts";
import { requireVault, vaultNotFound, vaultResource } from "./vault-resource.ts";

const Vault = z.looseObject({
  location: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ]{0,59}$/, "is not the name of an Azure region"),
  tags: z.record(z.string(), z.string()).optional(),
  identity: z.looseObject({ type: z.string().optional() }).optional(),
  properties: z.looseObject({
    storageSettings: z
      .array(z.looseObject({ datastoreType: z.string().optional(), type: z.string().optional() }))
      .optional(),
    securitySettings: SecuritySettings.optional(),
    featureSettings: z.looseObject({}).optional(),
    monitoringSettings: z.looseObject({}).optional(),
    // Set by the vault, whatever a caller sends.
    provisioningState: z.unknown().optional(),
    secureScore: z.unknown().optional(),
    bcdrSecurityLevel: z.unknown().optional(),
    isVaultProtectedByResourceGuard: z.unknown().optional(),
  }),
});

/** Safe to run twice: the second is an update without changes. */
export async function putVault(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const { location, tags, identity, properties } = readKept(Vault, await call.json());
  const { provisioningState, secureScore, bcdrSecurityLevel, isVaultProtectedByResourceGuard, ...asPut } = properties;
  const wanted: VaultRecord = {
    armId: vaultArmId(params),
    name: params.vault,
    location,
    ...present({ tags, identity }),
    properties: asPut,
    createdAt: deps.clock().toISOString(),
  };

  await recoverLost(call);
  const decide = (before: VaultRecord | undefined): VaultRecord => {
    readVaultSettings(properties.securitySettings);
    if (before === undefined) return wanted;
    if (regionName(before.location) !== regionName(location)) {
      throw new VaultError(
        "request/invalid",
        `the vault is in '${before.location}', and its location cannot be changed`,
      );
    }
    const changed: VaultRecord = {
      ...wanted,
      armId: before.armId,
      name: before.name,
      location: before.location,
      properties: withSecurity(asPut, before.properties["securitySettings"], asPut.securitySettings),
      createdAt: before.createdAt,
    };
    checkVaultChange(settingsOf(before), settingsOf(changed));
    return changed;
  };
  const { partition, row } = vaultRecordKey(wanted.armId);
  const { value: vault, created } = await writeAhead(deps.tables.vaults, partition, row, decide, (value) =>
    deps.files.ensureVault(value),
  );
  return created
    ? await acceptPut(call, vault, undefined, vaultResource(vault, "Provisioning"))
    : ok(vaultResource(vault));
}

/**
 * Rebuilds the row of a vault if it is missing: otherwise its settings would be lost, such as locked immutability.
 *
 * @throws VaultError `format/corrupt`, `format/newer-version` when the vault's document in the vault account is
 *   unreadable
 */
async function recoverLost({ deps, params }: ApiCall<VaultPath>): Promise<void> {
  const armId = vaultArmId(params);
  if ((await findVault(deps.tables.vaults, armId)) !== undefined) return;
  const { findings } = await deps.rebuild({ vaultArmId: armId, isVaultOnly: true });
  const lost = findings.find(({ kind, outcome }) => kind === "vault" && outcome === "unreadable");
  // A vault that never existed has no document either.
  if (lost === undefined || lost.code === "format/missing") return;
  throw new VaultError(lost.code ?? "format/corrupt", `the document of the vault is unreadable: ${lost.because}`, {
    hint: "nothing was changed, because the vault's settings are unknown",
  });
}

/** Settings that protect data stay unchanged unless a caller sends them, also in a PUT. */
function withSecurity(
  properties: object,
  before: unknown,
  wanted: SecuritySettings | undefined,
): VaultRecord["properties"] {
  const kept = SecuritySettings.safeParse(before).data;
  if (kept === undefined && wanted === undefined) return { ...properties };
  const softDeleteSettings = { ...kept?.softDeleteSettings, ...wanted?.softDeleteSettings };
  return { ...properties, securitySettings: { ...kept, ...wanted, softDeleteSettings } };
}

const VaultPatch = z.looseObject({
  tags: z.record(z.string(), z.string()).optional(),
  identity: z.looseObject({ type: z.string().optional() }).optional(),
  properties: z
    .looseObject({
      securitySettings: SecuritySettings.optional(),
      featureSettings: z.looseObject({}).optional(),
      monitoringSettings: z.looseObject({}).optional(),
    })
    .optional(),
});

/** Changes the given members of a vault. Safe to run twice: the second changes nothing. */
export async function patchVault(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const { tags, identity, properties = {} } = readKept(VaultPatch, await call.json());
  const { partition, row } = vaultRecordKey(vaultArmId(params));
  const change = (before: VaultRecord | undefined): VaultRecord => {
    if (before === undefined) throw vaultNotFound(params);
    const changed: VaultRecord = {
      ...unmarked(before),
      ...present({ tags, identity }),
      properties: withSecurity(
        { ...before.properties, ...properties },
        before.properties["securitySettings"],
        properties.securitySettings,
      ),
    };
    checkVaultChange(settingsOf(before), settingsOf(changed));
    return changed;
  };
  // Checks that refuse come before any write.
  const stored = (await deps.tables.vaults.get(partition, row))?.value;
  const { armId, name } = change(stored);
  const keeping = { ...deps.tables, newId: deps.newId };
  const { value: vault } = await whileVaultKept(keeping, armId, name, deps.clock(), () =>
    writeAhead(deps.tables.vaults, partition, row, change, (value) => deps.files.ensureVault(value)),
  );
  return ok(vaultResource(vault));
}

/**
 * Deletes a vault without backup instances, also without deleted ones, and its policies.
 *
 * Safe to run twice: the row is deleted last, and the second call finds nothing to delete. Of a concurrent PUT of an
 * instance or a policy one of the two is refused; a concurrent change of the vault keeps it; see `deletion-mark.ts`.
 */
export async function deleteVault(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const place = { table: deps.tables.vaults, ...vaultRecordKey(vaultArmId(params)) };
  const stored = await place.table.get(place.partition, place.row);
  if (stored === undefined) return NO_CONTENT;
  const vault = stored.value;
  const key = vaultKey(vault.armId);
  // Instances whose rows were lost count too.
  const { continuation } = await deps.rebuild({ vaultArmId: vault.armId });
  if (continuation !== undefined) {
    throw new VaultError("vault/not-empty", `vault '${vault.name}' has instances in the vault account without rows`, {
      hint: "rebuild its rows first",
    });
  }
  const removeAhead = async (): Promise<void> => {
    for await (const { row, value: policy } of listRecords(deps.tables.policies, key)) {
      await deps.files.removePolicy(vault.armId, policy.name);
      await deps.tables.policies.remove(key, row);
    }
    await deps.files.removeVault(vault.armId);
  };
  if (await deleteMarked(place, stored, deps.clock(), () => refuseNotEmpty(call, vault), removeAhead)) {
    return { status: 200, headers: {} };
  }
  const kept = await place.table.get(place.partition, place.row);
  if (kept !== undefined) await deps.files.ensureVault(kept.value);
  throw new VaultError("storage/conflict", `vault '${vault.name}' was changed while it was being deleted`);
}

/** @throws VaultError `vault/not-empty`; `storage/conflict` (retryable) while something is being added to it */
async function refuseNotEmpty({ deps }: ApiCall, vault: VaultRecord): Promise<void> {
  const instance = await findDependant(deps.tables, vaultKey(vault.armId), deps.clock());
  if (instance === undefined) return;
  const isDeleted = instance.protectionState === "SoftDeleted";
  throw new VaultError("vault/not-empty", `vault '${vault.name}' has the backup instance '${instance.name}'`, {
    hint: isDeleted ? `it was deleted, and is purged after ${instance.deletion?.purgeAt}` : "delete it first",
  });
}

export async function getVault(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  return ok(vaultResource(await requireVault(call.deps, call.params)));
}

export async function listVaultsInSubscription(call: ApiCall<SubscriptionPath>): Promise<ApiResponse> {
  const partition = call.params.subscription.toLowerCase();
  return await listTablePage(call, call.deps.tables.vaults, partition, ({ value }) => vaultResource(value));
}

export async function listVaultsInGroup(call: ApiCall<GroupPath>): Promise<ApiResponse> {
  const partition = call.params.subscription.toLowerCase();
  const prefix = `${call.params.group.toLowerCase()}|`;
  return await listTablePage(call, call.deps.tables.vaults, partition, ({ value }) => vaultResource(value), prefix);
}
