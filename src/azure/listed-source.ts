import type { CopyRequest } from "./copy-request.ts";
import { listBlobPages } from "./list-blobs.ts";
import type { ListedItem } from "./parse-listing.ts";

/**
 * The source, and its snapshots if they are wanted, as listings tell them: the headers of a single blob do not keep the
 * case of metadata names. Of all names that begin with the blob's, its own comes first.
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
    tries: request.tries ?? "once",
  });
  for await (const page of pages) {
    for (const item of page) {
      if (item.name !== name) return;
      yield item;
    }
  }
}

/** As requests want it. */
export function metadataOf({ metadata = {} }: ListedItem): Record<string, string> {
  return { ...metadata };
}
