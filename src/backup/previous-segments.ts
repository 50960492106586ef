import type { JobUnderWay } from "../jobs/job-under-way.ts";
import type { ListingOrder } from "../vault/listing-order.ts";
import type { ManifestCache } from "../vault/manifest-cache.ts";
import type { SegmentRef } from "../vault/segment.ts";
import type { VaultFiles } from "../vault/vault-files.ts";

/**
 * Reads what the recovery point before holds of a container.
 *
 * @returns undefined when there is nothing that the listing can be compared with
 */
export async function previousSegments(
  manifests: ManifestCache,
  vault: Pick<VaultFiles, "read">,
  job: JobUnderWay,
  container: string,
  order: ListingOrder,
): Promise<readonly SegmentRef[] | undefined> {
  if (job.previous === undefined) return undefined;
  const seal = await manifests.readSeal(vault, job.instance, job.previous);
  const index = await manifests.readIndex(vault, seal, container);
  // Another order means that the datasource has changed its kind: then everything is compared by copying anew.
  return index?.order === order ? index.segments : undefined;
}
