import type { Job } from "../jobs/job.ts";
import type { BackupInstance } from "./backup-instance.ts";

/**
 * Returns the job of an instance, before it is requested.
 *
 * @param asked - `id`: derived from the request, or new; `vault`: key of the instance's vault
 */
export function jobFor(
  instance: BackupInstance,
  asked: Pick<Job, "id" | "vault" | "requestedBy" | "request" | "startedAt">,
): Job {
  return {
    ...asked,
    instanceName: instance.name.toLowerCase(),
    instance: instance.id,
    status: "InProgress",
    policyName: instance.policyName,
  };
}
