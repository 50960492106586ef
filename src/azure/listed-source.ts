import type { BlobItem } from "@azure/storage-blob";
import { type CopyRequest, containerOf } from "./copy-request.ts";

/**
 * The source, and its snapshots if they are wanted, as listings tell them: the headers of a single blob do not keep the
 * case of metadata names. Of all names that begin with the blob's, its own comes first.
 */
export async function* listSource(
  request: CopyRequest,
  includeSnapshots: boolean,
): AsyncGenerator<BlobItem, undefined> {
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
export function metadataOf({ metadata = {} }: BlobItem): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => name !== "$"));
}
