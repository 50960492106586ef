import { VaultError } from "../foundation/errors.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { vaultKey } from "../instances/vault-record.ts";
import { isOpen, type Job } from "../jobs/job.ts";
import { type JoinedKind, joinJob } from "../jobs/join-job.ts";
import { requestJob } from "../jobs/request-job.ts";
import type { ApiCall } from "./api-call.ts";
import { jobIdOnDemand, jobOnDemand } from "./on-demand-job.ts";

/**
 * Requests a job of which one is enough at a time: all that ask while it is at work get the same one.
 *
 * Safe to run twice when the caller names its request (`x-ms-client-request-id`): the same job answers, or another that has
 * joined in meanwhile.
 *
 * @param atWork - a job of the kind that is known to be at work, whoever started it
 * @param refuse - throws when a new one cannot begin now
 * @throws VaultError `instance/busy` while the one at work is being cancelled; and what `refuse` throws
 */
export async function requestJoined(
  call: ApiCall,
  instance: BackupInstance,
  kind: JoinedKind,
  atWork: Job | undefined,
  refuse: () => Promise<void>,
): Promise<Job> {
  const { deps } = call;
  const key = vaultKey(instance.vaultArmId);
  const now = deps.clock();
  const requesting = { ...deps.tables, orchestrations: deps.orchestrations };
  const own = jobOnDemand(instance, jobIdOnDemand(call, instance, [kind]), { kind }, now.toISOString());
  const isRepeated = (await deps.tables.jobs.get(key, own.id)) !== undefined;
  if (isRepeated) return await requestJob(requesting, own);
  if (atWork === undefined) await refuse();
  const id = atWork?.id ?? (await joinJob(deps.tables, kind, own, now));
  const job = await requestJob(requesting, { ...own, id });
  if (job.status !== "Cancelling" || !isOpen(job)) return job;
  throw new VaultError("instance/busy", `job '${job.id}' of '${instance.name}' is being cancelled`, {
    hint: "wait until that job has ended",
  });
}
