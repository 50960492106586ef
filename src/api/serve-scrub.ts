import { vaultKey } from "../instances/vault-record.ts";
import { scrubAtWork } from "../scrub/start-due-scrub.ts";
import { acceptJob } from "./accept-operation.ts";
import type { ApiCall, ApiResponse, InstancePath, VaultPath } from "./api-call.ts";
import { requireInstance } from "./instance-resource.ts";
import { requestJoined } from "./join-on-demand.ts";
import { listTablePage } from "./lists.ts";
import { requireVault } from "./vault-resource.ts";

/**
 * Starts a scrub of one instance now: a new round, or the rest of an unfinished one. If a scrub runs, returns that job.
 *
 * Safe to run twice and concurrently: all calls get the same job and operation while it runs.
 */
export async function triggerScrub(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const instance = await requireInstance(deps, vault, params.instance);
  const running = await scrubAtWork(deps.tables, vaultKey(vault.armId), instance.id);
  return await acceptJob(call, vault, await requestJoined(call, instance, "scrub", running, async () => undefined));
}

/** Lists the alerts of a vault, open and resolved. */
export async function listAlerts(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const vault = await requireVault(call.deps, call.params);
  return await listTablePage(call, call.deps.tables.alerts, vaultKey(vault.armId), ({ value }) => value);
}
