import type { JobUnderWay } from "../jobs/job-under-way.ts";
import type { ListingOrder } from "../vault/listing-order.ts";
import type { ManifestCache } from "../vault/manifest-cache.ts";
import type { SegmentRef } from "../vault/segment.ts";
import type { VaultFiles } from "../vault/vault-files.ts";

/**
 * Reads the segments of a container in the previous recovery point.
 *
 * @returns undefined when there is nothing to compare the listing with
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
  // Another order: the datasource has changed its kind, and everything is copied again.
  return index?.order === order ? index.segments : undefined;
}
