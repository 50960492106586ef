import type { Entry } from "../../src/vault/entry.ts";
import type { ListingOrder } from "../../src/vault/listing-order.ts";
import { objectPath, segmentPath } from "../../src/vault/names.ts";
import { SegmentBuilder, type SegmentRef } from "../../src/vault/segment.ts";
import type { MemoryVault } from "./memory-account.ts";
import { sealPoint } from "./sealed-point.ts";

const TYPE = { contentType: "application/octet-stream" };
const TIME = "2026-01-01T00:00:00.000Z";

/** Content of a point in one container: new segments as entries, old ones as returned for an earlier point. */
export interface WrittenContainer {
  readonly order?: ListingOrder;
  readonly segments: readonly (readonly Entry[] | SegmentRef)[];
}

export function entry(name: string, etag: string, birth: number, changes: Partial<Entry> = {}): Entry {
  return { name, etag, size: etag.length, modified: TIME, birth, ...changes };
}

/**
 * Writes a recovery point as given, with the objects of its entries, and seals it.
 *
 * @returns the segments of each container, so that the next point can share them
 */
export async function writePoint(
  vault: MemoryVault,
  id: string,
  sequence: number,
  written: Readonly<Record<string, WrittenContainer>>,
): Promise<Readonly<Record<string, readonly SegmentRef[]>>> {
  const all: Record<string, { order: ListingOrder; segments: SegmentRef[] }> = {};
  for (const [container, { order = "utf-16", segments: parts }] of Object.entries(written)) {
    const segments: SegmentRef[] = [];
    for (const part of parts) segments.push(isRef(part) ? part : await writeSegment(vault, id, container, part));
    all[container] = { order, segments };
  }
  await sealPoint(vault, { recoveryPoint: id, sequence, job: `job-${id}`, instance: "lake", containers: all });
  return Object.fromEntries(Object.entries(all).map(([name, { segments }]) => [name, segments]));
}

function isRef(part: readonly Entry[] | SegmentRef): part is SegmentRef {
  return "path" in part;
}

async function writeSegment(
  vault: MemoryVault,
  id: string,
  container: string,
  entries: readonly Entry[],
): Promise<SegmentRef> {
  const builder = new SegmentBuilder();
  for (const one of entries) {
    builder.push(one);
    if (one.type === "directory") continue;
    await vault.create(objectPath(container, one.name, one.etag, one.birth), new TextEncoder().encode(one.etag), TYPE);
  }
  const { content, ...described } = await builder.take(entries.length);
  const path = segmentPath(id, container, "000000", 0, described.sha256);
  await vault.create(path, content, TYPE);
  return { path, ...described };
}
