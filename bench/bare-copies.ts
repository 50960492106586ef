/**
 * @module The limit: one flat listing and the same server-side copies by bare calls of the storage SDK, without
 *   planning, comparing, recording or verifying.
 */
import { type ContainerClient, ContainerSASPermissions } from "@azure/storage-blob";
import { COPY_LIMITS } from "../src/azure/copy-request.ts";
import { mapBounded } from "../src/foundation/bounded-pool.ts";
import { type Run, type SideBySide, WIDTH } from "./side-by-side.ts";

export interface BareBlob {
  readonly name: string;
  /** As in listings: without quotes. */
  readonly etag: string;
  readonly size: number;
}

export interface BareListing {
  /** Absent: all. */
  readonly prefix?: string;
  readonly tags?: boolean;
}

const MAX_PAGE_SIZE = 5_000;
const SIGNATURE_LIFE_MS = 2 * 60 * 60_000;

export async function listBare(container: ContainerClient, listing: BareListing): Promise<BareBlob[]> {
  const blobs: BareBlob[] = [];
  const { prefix, tags = false } = listing;
  const pages = container
    .listBlobsFlat({ includeTags: tags, ...(prefix === undefined ? {} : { prefix }) })
    .byPage({ maxPageSize: MAX_PAGE_SIZE });
  for await (const { segment } of pages) {
    for (const { name, properties } of segment.blobItems) {
      blobs.push({ name, etag: properties.etag, size: properties.contentLength ?? 0 });
    }
  }
  return blobs;
}

export interface BareTarget {
  readonly container: ContainerClient;
  readonly nameOf: (blob: BareBlob) => string;
  /** Absent: the account's default. */
  readonly tier?: string;
}

/** Copies blobs with Lakevault's methods and concurrency. */
export async function copyBare(source: ContainerClient, blobs: readonly BareBlob[], target: BareTarget): Promise<void> {
  const url = await source.generateSasUrl({
    permissions: ContainerSASPermissions.parse("r"),
    expiresOn: new Date(Date.now() + SIGNATURE_LIFE_MS),
  });
  const signature = new URL(url).search;
  const conditions = { ifNoneMatch: "*" };
  const tier = target.tier === undefined ? {} : { tier: target.tier };
  const { wholeBytes, blockBytes, blockWidth } = COPY_LIMITS;

  await mapBounded(blobs, WIDTH, async (blob) => {
    const from = `${source.getBlobClient(blob.name).url}${signature}`;
    const to = target.container.getBlockBlobClient(target.nameOf(blob));
    if (blob.size <= wholeBytes) {
      await to.syncCopyFromURL(from, { conditions, sourceConditions: { ifMatch: `"${blob.etag}"` }, ...tier });
      return;
    }
    const blocks = [...Array(Math.ceil(blob.size / blockBytes)).keys()];
    const ids = await mapBounded(blocks, blockWidth, async (n) => {
      const id = Buffer.from(String(n).padStart(6, "0")).toString("base64");
      const offset = n * blockBytes;
      await to.stageBlockFromURL(id, from, offset, Math.min(blockBytes, blob.size - offset));
      return id;
    });
    await to.commitBlockList(ids, { conditions, ...tier });
  });
}

export interface BareWork {
  readonly source: ContainerClient;
  readonly listing: BareListing;
  readonly target: BareTarget;
  /** Which of the listed blobs are copied. */
  readonly pick: (blob: BareBlob) => boolean;
}

/** Measures one listing and the copies of the selected blobs, into a new container. */
export async function measureBare(
  open: SideBySide,
  name: string,
  { source, listing, target, pick }: BareWork,
): Promise<{ readonly run: Run; readonly listed: readonly BareBlob[] }> {
  const measured = await open.withoutApp(() =>
    open.measure(async () => {
      const begunAt = performance.now();
      const listed = await listBare(source, listing);
      const listSeconds = (performance.now() - begunAt) / 1_000;
      await target.container.create();
      await copyBare(source, listed.filter(pick), target);
      return { listed, listSeconds };
    }),
  );
  const { listed, listSeconds } = measured.result;
  console.log(`${name}: ${measured.seconds.toFixed(1)} s, of which listing ${listSeconds.toFixed(1)} s`);
  return { run: { ...measured, name, listSeconds }, listed };
}
