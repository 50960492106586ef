/**
 * @module
 * Converts a blob's properties, from a listing or from the blob itself, to entries.
 */
import type { BlobGetPropertiesResponse, BlobType } from "@azure/storage-blob";
import type { ListedBlob } from "../backup/datasource.ts";
import type { Entry } from "../vault/entry.ts";
import type { DatasourceKind } from "../vault/instance-document.ts";
import type { ListedItem } from "./parse-listing.ts";

/** Max names per answer of the service. */
export const MAX_PAGE_SIZE = 5_000;

/** Listings have ETags without quotes, headers with them. */
export function unquoted(etag: string): string {
  return etag.replace(/^"(.*)"$/, "$1");
}

export function quoted(etag: string): string {
  return `"${etag}"`;
}

export function listedBlob(item: ListedItem, kind: DatasourceKind): ListedBlob {
  const { properties: p, tags } = item;
  return {
    name: item.name,
    etag: p.etag,
    size: p.contentLength ?? 0,
    modified: p.lastModified.toISOString(),
    ...md5Of(p.contentMD5),
    ...typeOf(p, kind, item.metadata),
    ...tiersOf(p.accessTier, p.accessTierInferred),
    ...(tags === undefined || Object.keys(tags).length === 0 ? {} : { tags }),
    ...directoryMetadataOf(typeOf(p, kind, item.metadata), item.metadata),
  };
}

/** @param tags - requested separately, because properties have only their number */
export function lookedAtBlob(
  name: string,
  p: BlobGetPropertiesResponse,
  kind: DatasourceKind,
  tags: Readonly<Record<string, string>> | undefined,
): ListedBlob {
  return {
    name,
    etag: unquoted(p.etag ?? ""),
    size: p.contentLength ?? 0,
    modified: (p.lastModified ?? new Date(0)).toISOString(),
    ...md5Of(p.contentMD5),
    ...typeOf(p, kind, p.metadata),
    ...tiersOf(p.accessTier, p.accessTierInferred),
    ...(tags === undefined || Object.keys(tags).length === 0 ? {} : { tags: { ...tags } }),
  };
}

export function md5Of(md5: Uint8Array | undefined): { readonly md5?: string } {
  return md5 === undefined || md5.length === 0 ? {} : { md5: Buffer.from(md5).toString("base64") };
}

/**
 * @see https://learn.microsoft.com/azure/storage/blobs/data-lake-storage-introduction: a directory is a blob without content,
 *   with metadata `hdi_isfolder`; listings of accounts that have real directories also say so in `ResourceType`
 */
function typeOf(
  p: { readonly blobType?: BlobType; readonly contentLength?: number; readonly resourceType?: string },
  kind: DatasourceKind,
  metadata: Readonly<Record<string, string>> | undefined,
): Pick<Entry, "type"> {
  if (p.blobType === "AppendBlob") return { type: "append" };
  if (p.blobType === "PageBlob") return { type: "page" };
  // A flat account may have blobs with this metadata; they are blobs.
  if (kind !== "adlsBlobServices" || (p.contentLength ?? 0) > 0) return {};
  const isDirectory =
    p.resourceType === undefined ? metadata?.["hdi_isfolder"] === "true" : p.resourceType === "directory";
  return isDirectory ? { type: "directory" } : {};
}

/** A directory has no object for its metadata. */
function directoryMetadataOf(
  { type }: Pick<Entry, "type">,
  metadata: Readonly<Record<string, string>> = {},
): Pick<Entry, "metadata"> {
  if (type !== "directory") return {};
  const own = Object.entries(metadata).filter(([name]) => name.toLowerCase() !== "hdi_isfolder");
  return own.length === 0 ? {} : { metadata: Object.fromEntries(own) };
}

function tiersOf(tier: string | undefined, isInferred: boolean | undefined): { tier?: string; effectiveTier?: string } {
  if (tier === undefined) return {};
  return isInferred === true ? { effectiveTier: tier } : { tier, effectiveTier: tier };
}
