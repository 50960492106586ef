/**
 * @module
 * Reads the content of blobs. After a cut body, reading continues at the same byte, as long as the blob is still the
 * same: the SDK's own stream treats a broken connection as an abort by the caller and does not retry, whatever
 * `maxRetryRequests` is.
 * @see https://github.com/Azure/azure-sdk-for-js/blob/main/sdk/storage/storage-blob/src/utils/RetriableReadableStream.ts `sourceAbortedHandler`
 */
import { type BlobClient, isRestError, RestError } from "@azure/storage-blob";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { outOfTime, timeLeftMs } from "./function-time.ts";
import { statusOf } from "./map-error.ts";
import { ANSWER_CUT } from "./request-retries.ts";

/** Max consecutive cut bodies without a single byte, after which the account counts as unavailable. */
const MAX_CONSECUTIVE_CUTS = 5;
const FIRST_BACKOFF_MS = 50;

/** Max restarts of reading when a blob is replaced meanwhile. */
const MAX_VERSIONS = 3;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A part of one version of a blob. */
export interface Part {
  /** ETag of the version; absent: the current one when reading starts. */
  readonly etag?: string;
  /** First byte. */
  readonly from: number;
  /** Bytes; absent: to the end. */
  readonly length?: number;
  /** Timeout by number of bytes; absent: the timeout of an answer. */
  readonly signal?: (bytes: number) => AbortSignal;
}

/**
 * Reads a part of a blob in chunks.
 *
 * @throws RestError for an error of the service, 412 (ConditionNotMet) when the blob was changed; without a status when
 *   the body is cut again and again
 */
export async function* readPart(blob: BlobClient, part: Part): AsyncGenerator<Uint8Array, void, undefined> {
  let { etag, length } = part;
  let read = 0;
  for (let cuts = 0; length === undefined || read < length; ) {
    const before = read;
    const signal = length === undefined ? undefined : part.signal?.(length - read);
    try {
      const answer = await blob.download(part.from + read, length === undefined ? undefined : length - read, {
        maxRetryRequests: 0,
        ...(etag === undefined ? {} : { conditions: { ifMatch: etag } }),
        ...present({ abortSignal: signal }),
      });
      etag ??= answer.etag;
      length ??= answer.contentLength;
      for await (const piece of answer.readableStreamBody ?? []) {
        const bytes = Buffer.from(piece);
        read += bytes.length;
        yield bytes;
      }
      if (length === undefined || read < length) throw new Error("the body is shorter than its length");
    } catch (error) {
      // Requests without an answer were already retried; this is about cut bodies.
      if (isRestError(error) || error instanceof VaultError) throw error;
      if (timeLeftMs() <= 0) throw outOfTime();
      cuts = read > before ? 0 : cuts + 1;
      if (cuts > MAX_CONSECUTIVE_CUTS) {
        throw new RestError("the connection broke repeatedly before the end of the content", { code: ANSWER_CUT });
      }
      await pause(Math.random() * FIRST_BACKOFF_MS * 2 ** cuts);
    }
  }
}

/**
 * Reads the whole content of a blob, all of one version.
 *
 * @returns undefined when the blob is not found
 */
export async function readWhole(blob: BlobClient): Promise<Uint8Array | undefined> {
  for (let version = 1; ; version++) {
    const pieces: Uint8Array[] = [];
    try {
      for await (const piece of readPart(blob, { from: 0 })) pieces.push(piece);
      return Buffer.concat(pieces);
    } catch (error) {
      const status = statusOf(error);
      if (status === 404) return undefined;
      if (status !== 412 || version === MAX_VERSIONS) throw error;
    }
  }
}
