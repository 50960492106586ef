/**
 * @module
 * What must be looked at to purge a recovery point. A version of a blob, and a segment, live in an unbroken run of
 * recovery points: each point takes them from the one before it or not at all. So the sealed neighbours alone tell what
 * still needs them, and what is shared with a neighbour by path needs no look.
 */
import { VaultError } from "../foundation/errors.ts";
import { listSeals, type SealedPoint } from "../vault/list-seals.ts";
import type { ManifestCache } from "../vault/manifest-cache.ts";
import type { ManifestIndex } from "../vault/manifest-index.ts";
import { readSeal } from "../vault/read-manifest.ts";
import type { Seal } from "../vault/seal.ts";
import type { SegmentRef } from "../vault/segment.ts";
import type { VaultFiles } from "../vault/vault-files.ts";

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
 * Finds the neighbours of a recovery point, which may itself be sealed no more.
 *
 * @throws VaultError `format/corrupt` when two points have the same number: then none can be told to be the neighbour
 */
export function neighboursOf({ id, sequence }: SealedPoint, sealed: readonly SealedPoint[]): Neighbours {
  const ascending = sealed.toSorted((a, b) => a.sequence - b.sequence);
  const twin = ascending.find((point, i) => ascending[i + 1]?.sequence === point.sequence);
  if (twin !== undefined) {
    throw new VaultError("format/corrupt", `two recovery points have the number ${twin.sequence}`, {
      hint: "nothing is purged, because nobody can tell what each of them needs",
    });
  }
  return {
    previous: ascending.findLast((point) => point.sequence < sequence),
    // One of the same number was made after the seal of this one went, so it comes after it.
    next: ascending.find((point) => point.sequence >= sequence && point.id !== id),
  };
}

export interface ContainerPurge {
  /** Segments that no neighbour has: they go, and only entries in them can have objects that go. In listing order. */
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

/** What a purge would do, as far as the indexes tell. */
export interface PurgePlan {
  readonly recoveryPoint: string;
  readonly previous: string | undefined;
  readonly next: string | undefined;
  /** Segments that the point names; 0, as the next two, for the last point, with which all goes unread. */
  readonly segments: number;
  /** Those of them that go. */
  readonly segmentsRemoved: number;
  /** Segments read at most, its own and the next point's. */
  readonly segmentsRead: number;
  /** Entries in the segments that go: no more objects than that are removed. */
  readonly maxObjects: number;
}

/**
 * Plans the purge of a sealed recovery point, without touching anything.
 *
 * @throws VaultError `recovery-point/not-found`, `format/corrupt`, `format/missing`, `format/newer-version`: what cannot
 *   be read is not purged
 */
export async function planPurge(deps: PlanDeps, recoveryPointId: string): Promise<PurgePlan> {
  const { vault } = deps;
  const seal = await readSeal(vault, recoveryPointId);
  const { previous, next } = neighboursOf({ id: recoveryPointId, sequence: seal.sequence }, await listSeals(vault));
  const plan = { recoveryPoint: recoveryPointId, previous: previous?.id, next: next?.id };
  if (previous === undefined && next === undefined) {
    return { ...plan, segments: 0, segmentsRemoved: 0, segmentsRead: 0, maxObjects: seal.entries };
  }
  const seals = await readNeighbours(deps, { previous, next });
  const counts = { segments: 0, segmentsRemoved: 0, segmentsRead: 0, maxObjects: 0 };
  for (const { name } of seal.containers) {
    const index = await deps.manifests.readIndex(vault, seal, name);
    if (index === undefined) continue;
    const { own, compared } = planContainerPurge(index, ...(await readIndexes(deps, seals, name)));
    counts.segments += index.segments.length;
    counts.segmentsRemoved += own.length;
    counts.segmentsRead += own.length + compared.length;
    counts.maxObjects += own.reduce((sum, { entries }) => sum + entries, 0);
  }
  return { ...plan, ...counts };
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
