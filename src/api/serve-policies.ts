import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";
import { writeAhead } from "../foundation/records.ts";
import { vaultKey } from "../instances/contract.ts";
import type { PolicyRecord } from "../policies/contract.ts";
import { PolicyProperties, readPolicy } from "../policies/read-policy.ts";
import { type ApiCall, type ApiResponse, ok, type PolicyPath, type VaultPath } from "./api-call.ts";
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

/** Safe to run twice: the second is an update that changes nothing. */
export async function putPolicy(call: ApiCall<PolicyPath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const { properties } = readKept(Policy, await call.json(), "policy/invalid");
  const wanted: PolicyRecord = {
    armId: `${vault.armId}/backupPolicies/${params.policy}`,
    name: params.policy,
    properties,
    ...readPolicy(properties),
    createdAt: deps.clock().toISOString(),
  };

  const decide = (before: PolicyRecord | undefined): PolicyRecord => {
    if (before === undefined) return wanted;
    const dropped = before.datasourceTypes.find((type) => !wanted.datasourceTypes.includes(type));
    if (dropped !== undefined) {
      throw new VaultError("policy/invalid", `the policy is for '${dropped}', and a policy keeps its datasource types`);
    }
    const sameSchedule = isDeepStrictEqual(before.backupRule?.intervals, wanted.backupRule?.intervals);
    const slotsAfter = sameSchedule ? before.slotsAfter : deps.clock().toISOString();
    return {
      ...wanted,
      armId: before.armId,
      name: before.name,
      createdAt: before.createdAt,
      ...(slotsAfter === undefined ? {} : { slotsAfter }),
    };
  };
  const { value: policy } = await writeAhead(
    deps.tables.policies,
    vaultKey(vault.armId),
    params.policy.toLowerCase(),
    decide,
    (value) => deps.files.ensurePolicy(vault.armId, value),
  );
  return ok(policyResource(policy));
}

export async function getPolicy(call: ApiCall<PolicyPath>): Promise<ApiResponse> {
  const vault = await requireVault(call.deps, call.params);
  const stored = await call.deps.tables.policies.get(vaultKey(vault.armId), call.params.policy.toLowerCase());
  if (stored === undefined) throw new VaultError("policy/not-found", `there is no policy '${call.params.policy}'`);
  return ok(policyResource(stored.value));
}

export async function listPolicies(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const vault = await requireVault(call.deps, call.params);
  return await listTablePage(call, call.deps.tables.policies, vaultKey(vault.armId), ({ value }) =>
    policyResource(value),
  );
}
