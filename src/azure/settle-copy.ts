/**
 * @module
 * What is done about a blob that has the wanted name already. It is looked at, and only what was seen is removed: another
 * execution may meanwhile have removed a broken blob, made it anew, and counted it.
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
 * Metadata of the snapshots that copies take, by which a later attempt finds one that was left behind. It names the
 * container that is copied to, because more than one vault may protect an account.
 */
export const SNAPSHOT_MARK = "lakevaultcopy";

/** The version that a snapshot holds, unquoted; our metadata gives the snapshot an ETag of its own. */
export const VERSION_MARK = "lakevaultetag";

/** How a blob is once nothing copies into it any more. */
export interface CopyEnd extends Pick<Entry, "size" | "md5"> {
  /** As headers have it, with quotes. */
  readonly etag: string;
  /** `success` also for a blob that was not written by an asynchronous copy. */
  readonly status: string;
  /** Of the asynchronous copy that wrote it; empty where the source was no snapshot. */
  readonly snapshot?: string;
}

/**
 * Waits until the asynchronous copy into a blob has ended, and tidies up after it.
 *
 * @returns `pending` when the request's time ran out before; `gone` when there is no blob of the name any more
 */
export async function waitForCopy(
  request: CopyRequest,
  limits: CopyLimits = COPY_LIMITS,
): Promise<CopyEnd | "pending" | "gone"> {
  const blob = newBlobOf(request);
  for (;;) {
    const look = await lookAt(blob);
    if (look === undefined) return "gone";
    const { copyStatus, copySource, contentLength = 0, contentMD5 } = look;
    if (copyStatus !== "pending") {
      const snapshot = copySource === undefined ? undefined : snapshotOf(copySource);
      if (request.etag !== undefined && snapshot) await removeSnapshot(request, snapshot);
      const etag = isMarked(look.metadata, request) ? await removeMarks(blob, look.etag) : look.etag;
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

type Look = Awaited<ReturnType<BlobClient["getProperties"]>> & { readonly etag: string };

async function lookAt(blob: BlobClient): Promise<Look | undefined> {
  const look = await ifFound(() => blob.getProperties());
  if (look === undefined) return undefined;
  if (look.etag === undefined) throw new Error("the service gave a blob no ETag");
  return { ...look, etag: look.etag };
}

/** @returns empty when the source of a copy was no snapshot */
export function snapshotOf(copySource: string): string {
  return URL.parse(copySource)?.searchParams.get("snapshot") ?? "";
}

/** For a snapshot from which nothing is copied any more, or that was taken and not used. */
export async function removeSnapshot(request: CopyRequest, snapshot: string): Promise<void> {
  await sourceOf(request).withSnapshot(snapshot).deleteIfExists();
}

/** Whether a blob has our own metadata, which a copy takes over from a snapshot where the blob itself has none. */
function isMarked(metadata: Readonly<Record<string, string>> = {}, { from, to, etag }: CopyRequest): boolean {
  const vaultContainer = etag === undefined ? from.container : to.container;
  const isOurs = metadata[SNAPSHOT_MARK] === vaultContainer;
  return isOurs && Object.keys(metadata).every((name) => name === SNAPSHOT_MARK || name === VERSION_MARK);
}

/** @returns the ETag after that; undefined when the blob is not the one any more that was looked at */
async function removeMarks(blob: BlockBlobClient, etag: string): Promise<string | undefined> {
  try {
    const { etag: after } = await blob.setMetadata({}, { conditions: { ifMatch: etag } });
    return after;
  } catch (error) {
    const { status, code } = answerOrNone(error);
    // "This operation is not permitted as the blob is immutable due to a policy.": it stays, and a restore removes it.
    if (code === "BlobImmutableDueToPolicy") return etag;
    if (status === 404 || status === 412) return undefined;
    throw error;
  }
}

/**
 * Removes a blob that was found broken, if it still is the one that was looked at. One into which a copy is under way cannot
 * be removed: the service refuses it, and its ETag is another when the copy has ended.
 *
 * @returns false when it is another one by now
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

/** What came of a blob that has the wanted name already. */
export type Settled =
  | { readonly kind: "whole"; readonly end: CopyEnd }
  /** The time ran out before the copy into it had ended. */
  | { readonly kind: "pending" }
  /** It was broken, or is there no more: the name is free, unless another execution was faster. */
  | { readonly kind: "free" };

/** Looks at one blob of which each was broken and another by the time it was to be removed. */
const MAX_CHECKS = 10;

/**
 * Waits for a blob that is there, and removes it when it is not what it should be.
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
    throw new VaultError("storage/unavailable", `'${request.to.name}' is another at each look`);
  });
}

/** How often a blob that is not whole is removed and copied anew in one call. */
const RENEWALS = 5;

/**
 * Copies until there is a whole blob of the name, whoever has copied it.
 *
 * @param isWhole - about a blob that is there, and into which nothing is being copied
 * @throws VaultError `storage/unavailable` (retryable) when it does not become whole, and what `copy` throws
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
  throw new VaultError("storage/unavailable", `'${request.to.name}' does not become whole`);
}
