import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { vaultKey } from "../instances/vault-record.ts";
import type { BackupRequest } from "../jobs/job.ts";
import { requestJob } from "../jobs/request-job.ts";
import type { PolicyRecord } from "../policies/policy-record.ts";
import { acceptJob } from "./accept-operation.ts";
import type { ApiCall, ApiResponse, InstancePath } from "./api-call.ts";
import { requireInstance } from "./instance-resource.ts";
import { jobIdOnDemand, jobOnDemand, requireFree } from "./on-demand-job.ts";
import { readWire } from "./read-wire.ts";
import { requireVault } from "./vault-resource.ts";

const TriggerBackup = z.looseObject({
  backupRuleOptions: z.looseObject({
    ruleName: z.string(),
    triggerOption: z.looseObject({ retentionTagOverride: z.string().optional() }).optional(),
  }),
});

/**
 * Starts a backup on demand.
 *
 * Safe to run twice when the caller names its request (`x-ms-client-request-id`): it returns the same job and
 * operation.
 */
export async function triggerBackup(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const instance = await requireInstance(deps, vault, params.instance);
  const { ruleName, triggerOption } = readWire(TriggerBackup, await call.json()).backupRuleOptions;
  requireProtected(instance);
  const key = vaultKey(vault.armId);
  const policy = (await deps.tables.policies.get(key, instance.policyName.toLowerCase()))?.value;
  if (policy === undefined) throw new VaultError("policy/not-found", `policy '${instance.policyName}' was not found`);
  // The CLI sends an empty override by default.
  const tag = triggerOption?.retentionTagOverride || undefined;
  checkRule(policy, ruleName, tag);

  const now = deps.clock().toISOString();
  const request: BackupRequest = { kind: "backup", slot: now, rule: ruleName, ...present({ tag }) };
  const id = jobIdOnDemand(call, instance, ["backup", ruleName, tag ?? ""]);
  const isNew = (await deps.tables.jobs.get(key, id)) === undefined;
  if (isNew) await requireFree(call, instance);
  const job = await requestJob(
    { ...deps.tables, orchestrations: deps.orchestrations },
    jobOnDemand(instance, id, request, now),
  );
  return await acceptJob(call, vault, job);
}

/** @throws VaultError `instance/not-protected` */
function requireProtected(instance: BackupInstance): void {
  if (instance.protectionState !== "ProtectionConfigured") {
    throw new VaultError("instance/not-protected", `'${instance.name}' is in state '${instance.protectionState}'`);
  }
}

function checkRule(policy: PolicyRecord, ruleName: string, tag: string | undefined): void {
  if (policy.backupRule !== undefined && policy.backupRule.name !== ruleName) {
    throw new VaultError("request/invalid", `policy '${policy.name}' has no backup rule '${ruleName}'`, {
      hint: `its backup rule is '${policy.backupRule.name}'`,
    });
  }
  if (tag !== undefined && !policy.retentionRules.some((rule) => rule.name === tag)) {
    throw new VaultError("request/invalid", `policy '${policy.name}' has no retention rule '${tag}'`);
  }
}
