/**
 * @module
 * Jobs that a caller asks for, as backups, restores, retentions and scrubs by hand.
 */
import { VaultError } from "../foundation/errors.ts";
import { deriveUuid } from "../foundation/ids.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { jobFor } from "../instances/job-for.ts";
import { vaultKey } from "../instances/vault-record.ts";
import type { Job } from "../jobs/job.ts";
import { busyWith } from "../jobs/job-lock.ts";
import type { ApiCall } from "./api-call.ts";

/**
 * Id of a job that a caller asks for: made of the request when the caller gave it an id, so that its repetition is the
 * same job; else a new one.
 *
 * @param request - what is asked for; the same id with another request is another job
 */
export function jobIdOnDemand(call: ApiCall, instance: BackupInstance, request: readonly string[]): string {
  const requestId = call.headers["x-ms-client-request-id"];
  if (requestId === undefined || requestId === "") return call.deps.newId();
  return deriveUuid("on-demand", instance.id, JSON.stringify([requestId, ...request]));
}

export function jobOnDemand(instance: BackupInstance, id: string, request: Job["request"], now: string): Job {
  return jobFor(instance, {
    id,
    vault: vaultKey(instance.vaultArmId),
    requestedBy: "user",
    request,
    startedAt: now,
  });
}

/**
 * Refuses what cannot go on beside a job that writes.
 *
 * @throws VaultError `instance/busy`
 */
export async function requireFree(
  { deps }: ApiCall,
  instance: BackupInstance,
  hint = "wait until that job has ended",
): Promise<void> {
  const holder = await busyWith(deps.tables, vaultKey(instance.vaultArmId), instance.id);
  if (holder === undefined) return;
  throw new VaultError("instance/busy", `job '${holder}' is running on '${instance.name}'`, { hint });
}
