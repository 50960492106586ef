import type { BlobClient, BlockBlobClient, ContainerClient } from "@azure/storage-blob";
import { present } from "../foundation/present.ts";
import type { Entry } from "../vault/entry.ts";
import type { BlobAccount, RetryMode } from "./blob-account.ts";
import { quoted } from "./listed-blobs.ts";
import type { Place } from "./map-error.ts";

export interface BlobPlace {
  readonly account: BlobAccount;
  readonly container: string;
  readonly name: string;
  /** Name of the account in errors. */
  readonly place: Place;
}

export interface CopyRequest {
  readonly from: BlobPlace;
  readonly to: BlobPlace;
  /** Length of the source's content, bytes. */
  readonly size: number;
  /** Absent: block blob. */
  readonly type?: Entry["type"];
  /** The source's version, unquoted. Absent: the source never changes. */
  readonly etag?: string;
  /** Access tier of the new blob, for block blobs only; absent: the account's default. */
  readonly tier?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Overwrites a blob of this ETag, in the form of its properties; for blobs of one request only. */
  readonly over?: string;
  /** For append and page blobs, which may be written to all the time: accepts a later version. */
  readonly orLater?: OrLater;
  /** Absent: `once`. */
  readonly retries?: RetryMode;
  /** Checked between blocks, and while an asynchronous copy is awaited; absent: always. */
  readonly shouldContinue?: () => boolean;
}

/** Versions that are acceptable beside the requested one, and their names. */
export interface OrLater {
  /** Versions that were current at this time or later are acceptable. */
  readonly since: Date;
  /** Name of the new blob for a version. The names of one blob differ only in the version. */
  readonly nameOf: (etag: string) => string;
}

export type CopyResult =
  /** `md5`: of the content, base64, if the service computed it. `version`: if it differs from the requested one. */
  | {
      readonly kind: "copied";
      readonly md5?: string;
      readonly version?: Pick<Entry, "etag" | "size" | "modified">;
      /** Nothing was copied: an earlier attempt has done so. */
      readonly wasThere?: true;
    }
  /** A blob with the name already exists; nothing was written. */
  | { readonly kind: "exists" }
  /** An asynchronous copy to the name was started. */
  | { readonly kind: "begun" }
  /** `shouldContinue` returned false; another attempt continues from here. */
  | { readonly kind: "unfinished" }
  /** The source is no longer the requested version. */
  | { readonly kind: "changed" }
  | { readonly kind: "gone" }
  | { readonly kind: "unreadable"; readonly code: string; readonly message: string }
  /** A service refuses it for an unknown reason; `code` is the service's. */
  | { readonly kind: "refused"; readonly code: string; readonly message: string };

/** Sizes and concurrency of copies; tests use small ones. */
export interface CopyLimits {
  /** Max size of a blob that one synchronous request copies, bytes. */
  readonly wholeBytes: number;
  /** Default length of a block, bytes; more if a blob would have more than {@link MAX_BLOCKS}. */
  readonly blockBytes: number;
  /** Concurrent block copies of one blob; the account limits those of all blobs together. */
  readonly blockWidth: number;
  /** Polling interval of an asynchronous copy. */
  readonly pollMs: number;
  readonly pause: (ms: number) => Promise<void>;
}

const MIB = 2 ** 20;
export const MAX_BLOCKS = 50_000;

export const COPY_LIMITS: CopyLimits = {
  wholeBytes: 256 * MIB,
  blockBytes: 64 * MIB,
  blockWidth: 8,
  pollMs: 2_000,
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

export function containerOf({ account, container }: BlobPlace, { retries = "once" }: CopyRequest): ContainerClient {
  return account.container(container, retries);
}

export function sourceOf(request: CopyRequest): BlobClient {
  return containerOf(request.from, request).getBlobClient(request.from.name);
}

export function newBlobOf(request: CopyRequest): BlockBlobClient {
  return containerOf(request.to, request).getBlockBlobClient(request.to.name);
}

export const ONLY_IF_FREE = { ifNoneMatch: "*" } as const;

export function ifUnchanged({ etag }: CopyRequest): { readonly ifMatch?: string } {
  return etag === undefined ? {} : { ifMatch: quoted(etag) };
}

export function tierAndTags({ tier, tags }: CopyRequest): {
  readonly tier?: string;
  readonly tags?: Record<string, string>;
} {
  return { ...present({ tier }), ...(tags === undefined ? {} : { tags: { ...tags } }) };
}
