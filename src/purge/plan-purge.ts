/**
 * @module What must be read to purge a recovery point. A blob version, and a segment, exist in consecutive recovery
 *   points only: each point takes them from the point before it or not at all. So the two sealed neighbours show what
 *   is still needed, and what shares its path with a neighbour need not be read.
 */
import { VaultError } from "../foundation/errors.ts";
import type { SealedPoint } from "../vault/list-seals.ts";
import type { ManifestCache } from "../vault/manifest-cache.ts";
import type { ManifestIndex } from "../vault/manifest-index.ts";
import { readSeal } from "../vault/read-manifest.ts";
import type { Seal } from "../vault/seal.ts";
import type { SegmentRef } from "../vault/segment.ts";
import type { VaultFiles } from "../vault/vault-files.ts";
import { journalOf, type PurgeJournal } from "./purge-journal.ts";

export interface PlanDeps {
  /** Id of the backup instance. */
  readonly instance: string;
  readonly vault: Pick<VaultFiles, "read" | "list">;
  /** For the neighbours, which are read more than once, and again for the next purge. */
  readonly manifests: ManifestCache;
}

export interface Neighbours {
  /** The newest sealed point before it. */
  readonly previous: SealedPoint | undefined;
  /** The oldest sealed point after it. */
  readonly next: SealedPoint | undefined;
}

/**
 * Finds the neighbours of a recovery point, whose own seal may be gone.
 *
 * @throws VaultError `format/corrupt` when two points have the same number: the neighbour is then ambiguous
 */
export function neighboursOf({ id, sequence }: SealedPoint, sealed: readonly SealedPoint[]): Neighbours {
  const ascending = sealed.toSorted((a, b) => a.sequence - b.sequence);
  const twin = ascending.find((point, i) => ascending[i + 1]?.sequence === point.sequence);
  if (twin !== undefined) {
    throw new VaultError("format/corrupt", `two recovery points have the number ${twin.sequence}`, {
      hint: "nothing is purged, because it is unknown what each of them needs",
    });
  }
  return {
    previous: ascending.findLast((point) => point.sequence < sequence),
    // A point with the same number was sealed after the seal of this one was deleted, so it is the next one.
    next: ascending.find((point) => point.sequence >= sequence && point.id !== id),
  };
}

export interface ContainerPurge {
  /**
   * Segments that no neighbour has: they are deleted, and only their entries can have objects to delete. Listing order.
   */
  readonly own: readonly SegmentRef[];
  /** Segments of the next point that may hold those entries too. In its own listing order. */
  readonly compared: readonly SegmentRef[];
}

/** Decides what must be read of one container, from the three indexes; a neighbour may not hold the container. */
export function planContainerPurge(
  point: ManifestIndex,
  previous: ManifestIndex | undefined,
  next: ManifestIndex | undefined,
): ContainerPurge {
  const pathsOf = (index: ManifestIndex | undefined): ReadonlySet<string> =>
    new Set(index?.segments.map(({ path }) => path));
  const [held, before, after] = [pathsOf(point), pathsOf(previous), pathsOf(next)];
  const own = point.segments.filter(({ path }) => !before.has(path) && !after.has(path));
  return { own, compared: own.length === 0 ? [] : (next?.segments.filter(({ path }) => !held.has(path)) ?? []) };
}

/** What a purge is to do. {@link walkPurge} lists the files to delete, because there may be billions. */
export interface PurgePlan {
  readonly recoveryPoint: string;
  readonly sequence: number;
  /** The job that made the recovery point. */
  readonly job: string;
  /** No other recovery point is sealed, so everything is deleted. */
  readonly isLast: boolean;
  readonly neighbours: Neighbours;
  readonly containers: PurgeJournal["containers"];
}

/**
 * Plans the purge of a sealed recovery point. Changes nothing.
 *
 * @param sealed - all sealed points of the instance, as `listSeals` gives them
 * @throws VaultError `recovery-point/not-found`, `format/corrupt`, `format/missing`, `format/newer-version` when a
 *   manifest of the point or of its neighbours cannot be read; nothing is purged then
 */
export async function planPurge(
  deps: PlanDeps,
  recoveryPointId: string,
  sealed: readonly SealedPoint[],
): Promise<PurgePlan> {
  const seal = await readSeal(deps.vault, recoveryPointId);
  const neighbours = neighboursOf({ id: recoveryPointId, sequence: seal.sequence }, sealed);
  const plan = planOf(journalOf(seal, isAlone(neighbours)), neighbours);
  if (!plan.isLast) await readManifests(deps, seal, neighbours);
  return plan;
}

/** The plan of a started purge, from its journal: the seal may be gone. */
export function resumePlan(journal: PurgeJournal, sealed: readonly SealedPoint[]): PurgePlan {
  const { recoveryPoint, sequence } = journal;
  const neighbours = neighboursOf({ id: recoveryPoint, sequence }, sealed);
  if (isAlone(neighbours) && !journal.isLast) {
    throw new VaultError(
      "format/missing",
      `all other recovery points disappeared during the purge of '${recoveryPoint}'`,
      {
        hint: "something other than Lakevault changed the vault account; nothing more is deleted",
      },
    );
  }
  return planOf({ ...journal, isLast: isAlone(neighbours) }, neighbours);
}

function planOf(journal: PurgeJournal, neighbours: Neighbours): PurgePlan {
  const { recoveryPoint, sequence, job, isLast, containers } = journal;
  return { recoveryPoint, sequence, job, isLast, neighbours, containers };
}

function isAlone({ previous, next }: Neighbours): boolean {
  return previous === undefined && next === undefined;
}

/** Reads every manifest that the purge will need, so that it does not start when one is damaged. */
async function readManifests(deps: PlanDeps, seal: Seal, neighbours: Neighbours): Promise<void> {
  const seals = await readNeighbours(deps, neighbours);
  for (const { name } of seal.containers) {
    await deps.manifests.readIndex(deps.vault, seal, name);
    await readIndexes(deps, seals, name);
  }
}

/** The seals of the neighbours, the previous one first. */
export type NeighbourSeals = readonly [Seal | undefined, Seal | undefined];

/** @throws VaultError `recovery-point/not-found`, `format/corrupt`, `format/newer-version` */
export async function readNeighbours(
  { instance, vault, manifests }: PlanDeps,
  { previous, next }: Neighbours,
): Promise<NeighbourSeals> {
  const read = async (point: SealedPoint | undefined): Promise<Seal | undefined> =>
    point === undefined ? undefined : manifests.readSeal(vault, instance, point.id);
  return [await read(previous), await read(next)];
}

/** @throws VaultError `format/missing`, `format/corrupt`, `format/newer-version` */
export async function readIndexes(
  { vault, manifests }: PlanDeps,
  [previous, next]: NeighbourSeals,
  container: string,
): Promise<[ManifestIndex | undefined, ManifestIndex | undefined]> {
  const read = async (seal: Seal | undefined): Promise<ManifestIndex | undefined> =>
    seal === undefined ? undefined : manifests.readIndex(vault, seal, container);
  return [await read(previous), await read(next)];
}
