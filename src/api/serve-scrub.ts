import { VaultError } from "../foundation/errors.ts";
import { vaultKey } from "../instances/contract.ts";
import { requestJob } from "../jobs/request-job.ts";
import { scrubAtWork } from "../scrub/start-due-scrub.ts";
import { acceptJob } from "./accept-operation.ts";
import type { ApiCall, ApiResponse, InstancePath, VaultPath } from "./api-call.ts";
import { requireInstance } from "./instance-resource.ts";
import { listTablePage } from "./lists.ts";
import { jobIdOnDemand, jobOnDemand } from "./serve-backup.ts";
import { requireVault } from "./vault-resource.ts";

/**
 * Starts a scrub of one instance now: a new round, or the rest of one that was begun.
 *
 * Safe to run twice when the caller names its request (`x-ms-client-request-id`): the same job and operation answer.
 */
export async function triggerScrub(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const instance = await requireInstance(deps, vault, params.instance);
  const key = vaultKey(vault.armId);
  const id = jobIdOnDemand(call, instance, ["scrub"]);
  const atWork = await scrubAtWork(deps.tables, key, instance.id);
  if (atWork !== undefined && atWork.id !== id) {
    throw new VaultError("instance/busy", `job '${atWork.id}' scrubs '${instance.name}' already`, {
      hint: "wait until that job has ended, or cancel it",
    });
  }
  const wanted = jobOnDemand(instance, id, { kind: "scrub" }, deps.clock().toISOString());
  const job = await requestJob({ ...deps.tables, orchestrations: deps.orchestrations }, wanted);
  return await acceptJob(call, vault, job);
}

/** Lists the alerts of a vault, open and resolved. */
export async function listAlerts(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const vault = await requireVault(call.deps, call.params);
  return await listTablePage(call, call.deps.tables.alerts, vaultKey(vault.armId), ({ value }) => value);
}
