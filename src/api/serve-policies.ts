import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { deleteMarked, type RowPlace } from "../foundation/deletion-mark.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { listRecords, writeAhead } from "../foundation/records.ts";
import { findDependant, whileVaultKept } from "../instances/announce-instance.ts";
import { type VaultRecord, vaultKey } from "../instances/vault-record.ts";
import { isImmutable } from "../instances/vault-settings.ts";
import { checkPolicy } from "../policies/check-policy.ts";
import type { PolicyRecord } from "../policies/policy-record.ts";
import { PolicyProperties, readPolicy } from "../policies/read-policy.ts";
import { checkNothingShortened } from "../retention/check-lives.ts";
import { type ApiCall, type ApiResponse, NO_CONTENT, ok, type PolicyPath, type VaultPath } from "./api-call.ts";
import { PROVIDER } from "./arm-ids.ts";
import { listTablePage } from "./lists.ts";
import { readKept } from "./read-wire.ts";
import { requireVault } from "./vault-resource.ts";

const Policy = z.looseObject({ properties: PolicyProperties });

function policyResource(policy: PolicyRecord): object {
  return {
    id: policy.armId,
    name: policy.name,
    type: `${PROVIDER}/backupVaults/backupPolicies`,
    properties: policy.properties,
  };
}

/** Safe to run twice: the second is an update without changes. */
export async function putPolicy(call: ApiCall<PolicyPath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const { properties } = readKept(Policy, await call.json(), "policy/invalid");
  const read = readPolicy(properties);
  checkPolicy(properties, read, deps.clock());
  const wanted: PolicyRecord = {
    armId: `${vault.armId}/backupPolicies/${params.policy}`,
    name: params.policy,
    properties,
    ...read,
    createdAt: deps.clock().toISOString(),
  };

  await checkRulesChange(call, vault, wanted);
  const decide = (before: PolicyRecord | undefined): PolicyRecord => {
    if (before === undefined) return wanted;
    const dropped = before.datasourceTypes.find((type) => !wanted.datasourceTypes.includes(type));
    if (dropped !== undefined) {
      throw new VaultError("policy/invalid", `the datasource type '${dropped}' of the policy cannot be removed`);
    }
    const sameSchedule = isDeepStrictEqual(before.backupRule?.intervals, wanted.backupRule?.intervals);
    const slotsAfter = sameSchedule ? before.slotsAfter : deps.clock().toISOString();
    return {
      ...wanted,
      armId: before.armId,
      name: before.name,
      createdAt: before.createdAt,
      ...present({ slotsAfter }),
    };
  };
  // Checks that refuse come before any write.
  decide((await deps.tables.policies.get(vaultKey(vault.armId), params.policy.toLowerCase()))?.value);
  const keeping = { ...deps.tables, newId: deps.newId };
  const { value: policy } = await whileVaultKept(keeping, vault.armId, params.policy, deps.clock(), () =>
    writeAhead(deps.tables.policies, vaultKey(vault.armId), params.policy.toLowerCase(), decide, (value) =>
      deps.files.ensurePolicy(vault.armId, value),
    ),
  );
  return ok(policyResource(policy));
}

/**
 * Refuses rules in an immutable vault by which points of any instance would expire earlier.
 *
 * @throws VaultError `vault/immutable`
 */
async function checkRulesChange({ deps }: ApiCall, vault: VaultRecord, wanted: PolicyRecord): Promise<void> {
  if (!isImmutable(vault)) return;
  const key = vaultKey(vault.armId);
  const before = (await deps.tables.policies.get(key, wanted.name.toLowerCase()))?.value;
  if (before === undefined) return;
  const rules = { before: before.retentionRules, wanted: wanted.retentionRules };
  for await (const { value: instance } of listRecords(deps.tables.instances, key)) {
    if (instance.policyName.toLowerCase() !== wanted.name.toLowerCase()) continue;
    await checkNothingShortened(deps.tables.recoveryPoints, instance, rules, deps.clock());
  }
}

/**
 * Deletes a policy that no instance uses: no deleted one, and none that is being assigned to it.
 *
 * Safe to run twice: the second finds nothing to delete. Of a concurrent PUT of an instance with this policy one of the
 * two is refused; a concurrent PUT of the policy keeps it; see `deletion-mark.ts`.
 */
export async function deletePolicy(call: ApiCall<PolicyPath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const place = { table: deps.tables.policies, partition: vaultKey(vault.armId), row: params.policy.toLowerCase() };
  const stored = await place.table.get(place.partition, place.row);
  if (stored === undefined) return NO_CONTENT;
  const isGone = await deleteMarked(
    place,
    stored,
    deps.clock(),
    () => refuseInUse(call, place),
    () => deps.files.removePolicy(vault.armId, params.policy),
  );
  if (isGone) return { status: 200, headers: {} };
  const kept = await place.table.get(place.partition, place.row);
  if (kept !== undefined) await deps.files.ensurePolicy(vault.armId, kept.value);
  throw new VaultError("storage/conflict", `policy '${params.policy}' was changed while it was being deleted`);
}

/** @throws VaultError `policy/in-use`; `storage/conflict` (retryable) while an instance is being assigned to it */
async function refuseInUse(
  { deps, params }: ApiCall<PolicyPath>,
  { partition, row }: Pick<RowPlace<PolicyRecord>, "partition" | "row">,
): Promise<void> {
  const instance = await findDependant(deps.tables, partition, deps.clock(), row);
  if (instance === undefined) return;
  throw new VaultError("policy/in-use", `backup instance '${instance.name}' uses policy '${params.policy}'`, {
    hint:
      instance.protectionState === "SoftDeleted"
        ? "the instance was deleted; wait until it is purged"
        : "assign another policy to it, or delete it",
  });
}

export async function getPolicy(call: ApiCall<PolicyPath>): Promise<ApiResponse> {
  const vault = await requireVault(call.deps, call.params);
  const stored = await call.deps.tables.policies.get(vaultKey(vault.armId), call.params.policy.toLowerCase());
  if (stored === undefined) throw new VaultError("policy/not-found", `policy '${call.params.policy}' was not found`);
  return ok(policyResource(stored.value));
}

export async function listPolicies(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const vault = await requireVault(call.deps, call.params);
  return await listTablePage(call, call.deps.tables.policies, vaultKey(vault.armId), ({ value }) =>
    policyResource(value),
  );
}
