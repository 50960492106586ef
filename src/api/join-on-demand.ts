import { VaultError } from "../foundation/errors.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { vaultKey } from "../instances/vault-record.ts";
import { isOpen, type Job } from "../jobs/job.ts";
import { type JoinedKind, joinJob } from "../jobs/join-job.ts";
import { requestJob } from "../jobs/request-job.ts";
import type { ApiCall } from "./api-call.ts";
import { jobIdOnDemand, jobOnDemand } from "./on-demand-job.ts";

/**
 * Requests a job that runs at most once at a time: all requests while it runs get the same job.
 *
 * Safe to run twice when the caller names its request (`x-ms-client-request-id`): it returns the same job, or another
 * that it joined meanwhile.
 *
 * @param running - a job of the kind that is known to run, whoever started it
 * @param refuse - throws when a new one cannot start now
 * @throws VaultError `instance/busy` while the running one is being cancelled; and what `refuse` throws
 */
export async function requestJoined(
  call: ApiCall,
  instance: BackupInstance,
  kind: JoinedKind,
  running: Job | undefined,
  refuse: () => Promise<void>,
): Promise<Job> {
  const { deps } = call;
  const key = vaultKey(instance.vaultArmId);
  const now = deps.clock();
  const requesting = { ...deps.tables, orchestrations: deps.orchestrations };
  const own = jobOnDemand(instance, jobIdOnDemand(call, instance, [kind]), { kind }, now.toISOString());
  const isRepeated = (await deps.tables.jobs.get(key, own.id)) !== undefined;
  if (isRepeated) return await requestJob(requesting, own);
  if (running === undefined) await refuse();
  const id = running?.id ?? (await joinJob(deps.tables, kind, own, now));
  const job = await requestJob(requesting, { ...own, id });
  if (job.status !== "Cancelling" || !isOpen(job)) return job;
  throw new VaultError("instance/busy", `job '${job.id}' of '${instance.name}' is being cancelled`, {
    hint: "wait until that job has ended",
  });
}
