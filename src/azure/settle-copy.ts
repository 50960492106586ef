/**
 * @module
 * Handles a blob that already has the requested name. Deletes only the version that was checked: another execution may
 * meanwhile have deleted a broken blob, copied it again, and counted it.
 */
import type { BlobClient, BlockBlobClient } from "@azure/storage-blob";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { Entry } from "../vault/entry.ts";
import {
  COPY_LIMITS,
  type CopyLimits,
  type CopyRequest,
  type CopyResult,
  newBlobOf,
  sourceOf,
} from "./copy-request.ts";
import { md5Of } from "./listed-blobs.ts";
import { answerOrNone, ifFound, mapping } from "./map-error.ts";

/**
 * Metadata of the snapshots that copies take, by which a later attempt finds abandoned ones. It contains the target
 * container, because several vaults may protect an account.
 */
export const SNAPSHOT_MARK = "lakevaultcopy";

/** The version in a snapshot, unquoted; our metadata gives the snapshot an ETag of its own. */
export const VERSION_MARK = "lakevaultetag";

/** State of a blob when no copy into it is running. */
export interface CopyEnd extends Pick<Entry, "size" | "md5"> {
  /** As in headers, with quotes. */
  readonly etag: string;
  /** `success` also for a blob that was not written by an asynchronous copy. */
  readonly status: string;
  /** Of the asynchronous copy that wrote it; empty if the source was no snapshot. */
  readonly snapshot?: string;
}

/**
 * Waits until the asynchronous copy into a blob has ended, and cleans up after it.
 *
 * @returns `pending` when the request's time was over before; `gone` when the blob no longer exists
 */
export async function waitForCopy(
  request: CopyRequest,
  limits: CopyLimits = COPY_LIMITS,
): Promise<CopyEnd | "pending" | "gone"> {
  const blob = newBlobOf(request);
  for (;;) {
    const blobState = await readProperties(blob);
    if (blobState === undefined) return "gone";
    const { copyStatus, copySource, contentLength = 0, contentMD5 } = blobState;
    if (copyStatus !== "pending") {
      const snapshot = copySource === undefined ? undefined : snapshotOf(copySource);
      if (request.etag !== undefined && snapshot) await removeSnapshot(request, snapshot);
      const etag = isMarked(blobState.metadata, request) ? await removeMarks(blob, blobState.etag) : blobState.etag;
      if (etag === undefined) continue;
      const status = copyStatus ?? "success";
      return {
        status,
        etag,
        size: contentLength,
        ...md5Of(contentMD5),
        ...present({ snapshot }),
      };
    }
    if (request.shouldContinue?.() === false) return "pending";
    await limits.pause(limits.pollMs);
  }
}

type BlobState = Awaited<ReturnType<BlobClient["getProperties"]>> & { readonly etag: string };

async function readProperties(blob: BlobClient): Promise<BlobState | undefined> {
  const blobState = await ifFound(() => blob.getProperties());
  if (blobState === undefined) return undefined;
  if (blobState.etag === undefined) throw new Error("the service returned no ETag of a blob");
  return { ...blobState, etag: blobState.etag };
}

/** @returns empty when the source of a copy was no snapshot */
export function snapshotOf(copySource: string): string {
  return URL.parse(copySource)?.searchParams.get("snapshot") ?? "";
}

/** For a snapshot from which nothing is copied any more, or that was not used. */
export async function removeSnapshot(request: CopyRequest, snapshot: string): Promise<void> {
  await sourceOf(request).withSnapshot(snapshot).deleteIfExists();
}

/** Whether a blob has our own metadata, which a copy inherits from a snapshot if the blob itself has none. */
function isMarked(metadata: Readonly<Record<string, string>> = {}, { from, to, etag }: CopyRequest): boolean {
  const vaultContainer = etag === undefined ? from.container : to.container;
  const isOurs = metadata[SNAPSHOT_MARK] === vaultContainer;
  return isOurs && Object.keys(metadata).every((name) => name === SNAPSHOT_MARK || name === VERSION_MARK);
}

/** @returns the new ETag; undefined when the blob was changed since it was read */
async function removeMarks(blob: BlockBlobClient, etag: string): Promise<string | undefined> {
  try {
    const { etag: after } = await blob.setMetadata({}, { conditions: { ifMatch: etag } });
    return after;
  } catch (error) {
    const { status, code } = answerOrNone(error);
    // "This operation is not permitted as the blob is immutable due to a policy.": they stay, and a restore removes
    // them.
    if (code === "BlobImmutableDueToPolicy") return etag;
    if (status === 404 || status === 412) return undefined;
    throw error;
  }
}

/**
 * Deletes a broken blob, if it is still the version that was checked. The service refuses to delete a blob with a
 * running copy, and its ETag changes when the copy ends.
 *
 * @returns false when it has changed
 */
async function removeAsSeen(blob: BlobClient, etag: string): Promise<boolean> {
  try {
    await blob.delete({ conditions: { ifMatch: etag } });
    return true;
  } catch (error) {
    const { status, code } = answerOrNone(error);
    if (status === 404) return true;
    if (status === 412 || code === "PendingCopyOperation") return false;
    throw error;
  }
}

/** Result for a blob that already has the requested name. */
export type Settled =
  | { readonly kind: "whole"; readonly end: CopyEnd }
  /** The time was over before the copy into it had ended. */
  | { readonly kind: "pending" }
  /** It was broken, or no longer exists: the name is free, unless another execution was faster. */
  | { readonly kind: "free" };

/** Max checks of a blob that was broken each time and changed before it could be deleted. */
const MAX_CHECKS = 10;

/**
 * Waits for an existing blob, and deletes it when it is wrong.
 *
 * @throws VaultError `storage/unavailable` (retryable)
 */
export async function settle(
  request: CopyRequest,
  limits: CopyLimits,
  isWhole: (end: CopyEnd) => boolean | Promise<boolean>,
): Promise<Settled> {
  return mapping(request.to.place, async () => {
    for (let looks = 0; looks < MAX_CHECKS; looks++) {
      const end = await waitForCopy(request, limits);
      if (end === "pending") return { kind: "pending" };
      if (end === "gone") return { kind: "free" };
      if (await isWhole(end)) return { kind: "whole", end };
      if (await removeAsSeen(newBlobOf(request), end.etag)) return { kind: "free" };
    }
    throw new VaultError("storage/unavailable", `'${request.to.name}' keeps changing`);
  });
}

/** Max copies of one blob in one call, when each is deleted as incomplete. */
const RENEWALS = 5;

/**
 * Copies until there is a complete blob with the name, whoever copied it.
 *
 * @param isWhole - checks an existing blob without a running copy
 * @throws VaultError `storage/unavailable` (retryable) when it stays incomplete, and what `copy` throws
 */
export async function copyUntilWhole(
  request: CopyRequest,
  limits: CopyLimits,
  copy: (request: CopyRequest, limits: CopyLimits) => Promise<CopyResult>,
  isWhole: (end: CopyEnd) => boolean,
): Promise<Exclude<CopyResult, { kind: "exists" | "begun" }>> {
  let hasBegun = false;
  for (let renewed = 0; renewed < RENEWALS; renewed++) {
    if (renewed > 0 && request.shouldContinue?.() === false) return { kind: "unfinished" };
    const result = await copy(request, limits);
    hasBegun ||= result.kind === "begun";
    if (result.kind !== "exists" && result.kind !== "begun") return result;
    const found = await settle(request, limits, isWhole);
    if (found.kind === "pending") return { kind: "unfinished" };
    if (found.kind === "free") continue;
    const { md5 } = found.end;
    return { kind: "copied", ...present({ md5 }), ...(hasBegun ? {} : { wasThere: true }) };
  }
  throw new VaultError("storage/unavailable", `'${request.to.name}' stays incomplete`);
}
