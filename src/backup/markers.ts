/**
 * @module
 * The marker is a small blob that a job writes into each source container before it lists it. Its arrival in the vault,
 * after all ranges of the container, proves that the container is replicated up to the moment it was written.
 */
import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { Job } from "../jobs/job.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { type JobUnderWay, jobUnderWay } from "../jobs/job-under-way.ts";
import { getWork, type WorkRecord, workRows } from "../jobs/work.ts";
import { sourceMarkerName, vaultMarkerPath } from "../vault/names.ts";
import type { BackupVault } from "./backup-vault.ts";
import type { Datasource } from "./datasource.ts";
import { type MarkerCheckMessage, replicatedEvent } from "./messages.ts";
import { areRangesIn } from "./range-tallies.ts";
import { containerOutcome, type SkipReason, skipContainer, skipOrThrow, skipReasonOf } from "./skip-container.ts";

/** Containers that are touched at once. */
export const MARKER_WIDTH = 16;

export interface MarkersDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly datasource: (instance: BackupInstance) => Datasource;
}

export interface WriteMarkersDeps extends MarkersDeps {
  readonly work: RecordTable<WorkRecord>;
}

/** What a marker says: the same at every attempt of its job. */
function markerContent(job: JobUnderWay, container: string): string {
  const { id, sequence } = job.recoveryPoint;
  return `${JSON.stringify({ job: job.id, recoveryPoint: id, sequence, container })}\n`;
}

/**
 * Writes the job's marker into each of its source containers. A container that does not take it is skipped; when none does,
 * it is the account.
 *
 * Safe to run twice: a marker that is there stays, and the listings begin after this step. The row says which marker was
 * first, so that one that is written late into a container that was made anew is known for what it is.
 *
 * @throws VaultError what the first container answered, when no container takes its marker
 */
export async function writeMarkersActivity(deps: WriteMarkersDeps, ref: JobRef): Promise<null> {
  const under = await jobUnderWay(deps, ref);
  if (under === undefined) return null;
  const { job, instance } = under;
  const datasource = deps.datasource(instance);
  const failed = await mapBounded(job.containers, MARKER_WIDTH, async (container) => {
    // What is decided about a container stays, also when its marker could not be written again.
    if ((await containerOutcome(deps.work, job.id, container)) !== undefined) return [];
    try {
      const etag = await datasource.writeMarker(
        container,
        sourceMarkerName(container, job.id),
        markerContent(job, container),
      );
      await deps.work.insert(job.id, workRows.marked(container), { kind: "marked", container, etag });
      return [];
    } catch (error) {
      const reason = skipReasonOf(error);
      if (reason === undefined) throw error;
      return [{ container, error, reason }];
    }
  });
  const skipped = failed.flat();
  if (skipped.length > 0 && skipped.length === job.containers.length) throw skipped[0]?.error;
  await mapBounded(skipped, MARKER_WIDTH, ({ container, reason }) =>
    skipContainer(deps.work, job.id, container, reason),
  );
  return null;
}

export interface CheckMarkerDeps extends WriteMarkersDeps {
  readonly vault: (instance: BackupInstance) => BackupVault;
  readonly clock: Clock;
}

/**
 * Replicates the container's marker into the vault once all of its ranges are in, and reads it back. A container in which
 * the marker is not the one that was written is skipped: it may have been deleted and made again between two pages of its
 * listing.
 *
 * Safe to run twice: the marker is copied over itself, what becomes of the container is one row, inserted once, and an
 * orchestration takes each event once.
 *
 * @returns the event to raise to the backup's orchestration; undefined when ranges are still out, or the job has ended
 * @throws VaultError `marker/not-replicated` (retryable) when the vault does not hold what was written
 */
export async function checkMarker(deps: CheckMarkerDeps, message: MarkerCheckMessage): Promise<string | undefined> {
  const under = await jobUnderWay(deps, message);
  if (under === undefined) return undefined;
  const { job, instance } = under;
  const { container, group } = message;
  if ((await containerOutcome(deps.work, job.id, container)) !== undefined) return replicatedEvent(container);
  if (!(await areRangesIn(deps.work, job.id, container, group))) return undefined;

  const datasource = deps.datasource(instance);
  try {
    const reason = await replicateMarker(deps, job, datasource, deps.vault(instance), container);
    if (reason !== undefined) await skipContainer(deps.work, job.id, container, reason);
  } catch (error) {
    await skipOrThrow({ work: deps.work, datasource }, job, container, error);
  }
  return replicatedEvent(container);
}

/** @returns why the container cannot be in the recovery point */
async function replicateMarker(
  deps: CheckMarkerDeps,
  job: JobUnderWay,
  datasource: Datasource,
  vault: BackupVault,
  container: string,
): Promise<SkipReason | undefined> {
  const path = vaultMarkerPath(job.id, container);
  const marked = await getWork(deps.work, job.id, workRows.marked(container), "marked");
  const outcome = await vault.copyMarker(container, sourceMarkerName(container, job.id), path, marked?.etag);
  switch (outcome.kind) {
    case "refused":
    case "unreadable":
      throw new VaultError("datasource/refused", outcome.message, { serviceCode: outcome.code });
    case "gone":
    case "changed":
      return (await datasource.containerExists(container)) ? replaced(container) : missing(container);
    case "unfinished":
    case "copied":
      break;
  }
  const arrived = await vault.read(path);
  if (arrived === undefined || new TextDecoder().decode(arrived) !== markerContent(job, container)) {
    throw new VaultError("marker/not-replicated", `the marker of container '${container}' did not arrive`, {
      hint: "something removes or changes blobs under 'markers/' in the vault account",
    });
  }
  await deps.work.insert(job.id, workRows.marker(container), {
    kind: "marker",
    container,
    replicatedAt: deps.clock().toISOString(),
  });
  return undefined;
}

function missing(container: string): SkipReason {
  return { code: "container-missing", message: `container '${container}' was deleted while it was backed up` };
}

function replaced(container: string): SkipReason {
  return {
    code: "container-replaced",
    message:
      `container '${container}' was deleted and made again while it was backed up, ` +
      "or something removes or changes blobs under '.lakevault/' in it",
  };
}
