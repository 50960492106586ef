import { mapBounded } from "../foundation/bounded-pool.ts";
import { VaultError } from "../foundation/errors.ts";
import { type RecordTable, updateRecord } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/contract.ts";
import { addTotals, type Job, type JobRef, type JobTotals, NO_TOTALS } from "../jobs/contract.ts";
import { jobUnderWay } from "../jobs/job-under-way.ts";
import { listWork, type WorkRecord, workRows } from "../jobs/work.ts";
import { readSeal } from "../vault/read-manifest.ts";
import type { RestoreVault } from "./contract.ts";

export interface CheckRestoreDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly work: RecordTable<WorkRecord>;
  readonly vault: (instanceId: string) => RestoreVault;
}

/** Containers whose rows are read at once. */
const READING_WIDTH = 16;

/**
 * Compares what was restored with what the seal says, container by container.
 *
 * Safe to run twice: it only reads, and notes the same totals.
 *
 * @throws VaultError `restore/verification-failed`
 */
export async function checkRestoreActivity(deps: CheckRestoreDeps, ref: JobRef): Promise<JobTotals> {
  const under = await jobUnderWay(deps, ref);
  if (under === undefined) return (await deps.jobs.get(ref.vault, ref.job))?.value.totals ?? NO_TOTALS;
  const { job } = under;
  const seal = await readSeal(deps.vault(job.instance), job.recoveryPoint.id);
  const restored = await mapBounded(job.containers, READING_WIDTH, async (container) => {
    const segments = await listWork(deps.work, job.id, workRows.restoredAll(container), "restored");
    return segments.map((segment) => segment.totals).reduce(addTotals, NO_TOTALS);
  });
  for (const [i, container] of job.containers.entries()) {
    const totals = restored[i] ?? NO_TOTALS;
    const sealed = seal.containers.find(({ name }) => name === container);
    if (sealed?.entries !== totals.entries || sealed.bytes !== totals.bytes) {
      throw new VaultError(
        "restore/verification-failed",
        `container '${container}' has ${totals.entries} entries restored, but ${sealed?.entries ?? 0} are sealed`,
      );
    }
  }
  const all = restored.reduce(addTotals, NO_TOTALS);
  await updateRecord(deps.jobs, ref.vault, ref.job, (row) => ({ ...row, totals: all }));
  return all;
}
