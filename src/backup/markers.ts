/**
 * @module
 * The marker is a small blob that a job writes into each source container before it lists it. Its arrival in the vault,
 * after all ranges of the container, proves that the container is replicated up to the moment it was written.
 */
import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/contract.ts";
import type { Job, JobRef } from "../jobs/contract.ts";
import { type JobUnderWay, jobUnderWay } from "../jobs/job-under-way.ts";
import { type WorkRecord, workRows } from "../jobs/work.ts";
import { sourceMarkerName, vaultMarkerPath } from "../vault/names.ts";
import { type BackupVault, type Datasource, type MarkerCheckMessage, replicatedEvent } from "./contract.ts";
import { areRangesIn } from "./range-tallies.ts";

/** Containers that are touched at once. */
const MARKER_WIDTH = 16;

export interface MarkersDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly datasource: (instance: BackupInstance) => Datasource;
}

/** What a marker says: the same at every attempt of its job. */
function markerContent(job: JobUnderWay, container: string): string {
  const { id, sequence } = job.recoveryPoint;
  return `${JSON.stringify({ job: job.id, recoveryPoint: id, sequence, container })}\n`;
}

/**
 * Writes the job's marker into each of its source containers.
 *
 * Safe to run twice: the same marker is written over itself, and the listings begin after this step.
 */
export async function writeMarkersActivity(deps: MarkersDeps, ref: JobRef): Promise<null> {
  const under = await jobUnderWay(deps, ref);
  if (under === undefined) return null;
  const { job, instance } = under;
  const datasource = deps.datasource(instance);
  await mapBounded(job.containers, MARKER_WIDTH, (container) =>
    datasource.writeMarker(container, sourceMarkerName(container, job.id), markerContent(job, container)),
  );
  return null;
}

/**
 * Removes the job's markers from the source containers, also those of a job that failed.
 *
 * Safe to run twice: a marker that is gone is fine.
 */
export async function removeMarkersActivity(deps: MarkersDeps, ref: JobRef): Promise<null> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  const instance = job && (await deps.instances.get(job.vault, job.instanceName))?.value;
  if (job?.containers === undefined || instance === undefined) return null;
  const datasource = deps.datasource(instance);
  await mapBounded(job.containers, MARKER_WIDTH, (container) =>
    datasource.removeMarker(container, sourceMarkerName(container, job.id)),
  );
  return null;
}

export interface CheckMarkerDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly work: RecordTable<WorkRecord>;
  readonly vault: (instance: BackupInstance) => BackupVault;
  readonly clock: Clock;
}

/**
 * Replicates the container's marker into the vault once all of its ranges are in, and reads it back.
 *
 * Safe to run twice: the marker is copied over itself, its row is written once, and an orchestration takes each event
 * once.
 *
 * @returns the event to raise to the backup's orchestration; undefined when ranges are still out, or the job has ended
 * @throws VaultError `marker/not-replicated` (retryable) when the vault does not hold what was written
 */
export async function checkMarker(deps: CheckMarkerDeps, message: MarkerCheckMessage): Promise<string | undefined> {
  const under = await jobUnderWay(deps, message);
  if (under === undefined) return undefined;
  const { job, instance } = under;
  const { container, group } = message;
  if (!(await areRangesIn(deps.work, job.id, container, group))) return undefined;

  const vault = deps.vault(instance);
  const path = vaultMarkerPath(job.id, container);
  const outcome = await vault.copyMarker(container, sourceMarkerName(container, job.id), path);
  const arrived = outcome.kind === "copied" ? await vault.read(path) : undefined;
  if (arrived === undefined || new TextDecoder().decode(arrived) !== markerContent(job, container)) {
    throw new VaultError("marker/not-replicated", `the marker of container '${container}' did not arrive`, {
      hint: "something removes or changes blobs under '.lakevault/' in the source container",
    });
  }
  await deps.work.insert(job.id, workRows.marker(container), {
    kind: "marker",
    container,
    replicatedAt: deps.clock().toISOString(),
  });
  return replicatedEvent(container);
}
