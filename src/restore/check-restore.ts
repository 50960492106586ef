import { mapBounded } from "../foundation/bounded-pool.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { type RecordTable, updateRecord } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { Job, RestoreRequest } from "../jobs/job.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { addTotals, type JobTotals, NO_TOTALS } from "../jobs/job-totals.ts";
import { type JobUnderWay, jobUnderWay } from "../jobs/job-under-way.ts";
import { listWork, type WorkRecord, workRows } from "../jobs/work.ts";
import { readSeal } from "../vault/read-manifest.ts";
import { joinWarnings, type Seal, type Warning } from "../vault/seal.ts";
import { FORMAT_MINOR, FORMAT_VERSION } from "../vault/version.ts";
import type { RestoreTarget, RestoreVault } from "./restore-target.ts";

export interface CheckRestoreDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly work: RecordTable<WorkRecord>;
  readonly vault: (instanceId: string) => RestoreVault;
  readonly target: (request: RestoreRequest, instanceId: string) => RestoreTarget;
}

/** Characters of the warnings in the job's row. */
const MAX_WARNINGS_LENGTH = 300_000;

/** Containers whose rows are read, or that are finished, at once. */
const READING_WIDTH = 16;

/**
 * Compares what was restored with the seal, container by container, and then gives the containers the metadata and the
 * access level of the source's, in place of the mark of the job.
 *
 * Safe to run twice: it writes the same totals, before any mark is removed; a container without the mark is finished.
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
        `container '${container}' has ${totals.entries} restored entries, but ${sealed?.entries ?? 0} sealed ones`,
      );
    }
  }
  const all = restored.reduce(addTotals, NO_TOTALS);
  // The totals show a restarted job that it needs no claim any more.
  await updateRecord(deps.jobs, ref.vault, ref.job, (row) => ({ ...row, totals: all }));
  const warnings = [...newerAdditions(seal), ...(await finishContainers(deps, job, seal))];
  if (warnings.length > 0) {
    const joined = joinWarnings([{ count: warnings.length, first: warnings }], MAX_WARNINGS_LENGTH);
    await updateRecord(deps.jobs, ref.vault, ref.job, (row) => ({ ...row, warnings: row.warnings ?? joined }));
  }
  return all;
}

/** A point may have additions that only a newer Lakevault can restore; this one restores what it knows. */
function newerAdditions({ formatMinor = 0 }: Seal): Warning[] {
  if (formatMinor <= FORMAT_MINOR) return [];
  const written = `${FORMAT_VERSION}.${formatMinor}`;
  const message =
    `the recovery point has format version ${written}, and this app knows ${FORMAT_VERSION}.${FORMAT_MINOR}: ` +
    "blobs are restored, but what was added to the format since is not; update Lakevault and restore again";
  return [{ container: "", name: "", code: "format-newer-minor", message }];
}

/** @returns a warning for each property of a source container that the target refused */
async function finishContainers(deps: CheckRestoreDeps, job: JobUnderWay, seal: Seal): Promise<Warning[]> {
  if (job.request.kind !== "restore") return [];
  const target = deps.target(job.request, job.instance);
  const refused = await mapBounded(job.containers, READING_WIDTH, async (container) => {
    const { metadata, publicAccess } = seal.containers.find(({ name }) => name === container) ?? {};
    const properties = present({ metadata, publicAccess });
    return target.finishContainer(container, job.id, properties);
  });
  return job.containers.flatMap((container, i) => {
    return (refused[i] ?? []).map((refusal) => ({ container, name: "", ...refusal }));
  });
}
