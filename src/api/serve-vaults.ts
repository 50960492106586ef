import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";
import { writeAhead } from "../foundation/records.ts";
import type { VaultRecord } from "../instances/contract.ts";
import { acceptPut } from "./accept-operation.ts";
import {
  type ApiCall,
  type ApiResponse,
  type GroupPath,
  ok,
  type SubscriptionPath,
  type VaultPath,
} from "./api-call.ts";
import { regionName, vaultArmId, vaultRow } from "./arm-ids.ts";
import { listTablePage } from "./lists.ts";
import { readKept } from "./read-wire.ts";
import { requireVault, vaultResource } from "./vault-resource.ts";

const Vault = z.looseObject({
  location: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ]{0,59}$/, "is not the name of an Azure region"),
  tags: z.record(z.string(), z.string()).optional(),
  identity: z.looseObject({ type: z.string().optional() }).optional(),
  properties: z.looseObject({
    storageSettings: z
      .array(z.looseObject({ datastoreType: z.string().optional(), type: z.string().optional() }))
      .optional(),
    securitySettings: z.looseObject({}).optional(),
    featureSettings: z.looseObject({}).optional(),
    monitoringSettings: z.looseObject({}).optional(),
    // Told by the vault, whatever a caller sends.
    provisioningState: z.unknown().optional(),
    secureScore: z.unknown().optional(),
    bcdrSecurityLevel: z.unknown().optional(),
    isVaultProtectedByResourceGuard: z.unknown().optional(),
  }),
});

/** Safe to run twice: the second is an update that changes nothing. */
export async function putVault(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const { location, tags, identity, properties } = readKept(Vault, await call.json());
  const { provisioningState, secureScore, bcdrSecurityLevel, isVaultProtectedByResourceGuard, ...asPut } = properties;
  const wanted: VaultRecord = {
    armId: vaultArmId(params),
    name: params.vault,
    location,
    ...(tags === undefined ? {} : { tags }),
    ...(identity === undefined ? {} : { identity }),
    properties: asPut,
    createdAt: deps.clock().toISOString(),
  };

  const decide = (before: VaultRecord | undefined): VaultRecord => {
    if (before === undefined) return wanted;
    if (regionName(before.location) !== regionName(location)) {
      throw new VaultError(
        "request/invalid",
        `the vault is in '${before.location}', and a vault's location never changes`,
      );
    }
    return {
      ...wanted,
      armId: before.armId,
      name: before.name,
      location: before.location,
      createdAt: before.createdAt,
    };
  };
  const { value: vault, created } = await writeAhead(
    deps.tables.vaults,
    params.subscription.toLowerCase(),
    vaultRow(params),
    decide,
    (value) => deps.files.ensureVault(value),
  );
  return created
    ? await acceptPut(call, vault, undefined, vaultResource(vault, "Provisioning"))
    : ok(vaultResource(vault));
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
