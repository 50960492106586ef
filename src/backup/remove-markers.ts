import { type Alert, type Condition, MAX_ALERT_NAMES, raiseOrResolve } from "../alerts/alert.ts";
import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import type { RecordTable } from "../foundation/records.ts";
import { isOpen, type Job } from "../jobs/job.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { jobOfMarker, sourceMarkerPrefix } from "../vault/names.ts";
import type { Datasource, SourceMarker } from "./datasource.ts";
import { MARKER_WIDTH, type MarkersDeps } from "./markers.ts";
import { skipReasonOf } from "./skip-container.ts";

export interface RemoveMarkersDeps extends MarkersDeps {
  readonly alerts: RecordTable<Alert>;
  readonly clock: Clock;
}

/** Markers of earlier jobs that one job tries to delete in one container. */
const MAX_EARLIER_MARKERS = 200;

/** A policy releases old blobs first, so after this many consecutive refusals younger ones are not tried. */
const MAX_REFUSALS = 3;

export const MARKERS_LEFT = "backup.markers-left";

/**
 * Deletes the job's markers from the source containers, also those of a failed job, and those that earlier jobs of the
 * instance had to leave. Markers that the source keeps, under an immutability policy or a legal hold, are counted in
 * one alert, and retried by the next job.
 *
 * Safe to run twice: a marker is deleted only with its listed ETag, and one that is gone is not listed.
 */
export async function removeMarkersActivity(deps: RemoveMarkersDeps, ref: JobRef): Promise<null> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  const instance = job && (await deps.instances.get(job.vault, job.instanceName))?.value;
  if (job?.containers === undefined || instance === undefined) return null;
  const datasource = deps.datasource(instance);
  const left = await mapBounded(job.containers, MARKER_WIDTH, async (container) => {
    try {
      return { container, count: await removeFrom(deps.jobs, job, datasource, container) };
    } catch (error) {
      // A container that is gone has no markers, and one that refuses has refused its marker too.
      if (skipReasonOf(error) === undefined) throw error;
      return { container, count: 0 };
    }
  });
  const keeping = left.filter(({ count }) => count > 0);
  const found = keeping.length > 0 ? alertOf(job, keeping) : undefined;
  const checked = { instance: job.instance, kind: MARKERS_LEFT } as const;
  await raiseOrResolve(deps.alerts, job.vault, checked, found, deps.clock());
  return null;
}

/** @returns how many markers of this job and of earlier ones are left in the container */
async function removeFrom(
  jobs: RecordTable<Job>,
  job: Job,
  datasource: Datasource,
  container: string,
): Promise<number> {
  const found = await datasource.listMarkers(container, sourceMarkerPrefix(container));
  const ours = await oursAmong(jobs, job, container, found);
  let removed = 0;
  let refusals = 0;
  for (const marker of ours) {
    if (refusals >= MAX_REFUSALS) break;
    const isGone = (await datasource.removeMarker(container, marker)) === "removed";
    refusals = isGone ? 0 : refusals + 1;
    removed += isGone ? 1 : 0;
  }
  if (found.length === removed) await datasource.removeMarkerDirectory(container);
  return ours.length - removed;
}

/** The job's own marker, then those of ended jobs of its instance, oldest first. Others may belong to another vault. */
async function oursAmong(
  jobs: RecordTable<Job>,
  { id, vault, instance }: Job,
  container: string,
  found: readonly SourceMarker[],
): Promise<SourceMarker[]> {
  const own = found.filter(({ name }) => name === `${sourceMarkerPrefix(container)}${id}`);
  const others = found
    .filter(({ name }) => jobOfMarker(container, name) !== undefined && !own.some((marker) => marker.name === name))
    .toSorted((a, b) => a.writtenAt.getTime() - b.writtenAt.getTime())
    .slice(0, MAX_EARLIER_MARKERS);
  const rows = await mapBounded(others, MARKER_WIDTH, ({ name }) =>
    jobs.get(vault, jobOfMarker(container, name) ?? ""),
  );
  return [
    ...own,
    ...others.filter((_, i) => {
      const row = rows[i]?.value;
      return row !== undefined && row.instance === instance && !isOpen(row);
    }),
  ];
}

function alertOf(
  { instance, instanceName }: Job,
  left: readonly { readonly container: string; readonly count: number }[],
): Condition {
  const markers = left.reduce((sum, { count }) => sum + count, 0);
  return {
    kind: MARKERS_LEFT,
    severity: "warning",
    instance,
    instanceName,
    subject: "source account",
    message:
      `${markers} markers of ended backups cannot be deleted from containers of the source, ` +
      "because an immutability policy or a legal hold keeps them; each backup leaves one more",
    details: { counts: { markers }, names: left.slice(0, MAX_ALERT_NAMES).map(({ container }) => container) },
  };
}
