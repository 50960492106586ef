import { mapBounded } from "../foundation/bounded-pool.ts";
import { listRecords, type RecordTable } from "../foundation/records.ts";
import type { Job } from "../jobs/job.ts";
import type { BackupInstance } from "./backup-instance.ts";
import { ALL_SCHEDULES, type Schedule } from "./schedules.ts";

/** Whether a job was started for an instance, and why not. */
export type Started =
  | { readonly start: true; readonly job: Job }
  | { readonly start: false; readonly because: string; readonly error?: unknown };

/** Instances that are checked at once. */
const CHECKING_WIDTH = 8;

export type StartedFor = Pick<Schedule, "vault" | "instanceName"> & Started;

/**
 * Starts a job for each instance that needs one, in all vaults, deleted instances too; returns the reason for each
 * other one. One instance that fails does not block the others.
 *
 * @param start - with the instance and the key of its vault
 */
export async function startForInstances(
  deps: { readonly schedules: RecordTable<Schedule>; readonly instances: RecordTable<BackupInstance> },
  start: (instance: BackupInstance, vault: string) => Promise<Started>,
): Promise<StartedFor[]> {
  const schedules: Schedule[] = [];
  for await (const { value } of listRecords(deps.schedules, ALL_SCHEDULES)) schedules.push(value);
  return mapBounded(schedules, CHECKING_WIDTH, async ({ vault, instanceName }): Promise<StartedFor> => {
    try {
      const instance = (await deps.instances.get(vault, instanceName))?.value;
      const started: Started =
        instance === undefined ? { start: false, because: "the instance was not found" } : await start(instance, vault);
      return { vault, instanceName, ...started };
    } catch (error) {
      return { vault, instanceName, start: false, because: "failed", error };
    }
  });
}
