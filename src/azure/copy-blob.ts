/**
 * @module
 * The copy ladder: how one blob gets from one account to another without passing through the app.
 *
 * - block blobs up to 256 MiB: Copy Blob From URL, one synchronous request
 * - larger block blobs: Put Block From URL in parallel, then Put Block List; blocks that an earlier attempt copied are
 *   not copied again
 * - append and page blobs: Copy Blob, asynchronous, from a snapshot where the source may change
 *
 * Requests are tried once: the caller runs copies under a pool, which backs off for all of them together.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/copy-blob-from-url
 * @see https://learn.microsoft.com/rest/api/storageservices/put-block-from-url
 * @see https://learn.microsoft.com/rest/api/storageservices/copy-blob
 */
import { createHash } from "node:crypto";
import type { BlobClient, BlobItem, BlobProperties, BlockBlobClient, ContainerClient } from "@azure/storage-blob";
import { isPressure } from "../foundation/adaptive-pool.ts";
import { mapBounded } from "../foundation/bounded-pool.ts";
import { VaultError } from "../foundation/errors.ts";
import type { Entry } from "../vault/entry.ts";
import type { BlobAccount, Tries } from "./blob-account.ts";
import { md5Of, quoted, unquoted } from "./listed-blobs.ts";
import { answerOf, mapError, type Place, type ServiceAnswer } from "./map-error.ts";

export interface BlobPlace {
  readonly account: BlobAccount;
  readonly container: string;
  readonly name: string;
  /** How errors name the account. */
  readonly place: Place;
}

export interface CopyRequest {
  readonly from: BlobPlace;
  readonly to: BlobPlace;
  /** Length of the source's content, bytes. */
  readonly size: number;
  /** Absent: a block blob. */
  readonly type?: Entry["type"];
  /** The source's version, unquoted. Absent: the source never changes. */
  readonly etag?: string;
  /** Access tier of the new blob, for block blobs only; absent: the account's default. */
  readonly tier?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Writes over a blob that has the name; for blobs of one request only. */
  readonly overwrite?: true;
  /** Absent: `once`. */
  readonly tries?: Tries;
  /** Asked between blocks, and while an asynchronous copy is waited for; absent: always. */
  readonly goesOn?: () => boolean;
}

export type CopyResult =
  /** `md5`: of the content, base64, where the service worked it out. */
  | { readonly kind: "copied"; readonly md5?: string }
  /** A blob has the name already; nothing was written. */
  | { readonly kind: "exists" }
  /** `goesOn` said no; another attempt goes on from here. */
  | { readonly kind: "unfinished" }
  /** The source is not the wanted version any more. */
  | { readonly kind: "changed" }
  | { readonly kind: "gone" }
  | { readonly kind: "unreadable"; readonly code: string; readonly message: string };

/** Sizes and widths of the ladder; tests take small ones. */
export interface CopyLimits {
  /** Longest blob that one synchronous request copies, bytes. */
  readonly wholeBytes: number;
  /** Usual length of a block, bytes; longer where a blob would have more than {@link MOST_BLOCKS}. */
  readonly blockBytes: number;
  /** Blocks of one blob copied at once; those of all blobs together are limited by the account. */
  readonly blockWidth: number;
  /** Time between two looks at an asynchronous copy. */
  readonly pollMs: number;
}

const MIB = 2 ** 20;
const MOST_BLOCKS = 50_000;

export const COPY_LIMITS: CopyLimits = {
  wholeBytes: 256 * MIB,
  blockBytes: 64 * MIB,
  blockWidth: 8,
  pollMs: 2_000,
};

/**
 * Copies a blob with its content, properties and metadata, to a name that is free unless the request says otherwise.
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

function containerOf({ account, container }: BlobPlace, { tries = "once" }: CopyRequest): ContainerClient {
  return account.container(container, tries);
}

function sourceOf(request: CopyRequest): BlobClient {
  return containerOf(request.from, request).getBlobClient(request.from.name);
}

function newBlobOf(request: CopyRequest): BlockBlobClient {
  return containerOf(request.to, request).getBlockBlobClient(request.to.name);
}

const ONLY_IF_FREE = { ifNoneMatch: "*" } as const;

function ifUnchanged({ etag }: CopyRequest): { readonly ifMatch?: string } {
  return etag === undefined ? {} : { ifMatch: quoted(etag) };
}

function tierAndTags({ tier, tags }: CopyRequest): { readonly tier?: string; readonly tags?: Record<string, string> } {
  return { ...(tier === undefined ? {} : { tier }), ...(tags === undefined ? {} : { tags: { ...tags } }) };
}

async function copyWhole(request: CopyRequest): Promise<CopyResult> {
  const { url, authorization } = await request.from.account.copySource(sourceOf(request));
  const { contentMD5 } = await newBlobOf(request).syncCopyFromURL(url, {
    conditions: request.overwrite === true ? {} : { ...ONLY_IF_FREE },
    sourceConditions: ifUnchanged(request),
    abortSignal: request.to.account.whileMoving(request.size),
    ...(authorization === undefined ? {} : { sourceAuthorization: authorization }),
    ...tierAndTags(request),
  });
  return { kind: "copied", ...md5Of(contentMD5) };
}

async function copyInBlocks(request: CopyRequest, limits: CopyLimits): Promise<CopyResult> {
  const { value: listed } = await listSource(request, false).next();
  if (listed === undefined) return { kind: "gone" };
  const { properties } = listed;
  if (request.etag !== undefined && unquoted(properties.etag) !== request.etag) return { kind: "changed" };
  const staged = await blocksOf(newBlobOf(request));
  if (staged === "committed") return { kind: "exists" };

  const source = sourceOf(request);
  // Without the condition on each block, a blob that is replaced meanwhile would be put together from two versions.
  const blob = request.to.account.pinnedTo(quoted(unquoted(properties.etag)), newBlobOf(request));
  const version = versionMark(request, properties.etag);
  const blockBytes = Math.max(limits.blockBytes, Math.ceil(request.size / MOST_BLOCKS));
  const blocks = Array.from({ length: Math.ceil(request.size / blockBytes) }, (_, n) => n);
  const goesOn = request.goesOn ?? (() => true);
  let isCutOff = false;
  let copied = 0;
  const ids = await mapBounded(blocks, limits.blockWidth, async (n) => {
    const offset = n * blockBytes;
    const length = Math.min(blockBytes, request.size - offset);
    const id = Buffer.from(`${version}-${String(offset).padStart(15, "0")}`).toString("base64");
    // One block at least, so that any number of short attempts comes to an end.
    isCutOff ||= copied > 0 && !goesOn();
    if (isCutOff || staged.get(id) === length) return id;
    await underPressure(request, async () => {
      const { url, authorization } = await request.from.account.copySource(source);
      await blob.stageBlockFromURL(id, url, offset, length, {
        abortSignal: request.to.account.whileMoving(length),
        ...(authorization === undefined ? {} : { sourceAuthorization: authorization }),
      });
    });
    copied += 1;
    return id;
  });
  if (isCutOff) return { kind: "unfinished" };
  await blob.commitBlockList(ids, {
    conditions: { ...ONLY_IF_FREE },
    blobHTTPHeaders: headersOf(properties),
    metadata: metadataOf(listed),
    ...tierAndTags(request),
  });
  return { kind: "copied" };
}

/** Copies a block under the account's limit; any answer but that of a busy service is for {@link explain}. */
function underPressure(request: CopyRequest, copyBlock: () => Promise<void>): Promise<void> {
  return request.to.account.blocks.run(async () => {
    try {
      await copyBlock();
    } catch (error) {
      const failure = mapError(error, refusingPlace(answerOf(error), request));
      throw isPressure(failure) ? failure : error;
    }
  });
}

/** Part of a block's id: a block that has it holds bytes of this version of this source, whoever copied it and when. */
function versionMark({ from }: CopyRequest, etag: string): string {
  const source = JSON.stringify([from.account.name, from.container, from.name, unquoted(etag)]);
  return createHash("sha256").update(source).digest("hex").slice(0, 32);
}

/** @returns lengths of the blocks that wait to be committed, by id */
async function blocksOf(blob: BlockBlobClient): Promise<ReadonlyMap<string, number> | "committed"> {
  try {
    const { committedBlocks = [], uncommittedBlocks = [] } = await blob.getBlockList("all");
    if (committedBlocks.length > 0) return "committed";
    return new Map(uncommittedBlocks.map(({ name, size }) => [name, size]));
  } catch (error) {
    if (answerOf(error)?.status === 404) return new Map();
    throw error;
  }
}

function headersOf(p: BlobProperties): Record<string, string | Uint8Array> {
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

/**
 * The source, and its snapshots if they are wanted, as listings tell them: the headers of a single blob do not keep the
 * case of metadata names. Of all names that begin with the blob's, its own comes first.
 */
async function* listSource(request: CopyRequest, includeSnapshots: boolean): AsyncGenerator<BlobItem, undefined> {
  const { name } = request.from;
  const pages = containerOf(request.from, request)
    .listBlobsFlat({ prefix: name, includeMetadata: true, ...(includeSnapshots ? { includeSnapshots } : {}) })
    .byPage({ maxPageSize: includeSnapshots ? 100 : 1 });
  for await (const page of pages) {
    for (const item of page.segment.blobItems) {
      if (item.name !== name) return;
      yield item;
    }
  }
}

/** Without metadata the SDK gives an empty text; `$` holds what the XML element says of itself. */
function metadataOf({ metadata = {} }: BlobItem): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => name !== "$"));
}

/**
 * Metadata of the snapshots that copies take, by which a later attempt finds one that was left behind. It names the
 * container that is copied to, because more than one vault may protect an account.
 */
const SNAPSHOT_MARK = "lakevaultcopy";

/** Copy Blob takes no condition that holds while it runs, so what may change is copied from a snapshot. */
async function copyInBackground(request: CopyRequest, limits: CopyLimits): Promise<CopyResult> {
  const source = sourceOf(request);
  const blob = newBlobOf(request);
  if (request.etag !== undefined && (await blob.exists())) return { kind: "exists" };

  const frozen = request.etag === undefined ? {} : await freeze(request);
  if ("kind" in frozen) return frozen;
  const { snapshot, metadata = {} } = frozen;
  const { tags } = tierAndTags(request);
  try {
    await blob.beginCopyFromURL(await request.from.account.signedUrl(source, snapshot), {
      conditions: { ...ONLY_IF_FREE },
      ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
      ...(tags === undefined ? {} : { tags }),
    });
  } catch (error) {
    if (snapshot !== undefined) await source.withSnapshot(snapshot).deleteIfExists();
    throw error;
  }
  const end = await waitForCopy(request, limits);
  if (end === "pending") return { kind: "unfinished" };
  if (end.status === "success") return { kind: "copied" };
  throw new VaultError("storage/unavailable", `the copy of '${request.from.name}' ended with status '${end.status}'`);
}

interface Frozen {
  readonly snapshot?: string;
  /** Of the blob; the snapshot has only our mark. */
  readonly metadata?: Record<string, string>;
}

/** Takes a snapshot of the wanted version, after removing those that attempts before have left behind. */
async function freeze(request: CopyRequest): Promise<Frozen | CopyResult> {
  const source = sourceOf(request);
  let listed: BlobItem | undefined;
  for await (const item of listSource(request, true)) {
    if (!item.snapshot) listed = item;
    else if (item.metadata?.[SNAPSHOT_MARK] === request.to.container) {
      await source.withSnapshot(item.snapshot).deleteIfExists();
    }
  }
  if (listed === undefined) return { kind: "gone" };
  if (unquoted(listed.properties.etag) !== request.etag) return { kind: "changed" };

  const { snapshot } = await source.createSnapshot({
    conditions: ifUnchanged(request),
    metadata: { [SNAPSHOT_MARK]: request.to.container },
  });
  if (snapshot === undefined) {
    throw new Error(`the service took a snapshot of '${request.from.name}' and did not name it`);
  }
  return { snapshot, metadata: metadataOf(listed) };
}

/** How a blob is once nothing copies into it any more. */
export interface CopyEnd extends Pick<Entry, "size" | "md5"> {
  /** `success` also for a blob that was not written by an asynchronous copy. */
  readonly status: string;
}

/**
 * Waits until the asynchronous copy into a blob has ended, and tidies up after it.
 *
 * @returns `pending` when the request's time ran out before
 */
export async function waitForCopy(
  request: CopyRequest,
  limits: CopyLimits = COPY_LIMITS,
): Promise<CopyEnd | "pending"> {
  const blob = newBlobOf(request);
  for (;;) {
    const { copyStatus, copySource, metadata, contentLength = 0, contentMD5 } = await blob.getProperties();
    if (copyStatus !== "pending") {
      if (request.etag !== undefined && copySource !== undefined) await removeSnapshot(request, copySource);
      if (metadata?.[SNAPSHOT_MARK] !== undefined) await removeMark(blob);
      return { status: copyStatus ?? "success", size: contentLength, ...md5Of(contentMD5) };
    }
    if (request.goesOn?.() === false) return "pending";
    await new Promise((resolve) => setTimeout(resolve, limits.pollMs));
  }
}

/** The blob itself tells which snapshot it was copied from, so that a later attempt can remove it too. */
async function removeSnapshot(request: CopyRequest, copySource: string): Promise<void> {
  const snapshot = URL.parse(copySource)?.searchParams.get("snapshot");
  if (snapshot) await sourceOf(request).withSnapshot(snapshot).deleteIfExists();
}

/** A blob without metadata of its own takes over that of the snapshot: the service cannot be told to copy none. */
async function removeMark(blob: BlobClient): Promise<void> {
  try {
    await blob.setMetadata({});
  } catch (error) {
    // "This operation is not permitted as the blob is immutable due to a policy.": it stays, and a restore removes it.
    if (answerOf(error)?.code !== "BlobImmutableDueToPolicy") throw error;
  }
}

/**
 * Finds out what a refused copy means. A 409 or 412 may be about either side and the services word it in many ways, so
 * both sides are asked how they are now.
 */
async function explain(error: unknown, request: CopyRequest): Promise<CopyResult> {
  const answer = answerOf(error);
  if (answer === undefined) throw mapError(error, request.to.place);
  if (answer.code === "BlobAlreadyExists") return { kind: "exists" };
  const failure = mapError(error, refusingPlace(answer, request));
  if (isPressure(failure) || ![400, 404, 409, 412].includes(answer.status)) throw failure;

  const source = await stateOfSource(request);
  if (source !== "as wanted") return source;
  // Of two workers that stage blocks for one name, the first commit takes the other's blocks away (InvalidBlockList).
  if (await exists(request)) return { kind: "exists" };
  throw failure;
}

/** CannotVerifyCopySource: the service could not read the source in our name. */
function refusingPlace(answer: ServiceAnswer | undefined, { from, to }: CopyRequest): Place {
  return answer?.source !== undefined || answer?.code === "CannotVerifyCopySource" ? from.place : to.place;
}

async function exists(request: CopyRequest): Promise<boolean> {
  try {
    return await newBlobOf(request).exists();
  } catch (error) {
    throw mapError(error, request.to.place);
  }
}

async function stateOfSource(request: CopyRequest): Promise<CopyResult | "as wanted"> {
  try {
    const { etag, accessTier } = await sourceOf(request).getProperties();
    if (request.etag !== undefined && unquoted(etag ?? "") !== request.etag) return { kind: "changed" };
    if (accessTier !== "Archive") return "as wanted";
    return { kind: "unreadable", code: "archived", message: "the blob is in the archive tier and cannot be read" };
  } catch (error) {
    const answer = answerOf(error);
    if (answer?.status === 404) return { kind: "gone" };
    // "The blob is encrypted with customer specified encryption, but it was not provided in the request."
    if (answer?.code === "BlobUsesCustomerSpecifiedEncryption") {
      const message = "the blob is encrypted with a key that only its writer has";
      return { kind: "unreadable", code: "customer-key", message };
    }
    throw mapError(error, request.from.place);
  }
}
