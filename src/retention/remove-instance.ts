import { listRecords, type RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { ProtectionFiles } from "../instances/protection-files.ts";
import { ALL_SCHEDULES, type Schedule, scheduleRow } from "../instances/schedules.ts";
import type { Job } from "../jobs/job.ts";
import { listSeals } from "../vault/list-seals.ts";
import { CONTENT_PREFIXES } from "../vault/names.ts";
import { MAX_REMOVALS, type Removal, type SweepableVault } from "../vault/vault-files.ts";

export interface RemoveInstanceDeps {
  readonly instances: RecordTable<BackupInstance>;
  readonly schedules: RecordTable<Schedule>;
  readonly recoveryPoints: RecordTable<unknown>;
  readonly attempts: RecordTable<unknown>;
  readonly pins: RecordTable<unknown>;
  /** Partition: instance id. */
  readonly scrubs: RecordTable<unknown>;
  /** Partition: vault key; rows begin with the instance id. */
  readonly alerts: RecordTable<unknown>;
  readonly files: Pick<ProtectionFiles, "remove">;
}

/**
 * Deletes what is left of a deleted instance without recovery points: what failed attempts copied, its rows, its
 * container, and last its own row. Safe to run twice: as long as that row exists, a repetition finds the rest.
 *
 * @returns whether there was time for all
 */
export async function removeInstance(
  deps: RemoveInstanceDeps,
  vault: SweepableVault,
  job: Job,
  { id, name }: BackupInstance,
  hasTime: () => boolean,
): Promise<boolean> {
  // Checked again, because what follows cannot be undone.
  const now = (await deps.instances.get(job.vault, name.toLowerCase()))?.value;
  if (now?.deletion === undefined || (await listSeals(vault)).length > 0) return true;
  for (const prefix of CONTENT_PREFIXES) {
    const files: Removal[] = [];
    for await (const { path, etag } of vault.list(prefix)) {
      files.push({ path, etag });
      if (files.length < MAX_REMOVALS) continue;
      await vault.remove(files.splice(0));
      if (!hasTime()) return false;
    }
    await vault.remove(files);
  }
  // Checks that this execution may still delete anything: what follows is not in the vault's files.
  await vault.remove([]);
  await deps.files.remove(id);
  for (const table of [deps.recoveryPoints, deps.attempts, deps.pins, deps.scrubs]) {
    for await (const { row } of listRecords(table, id)) {
      await table.remove(id, row);
      if (!hasTime()) return false;
    }
  }
  for await (const { row } of listRecords(deps.alerts, job.vault, `${id}|`)) {
    await deps.alerts.remove(job.vault, row);
    if (!hasTime()) return false;
  }
  await deps.schedules.remove(ALL_SCHEDULES, scheduleRow(job.vault, name.toLowerCase()));
  await deps.instances.remove(job.vault, name.toLowerCase());
  return true;
}
