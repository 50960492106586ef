import { mapBounded } from "../foundation/bounded-pool.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { type VaultRecord, vaultKey } from "../instances/vault-record.ts";
import { cancelJob } from "../jobs/cancel-job.ts";
import type { Job } from "../jobs/job.ts";
import { readProgress } from "../jobs/progress.ts";
import { jobOrderRow } from "../jobs/request-job.ts";
import { acceptCancel } from "./accept-operation.ts";
import { type ApiCall, type ApiResponse, ok, type VaultPath } from "./api-call.ts";
import { jobResource } from "./job-resource.ts";
import { listPage, PAGE_SIZE, skipToken } from "./lists.ts";
import { requireVault } from "./vault-resource.ts";

export interface JobPath extends VaultPath {
  readonly job: string;
}

/** Rows read per request for one page of a list. */
const READING_WIDTH = 16;

/** Lists the newest first. */
export async function listJobs(call: ApiCall<VaultPath>): Promise<ApiResponse> {
  const { tables, clock } = call.deps;
  const vault = await requireVault(call.deps, call.params);
  const key = vaultKey(vault.armId);
  const continuation = skipToken(call);
  const page = await tables.jobOrder.list(key, {
    limit: PAGE_SIZE,
    ...present({ continuation }),
  });
  const found = await mapBounded(page.records, READING_WIDTH, async ({ row, value }) => {
    const job = (await tables.jobs.get(value.vault, value.job))?.value;
    // An abandoned request leaves an order row without its job, or with another time.
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

/** Returns one job with its details; for a running one, its progress. */
export async function getJob(call: ApiCall<JobPath>): Promise<ApiResponse> {
  const { tables, clock } = call.deps;
  const { vault, job } = await requireJob(call);
  const instance = (await tables.instances.get(job.vault, job.instanceName))?.value;
  const now = clock();
  return ok(jobResource({ vault, instance, job, now }, await readProgress(tables.work, job, now)));
}

/**
 * Cancels a job; the returned operation ends when the job has. Backup vaults of Azure cannot: path and response are
 * those of its Recovery Services vaults.
 *
 * Safe to run twice: it returns the same operation.
 *
 * @see https://learn.microsoft.com/rest/api/backup/job-cancellations/trigger
 */
export async function triggerCancel(call: ApiCall<JobPath>): Promise<ApiResponse> {
  const { tables, orchestrations } = call.deps;
  const { vault, job } = await requireJob(call);
  const cancelled = await cancelJob({ jobs: tables.jobs, orchestrations }, { vault: job.vault, job: job.id });
  return await acceptCancel(call, vault, cancelled);
}

/** @throws VaultError `vault/not-found`, `job/not-found` */
async function requireJob({
  deps,
  params,
}: ApiCall<JobPath>): Promise<{ readonly vault: VaultRecord; readonly job: Job }> {
  const vault = await requireVault(deps, params);
  const job = (await deps.tables.jobs.get(vaultKey(vault.armId), params.job.toLowerCase()))?.value;
  if (job === undefined) {
    throw new VaultError("job/not-found", `job '${params.job}' was not found in vault '${vault.name}'`);
  }
  return { vault, job };
}
