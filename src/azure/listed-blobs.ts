/**
 * @module
 * How a blob's properties, from a listing or from the blob itself, are told in the vault's words.
 */
import type { BlobGetPropertiesResponse, BlobItem, BlobType } from "@azure/storage-blob";
import type { ListedBlob } from "../backup/contract.ts";
import type { Entry } from "../vault/entry.ts";
import type { DatasourceKind } from "../vault/instance-file.ts";

/** Names in one answer; the service gives no more. */
export const LARGEST_PAGE = 5_000;

/** Listings give ETags without quotes, headers with them. */
export function unquoted(etag: string): string {
  return etag.replace(/^"(.*)"$/, "$1");
}

export function quoted(etag: string): string {
  return `"${etag}"`;
}

export function listedBlob(item: BlobItem, kind: DatasourceKind): ListedBlob {
  const { properties: p, tags } = item;
  return {
    name: item.name,
    etag: unquoted(p.etag),
    size: p.contentLength ?? 0,
    modified: p.lastModified.toISOString(),
    ...md5Of(p.contentMD5),
    ...typeOf(p.blobType, kind, item.metadata),
    ...tiersOf(p.accessTier, p.accessTierInferred),
    ...(tags === undefined || Object.keys(tags).length === 0 ? {} : { tags }),
  };
}

/** @param tags - asked for apart, because properties tell only how many there are */
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
    ...typeOf(p.blobType, kind, p.metadata),
    ...tiersOf(p.accessTier, p.accessTierInferred),
    ...(tags === undefined || Object.keys(tags).length === 0 ? {} : { tags: { ...tags } }),
  };
}

export function md5Of(md5: Uint8Array | undefined): { readonly md5?: string } {
  return md5 === undefined || md5.length === 0 ? {} : { md5: Buffer.from(md5).toString("base64") };
}

function typeOf(
  blobType: BlobType | undefined,
  kind: DatasourceKind,
  metadata: Readonly<Record<string, string>> | undefined,
): Pick<Entry, "type"> {
  if (blobType === "AppendBlob") return { type: "append" };
  if (blobType === "PageBlob") return { type: "page" };
  // A flat account may have blobs that some tool marked so; they are blobs all the same.
  if (kind === "adlsBlobServices" && metadata?.["hdi_isfolder"] === "true") return { type: "directory" };
  return {};
}

function tiersOf(tier: string | undefined, isInferred: boolean | undefined): { tier?: string; effectiveTier?: string } {
  if (tier === undefined) return {};
  return isInferred === true ? { effectiveTier: tier } : { tier, effectiveTier: tier };
}
