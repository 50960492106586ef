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
  /** A blob of this ETag, as getting its properties gave it, is written over; for blobs of one request only. */
  readonly over?: string;
  /** For append and page blobs, which may be written all the time: a later version will do. */
  readonly orLater?: OrLater;
  /** Absent: `once`. */
  readonly retries?: RetryMode;
  /** Asked between blocks, and while an asynchronous copy is waited for; absent: always. */
  readonly shouldContinue?: () => boolean;
}

/** Which versions will do beside the one that is asked for, and where they go. */
export interface OrLater {
  /** What was current at this moment or later will do. */
  readonly since: Date;
  /** Names the new blob by the version that it holds. The names of one blob differ in nothing else. */
  readonly nameOf: (etag: string) => string;
}

export type CopyResult =
  /** `md5`: of the content, base64, where the service worked it out. `version`: where it is another than was asked for. */
  | {
      readonly kind: "copied";
      readonly md5?: string;
      readonly version?: Pick<Entry, "etag" | "size" | "modified">;
      /** Nothing was copied: an attempt before has done so. */
      readonly wasThere?: true;
    }
  /** A blob has the name already; nothing was written. */
  | { readonly kind: "exists" }
  /** An asynchronous copy into the name was begun. */
  | { readonly kind: "begun" }
  /** `shouldContinue` said no; another attempt goes on from here. */
  | { readonly kind: "unfinished" }
  /** The source is not the wanted version any more. */
  | { readonly kind: "changed" }
  | { readonly kind: "gone" }
  | { readonly kind: "unreadable"; readonly code: string; readonly message: string }
  /** A service does not do it, and why is not known; `code` is the service's. */
  | { readonly kind: "refused"; readonly code: string; readonly message: string };

/** Sizes and widths of the ladder; tests take small ones. */
export interface CopyLimits {
  /** Longest blob that one synchronous request copies, bytes. */
  readonly wholeBytes: number;
  /** Usual length of a block, bytes; longer where a blob would have more than {@link MAX_BLOCKS}. */
  readonly blockBytes: number;
  /** Blocks of one blob copied at once; those of all blobs together are limited by the account. */
  readonly blockWidth: number;
  /** Time between two looks at an asynchronous copy. */
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
