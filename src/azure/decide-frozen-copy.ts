/**
 * @module
 * Copies of append and page blobs, which may be written to all the time. Copy Blob has no condition that holds while it
 * runs, so it copies a snapshot, a consistent state. Executions may run twice and crash anywhere, so each execution
 * decides its next step from two listings alone: the source with its snapshots, and the vault's objects of the blob.
 */
import { FULL_SAFETY } from "../foundation/safety.ts";

/** A snapshot taken by a copy into this vault. */
export interface OurSnapshot {
  readonly id: string;
  readonly takenAt: Date;
  /** Version of the blob in it; absent when it was taken without a condition. */
  readonly etag?: string;
}

/** An object of the blob in the vault. */
export interface FoundObject {
  /** The version in its name. */
  readonly etag: string;
  /** Status of the copy into it; `success` also if there was none. */
  readonly copyStatus: string;
  /** The snapshot that it is a copy of; absent: it is not the copy of a snapshot. */
  readonly snapshot?: string;
}

export interface FrozenCopySight {
  /** The requested version. */
  readonly wanted: string;
  /** Versions that were current at this time or later are acceptable; absent: only the requested one. */
  readonly since?: Date;
  readonly now: Date;
  /** The current source; absent: it is gone. */
  readonly base?: { readonly etag: string; readonly isSameType: boolean };
  readonly snapshots: readonly OurSnapshot[];
  readonly objects: readonly FoundObject[];
}

export type FrozenCopyStep =
  /** The object of this version exists, or is being copied: wait for it. */
  | { readonly kind: "settle"; readonly etag: string }
  /** An execution that may be dead took a snapshot of exactly this version: copy it. */
  | { readonly kind: "copy"; readonly etag: string; readonly snapshot: string }
  /** Take a snapshot of this version. */
  | { readonly kind: "freeze"; readonly etag: string }
  | { readonly kind: "gone" }
  | { readonly kind: "changed" };

/** Decides the next step of a copy of an append or page blob. */
export function decideFrozenCopy({ wanted, since, base, snapshots, objects }: FrozenCopySight): FrozenCopyStep {
  const fits = objects.filter(({ etag, snapshot }) => etag === wanted || isSince(snapshot, since));
  const rank = ({ etag, copyStatus }: FoundObject): number =>
    (etag === wanted ? 0 : 1) + (copyStatus === "success" ? 0 : copyStatus === "pending" ? 2 : 4);
  const [best] = fits.toSorted((a, b) => rank(a) - rank(b));
  if (best !== undefined) return { kind: "settle", etag: best.etag };
  if (base === undefined) return { kind: "gone" };
  if (!base.isSameType || (since === undefined && base.etag !== wanted)) return { kind: "changed" };
  const taken = snapshots.find(({ etag }) => etag === base.etag);
  return taken === undefined
    ? { kind: "freeze", etag: base.etag }
    : { kind: "copy", etag: base.etag, snapshot: taken.id };
}

function isSince(snapshot: string | undefined, since: Date | undefined): boolean {
  return snapshot !== undefined && since !== undefined && Date.parse(snapshot) >= since.getTime();
}

/**
 * Decides which snapshots of dead executions to delete: those that are older than the max lifetime of an execution,
 * unless an object is still being copied from one, which may take days.
 */
export function staleSnapshots(
  { now, snapshots, objects }: FrozenCopySight,
  { staleSnapshotMs } = FULL_SAFETY,
): readonly OurSnapshot[] {
  const inUse = new Set(objects.flatMap(({ copyStatus, snapshot }) => (copyStatus === "pending" ? [snapshot] : [])));
  return snapshots.filter(({ id, takenAt }) => now.getTime() - takenAt.getTime() > staleSnapshotMs && !inUse.has(id));
}
