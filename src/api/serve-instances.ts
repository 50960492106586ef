import { z } from "zod";
import { present } from "../foundation/present.ts";
import { checkInstance, type ProtectInstanceDeps, protectInstance } from "../instances/protect-instance.ts";
import { InstanceProperties, readInstance, type WantedInstance } from "../instances/read-instance.ts";
import { type VaultRecord, vaultKey } from "../instances/vault-record.ts";
import { isImmutable } from "../instances/vault-settings.ts";
import { checkNothingShortened } from "../retention/check-lives.ts";
import { acceptDone, acceptPut } from "./accept-operation.ts";
import { type ApiCall, type ApiDeps, type ApiResponse, type InstancePath, ok, type VaultPath } from "./api-call.ts";
import { instanceResource, requireInstance } from "./instance-resource.ts";
import { listTablePage } from "./lists.ts";
import { readKept, readWire } from "./read-wire.ts";
import { requireVault } from "./vault-resource.ts";

const Instance = z.looseObject({
  tags: z.record(z.string(), z.string()).optional(),
  properties: InstanceProperties,
});
const ValidateForBackup = z.looseObject({ backupInstance: InstanceProperties });

function protectDeps({ tables, accounts, files, clock, newId }: ApiDeps): ProtectInstanceDeps {
  const { vaults, instances, policies, schedules, claims } = tables;
  return { vaults, instances, policies, schedules, claims, accounts, files, clock, newId };
}

function wantedInstance(
  { deps }: ApiCall,
  vault: VaultRecord,
  name: string,
  properties: InstanceProperties,
): WantedInstance {
  return readInstance({ vaultArmId: vault.armId, name }, properties, deps.settings.maxContainers);
}

/** Safe to run twice: the second is an update without changes. */
export async function putInstance(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const { tags, properties } = readKept(Instance, await call.json(), "instance/invalid");
  const wanted = wantedInstance(call, vault, params.instance, properties);
  if (isImmutable(vault)) await checkPolicyChange(call, wanted);
  const { instance, created } = await protectInstance(protectDeps(deps), {
    ...wanted,
    ...present({ tags }),
  });
  if (!created) return ok(instanceResource(instance));
  return await acceptPut(call, vault, instance.name, instanceResource(instance, true));
}

/**
 * Refuses another policy for an instance of an immutable vault if its points would expire earlier.
 *
 * @throws VaultError `vault/immutable`
 */
async function checkPolicyChange({ deps }: ApiCall, { vaultArmId, name, policyName }: WantedInstance): Promise<void> {
  const { instances, policies, recoveryPoints } = deps.tables;
  const key = vaultKey(vaultArmId);
  const instance = (await instances.get(key, name.toLowerCase()))?.value;
  if (instance === undefined || instance.policyName.toLowerCase() === policyName.toLowerCase()) return;
  const before = (await policies.get(key, instance.policyName.toLowerCase()))?.value.retentionRules;
  const wanted = (await policies.get(key, policyName.toLowerCase()))?.value.retentionRules;
  await checkNothingShortened(recoveryPoints, instance, { before, wanted }, deps.clock());
}

/** Runs all checks of a PUT to an existing instance at once; nothing is left to poll. */
export async function validateForModifyBackup(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const vault = await requireVault(call.deps, call.params);
  const { name } = await requireInstance(call.deps, vault, call.params.instance);
  const { backupInstance } = readWire(ValidateForBackup, await call.json(), "instance/invalid");
  const wanted = wantedInstance(call, vault, name, backupInstance);
  if (isImmutable(vault)) await checkPolicyChange(call, wanted);
  await checkInstance(protectDeps(call.deps), wanted);
  return await acceptDone(call, vault, name);
}

/** Runs all checks of a PUT at once; nothing is left to poll. */
export async function validateForBackup(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const vault = await requireVault(call.deps, call.params);
  const { backupInstance } = readWire(ValidateForBackup, await call.json(), "instance/invalid");
  // No instance has an empty name, so every instance that protects this datasource is another one.
  await checkInstance(protectDeps(call.deps), wantedInstance(call, vault, "", backupInstance));
  return ok({ objectType: "OperationJobExtendedInfo" });
}

export async function getInstance(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const vault = await requireVault(call.deps, call.params);
  return ok(instanceResource(await requireInstance(call.deps, vault, call.params.instance)));
}

export async function listInstances(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const vault = await requireVault(call.deps, call.params);
  return await listTablePage(call, call.deps.tables.instances, vaultKey(vault.armId), ({ value }) =>
    value.protectionState === "SoftDeleted" ? undefined : instanceResource(value),
  );
}
