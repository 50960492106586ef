import { mapBounded } from "../foundation/bounded-pool.ts";
import { VaultError } from "../foundation/errors.ts";
import { type BackupInstance, vaultKey } from "../instances/contract.ts";
import type { Job } from "../jobs/contract.ts";
import { readProgress } from "../jobs/progress.ts";
import { jobOrderRow } from "../jobs/request-job.ts";
import { type ApiCall, type ApiResponse, ok, type VaultPath } from "./api-call.ts";
import { jobResource } from "./job-resource.ts";
import { listPage, PAGE_SIZE, skipToken } from "./lists.ts";
import { requireVault } from "./vault-resource.ts";

export interface JobPath extends VaultPath {
  readonly job: string;
}

/** Rows read at once for one page of a list. */
const READING_WIDTH = 16;

/** Lists the newest first. */
export async function listJobs(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const { tables, clock } = call.deps;
  const vault = await requireVault(call.deps, call.params);
  const key = vaultKey(vault.armId);
  const continuation = skipToken(call);
  const page = await tables.jobOrder.list(key, {
    limit: PAGE_SIZE,
    ...(continuation === undefined ? {} : { continuation }),
  });
  const found = await mapBounded(page.records, READING_WIDTH, async ({ row, value }) => {
    const job = (await tables.jobs.get(value.vault, value.job))?.value;
    // A request that was given up leaves an order row without its job, or one at another moment.
    return job !== undefined && jobOrderRow(job) === row ? job : undefined;
  });
  const jobs = found.filter((job): job is Job => job !== undefined);

  const names = [...new Set(jobs.map((job) => job.instanceName))];
  const instances = new Map<string, BackupInstance | undefined>();
  await mapBounded(names, READING_WIDTH, async (name) => {
    instances.set(name, (await tables.instances.get(key, name))?.value);
  });
  const now = clock();
  const value = jobs.map((job) => jobResource({ vault, instance: instances.get(job.instanceName), job, now }));
  return listPage(call, value, page.continuation);
}

/** Tells one job with its details; of one at work, how far it is. */
export async function getJob(call: ApiCall<JobPath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const key = vaultKey(vault.armId);
  const job = (await deps.tables.jobs.get(key, params.job.toLowerCase()))?.value;
  if (job === undefined) {
    throw new VaultError("job/not-found", `there is no job '${params.job}' in vault '${vault.name}'`);
  }
  const instance = (await deps.tables.instances.get(key, job.instanceName))?.value;
  const progress = await readProgress(deps.tables.work, job);
  return ok(jobResource({ vault, instance, job, now: deps.clock() }, progress));
}
