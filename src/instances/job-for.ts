import type { Job } from "../jobs/job.ts";
import type { BackupInstance } from "./backup-instance.ts";

/**
 * A job of an instance that is about to be requested.
 *
 * @param asked - its id is made of what asks for it, or new; `vault` is the key of the instance's vault
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
