import { mapBounded } from "../foundation/bounded-pool.ts";
import { listRecords, type RecordTable } from "../foundation/records.ts";
import type { Job } from "../jobs/job.ts";
import type { BackupInstance } from "./backup-instance.ts";
import { ALL_SCHEDULES, type Schedule } from "./schedules.ts";

/** Whether a job was started for an instance, and why not. */
export type Started =
  | { readonly start: true; readonly job: Job }
  | { readonly start: false; readonly because: string; readonly error?: unknown };

/** Instances looked at at once. */
const LOOKING_WIDTH = 8;

export type StartedFor = Pick<Schedule, "vault" | "instanceName"> & Started;

/**
 * Starts a job for each instance that wants one, in all vaults, deleted ones too, and tells why of the others it has not. One
 * that fails holds up none of the others.
 *
 * @param start - with the instance and the key of its vault
 */
export async function startForInstances(
  deps: { readonly schedules: RecordTable<Schedule>; readonly instances: RecordTable<BackupInstance> },
  start: (instance: BackupInstance, vault: string) => Promise<Started>,
): Promise<StartedFor[]> {
  const schedules: Schedule[] = [];
  for await (const { value } of listRecords(deps.schedules, ALL_SCHEDULES)) schedules.push(value);
  return mapBounded(schedules, LOOKING_WIDTH, async ({ vault, instanceName }): Promise<StartedFor> => {
    try {
      const instance = (await deps.instances.get(vault, instanceName))?.value;
      const started: Started =
        instance === undefined ? { start: false, because: "there is no such instance" } : await start(instance, vault);
      return { vault, instanceName, ...started };
    } catch (error) {
      return { vault, instanceName, start: false, because: "failed", error };
    }
  });
}
