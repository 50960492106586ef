/**
 * @module
 * Server-side copies: copies one blob from one account to another without moving it through the app.
 *
 * - block blobs up to 256 MiB: Copy Blob From URL, one synchronous request
 * - larger block blobs: Put Block From URL in parallel, then Put Block List; blocks that an earlier attempt copied are
 *   not copied again
 * - append and page blobs, and large ones whose metadata do not fit into request headers: Copy Blob, asynchronous, from
 *   a snapshot if the source may change
 *
 * Requests are not retried: the caller runs copies under a pool, which backs off for all of them together.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/copy-blob-from-url
 * @see https://learn.microsoft.com/rest/api/storageservices/put-block-from-url
 * @see https://learn.microsoft.com/rest/api/storageservices/copy-blob
 */
import { createHash } from "node:crypto";
import type { BlockBlobClient } from "@azure/storage-blob";
import { isTransient } from "../foundation/adaptive-pool.ts";
import { mapBounded } from "../foundation/bounded-pool.ts";
import { present } from "../foundation/present.ts";
import { copyInBackground } from "./copy-in-background.ts";
import {
  COPY_LIMITS,
  type CopyLimits,
  type CopyRequest,
  type CopyResult,
  ifUnchanged,
  MAX_BLOCKS,
  newBlobOf,
  ONLY_IF_FREE,
  sourceOf,
  tierAndTags,
} from "./copy-request.ts";
import { explain, refusingPlace } from "./explain-copy.ts";
import { md5Of, quoted, unquoted } from "./listed-blobs.ts";
import { listSource, metadataOf, unlistedMetadata } from "./listed-source.ts";
import { ifFound, mapError } from "./map-error.ts";
import type { ListedProperties } from "./parse-listing.ts";

/**
 * Copies a blob with its content, properties and metadata, to a free name unless the request says otherwise.
 *
 * @throws VaultError `storage/throttled`, `storage/unavailable` (retryable), `datasource/forbidden`
 */
export async function copyBlob(request: CopyRequest, limits: CopyLimits = COPY_LIMITS): Promise<CopyResult> {
  try {
    if (request.type === "append" || request.type === "page") return await copyInBackground(request, limits);
    return request.size <= limits.wholeBytes ? await copyWhole(request) : await copyInBlocks(request, limits);
  } catch (error) {
    return explain(error, request);
  }
}

async function copyWhole(request: CopyRequest): Promise<CopyResult> {
  const { url, authorization } = await request.from.account.copySource(sourceOf(request));
  const { contentMD5 } = await newBlobOf(request).syncCopyFromURL(url, {
    conditions: request.over === undefined ? { ...ONLY_IF_FREE } : { ifMatch: request.over },
    sourceConditions: ifUnchanged(request),
    abortSignal: request.to.account.whileMoving(request.size),
    ...present({ sourceAuthorization: authorization }),
    ...tierAndTags(request),
  });
  return { kind: "copied", ...md5Of(contentMD5) };
}

async function copyInBlocks(request: CopyRequest, limits: CopyLimits): Promise<CopyResult> {
  const { value: listed } = await listSource(request, false).next();
  if (listed === undefined) return { kind: "gone" };
  const { properties } = listed;
  if (request.etag !== undefined && unquoted(properties.etag) !== request.etag) return { kind: "changed" };
  const unlisted = unlistedMetadata(listed);
  if (unlisted !== undefined) return unlisted;
  if (!canBeSent(Object.values(metadataOf(listed)))) {
    const message =
      "its metadata has characters that no request header can carry, and it is too large for a copy in one request";
    return { kind: "unreadable", code: "metadata-not-sendable", message };
  }
  // The service itself copies what we cannot send.
  if (!canBeSent(Object.values(headersOf(properties)))) return copyInBackground(request, limits);
  const staged = await blocksOf(newBlobOf(request));
  if (staged === "committed") return { kind: "exists" };

  const source = sourceOf(request);
  // Without the condition on each block, a blob that is replaced meanwhile would be mixed from two versions.
  const blob = request.to.account.pinnedTo(quoted(unquoted(properties.etag)), newBlobOf(request));
  const blockBytes = Math.max(limits.blockBytes, Math.ceil(request.size / MAX_BLOCKS));
  const version = versionMark(request, properties.etag, blockBytes);
  const blocks = Array.from({ length: Math.ceil(request.size / blockBytes) }, (_, n) => n);
  const shouldContinue = request.shouldContinue ?? (() => true);
  let isCutOff = false;
  let copied = 0;
  const ids = await mapBounded(blocks, limits.blockWidth, async (n) => {
    const offset = n * blockBytes;
    const length = Math.min(blockBytes, request.size - offset);
    const id = Buffer.from(`${version}-${String(offset).padStart(15, "0")}`).toString("base64");
    // At least one block, so that any number of short attempts completes.
    isCutOff ||= copied > 0 && !shouldContinue();
    if (isCutOff || staged.get(id) === length) return id;
    const isCopied = await underPressure(request, shouldContinue, async () => {
      const { url, authorization } = await request.from.account.copySource(source);
      await blob.stageBlockFromURL(id, url, offset, length, {
        abortSignal: request.to.account.whileMoving(length),
        ...present({ sourceAuthorization: authorization }),
      });
    });
    if (isCopied) copied += 1;
    else isCutOff = true;
    return id;
  });
  if (isCutOff) return { kind: "unfinished" };
  const metadata = metadataOf(listed);
  await request.to.account.writing(metadata, newBlobOf(request)).commitBlockList(ids, {
    conditions: { ...ONLY_IF_FREE },
    blobHTTPHeaders: headersOf(properties),
    metadata,
    ...tierAndTags(request),
  });
  return { kind: "copied" };
}

/**
 * Copies a block within the account's limit; {@link explain} handles all errors except throttling.
 *
 * @returns whether there was time for it
 */
async function underPressure(
  request: CopyRequest,
  shouldContinue: () => boolean,
  copyBlock: () => Promise<void>,
): Promise<boolean> {
  const { results, gaveUp } = await request.to.account.blocks.mapWhile([copyBlock], shouldContinue, async (copy) => {
    try {
      await copy();
      return true;
    } catch (error) {
      const failure = mapError(error, refusingPlace(error, request));
      throw isTransient(failure) ? failure : error;
    }
  });
  if (gaveUp !== undefined) throw gaveUp;
  return results[0] === true;
}

/**
 * Part of a block's id: a block with it has bytes of this version of this source, whoever copied it and when. It
 * includes the length, so that a copy with other block sizes does not replace a block that another is about to commit.
 */
function versionMark({ from }: CopyRequest, etag: string, blockBytes: number): string {
  const source = JSON.stringify([from.account.name, from.container, from.name, unquoted(etag), blockBytes]);
  return createHash("sha256").update(source).digest("hex").slice(0, 32);
}

/** @returns lengths of the uncommitted blocks, by id */
async function blocksOf(blob: BlockBlobClient): Promise<ReadonlyMap<string, number> | "committed"> {
  const { committedBlocks = [], uncommittedBlocks = [] } = (await ifFound(() => blob.getBlockList("all"))) ?? {};
  if (committedBlocks.length > 0) return "committed";
  return new Map(uncommittedBlocks.map(({ name, size }) => [name, size]));
}

/**
 * Whether request headers can carry some texts. Node sends a character up to U+00FF as one byte and refuses all above;
 * a service that reads UTF-8, or checks a signature over it, then sees another text.
 */
function canBeSent(values: readonly (string | Uint8Array)[]): boolean {
  return values.every((value) => typeof value !== "string" || /^[\x20-\x7e]*$/.test(value));
}

function headersOf(p: ListedProperties): Record<string, string | Uint8Array> {
  const headers = {
    blobContentType: p.contentType,
    blobContentEncoding: p.contentEncoding,
    blobContentLanguage: p.contentLanguage,
    blobContentDisposition: p.contentDisposition,
    blobCacheControl: p.cacheControl,
    // Put Block List computes none, so the source's is kept.
    blobContentMD5: p.contentMD5,
  };
  return Object.fromEntries(
    Object.entries(headers).filter((pair): pair is [string, string | Uint8Array] => (pair[1]?.length ?? 0) > 0),
  );
}
