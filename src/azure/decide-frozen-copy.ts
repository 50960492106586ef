/**
 * @module
 * An append or page blob may be written all the time, and Copy Blob takes no condition that holds while it runs. So it is
 * copied from a snapshot, which is the true state of one moment. Executions come twice and die anywhere; what they leave is
 * found in two listings, that of the source with its snapshots and that of the objects that the vault has of the blob, and
 * from these alone each execution decides what it does next.
 */
import { FULL_SAFETY } from "../foundation/safety.ts";

/** A snapshot that a copy into this vault has taken. */
export interface OurSnapshot {
  readonly id: string;
  readonly takenAt: Date;
  /** Version of the blob that it holds; absent when it was taken without a condition. */
  readonly etag?: string;
}

/** An object that the vault has of the blob. */
export interface FoundObject {
  /** The version in its name. */
  readonly etag: string;
  /** Of the copy into it; `success` also where there was none. */
  readonly copyStatus: string;
  /** The snapshot that it is a copy of; absent: it is none of a snapshot. */
  readonly snapshot?: string;
}

export interface FrozenCopySight {
  /** The version that is asked for. */
  readonly wanted: string;
  /** What was current at this moment or later will do too; absent: nothing else. */
  readonly since?: Date;
  readonly now: Date;
  /** The source as it is now; absent: it is gone. */
  readonly base?: { readonly etag: string; readonly isSameType: boolean };
  readonly snapshots: readonly OurSnapshot[];
  readonly objects: readonly FoundObject[];
}

export type FrozenCopyStep =
  /** The object of this version is there, or is being copied: it is waited for. */
  | { readonly kind: "settle"; readonly etag: string }
  /** A snapshot of exactly this version was taken by an execution that may be dead: it is copied. */
  | { readonly kind: "copy"; readonly etag: string; readonly snapshot: string }
  /** A snapshot of this version is to be taken. */
  | { readonly kind: "freeze"; readonly etag: string }
  | { readonly kind: "gone" }
  | { readonly kind: "changed" };

/** Decides how a copy of an append or page blob goes on. */
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
 * Decides which snapshots of dead executions go: those that are older than any execution lives, unless an object is still
 * being copied from one, which may take days.
 */
export function staleSnapshots(
  { now, snapshots, objects }: FrozenCopySight,
  { staleSnapshotMs } = FULL_SAFETY,
): readonly OurSnapshot[] {
  const inUse = new Set(objects.flatMap(({ copyStatus, snapshot }) => (copyStatus === "pending" ? [snapshot] : [])));
  return snapshots.filter(({ id, takenAt }) => now.getTime() - takenAt.getTime() > staleSnapshotMs && !inUse.has(id));
}
