import type { CopyRequest, CopyResult } from "./copy-request.ts";
import { listBlobPages } from "./list-blobs.ts";
import type { ListedItem } from "./parse-listing.ts";

/**
 * The source, and optionally its snapshots, from listings: the headers of a single blob do not keep the case of
 * metadata names. Of all names that start with the blob's, its own comes first.
 */
export async function* listSource(
  request: CopyRequest,
  includeSnapshots: boolean,
): AsyncGenerator<ListedItem, undefined> {
  const { name } = request.from;
  const { account, container } = request.from;
  const pages = listBlobPages(account, container, {
    prefix: name,
    include: includeSnapshots ? ["metadata", "snapshots"] : ["metadata"],
    pageSize: includeSnapshots ? 100 : 1,
    retries: request.retries ?? "once",
  });
  for await (const page of pages) {
    for (const item of page) {
      if (item.name !== name) return;
      yield item;
    }
  }
}

/**
 * Whether a request that sends the metadata again would lose some.
 *
 * @returns the reason, if so
 */
export function unlistedMetadata({
  untoldMetadata,
}: ListedItem): Extract<CopyResult, { kind: "unreadable" }> | undefined {
  if (untoldMetadata === undefined) return undefined;
  const message = `listings do not contain its metadata '${untoldMetadata.join("', '")}', which would be lost`;
  return { kind: "unreadable", code: "metadata-not-listed", message };
}

/** In the form for requests. */
export function metadataOf({ metadata = {} }: ListedItem): Record<string, string> {
  return { ...metadata };
}
