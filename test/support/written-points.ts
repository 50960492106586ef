import type { Entry } from "../../src/vault/entry.ts";
import type { ListingOrder } from "../../src/vault/listing-order.ts";
import type { ManifestIndex } from "../../src/vault/manifest-index.ts";
import { indexPath, objectPath, sealPath, segmentPath, vaultMarkerPath } from "../../src/vault/names.ts";
import { NO_WARNINGS, SEQUENCE_METADATA, type Seal } from "../../src/vault/seal.ts";
import { SegmentBuilder, type SegmentRef, sha256Of } from "../../src/vault/segment.ts";
import { encodeDocument, FORMAT_VERSION } from "../../src/vault/version.ts";
import type { MemoryVault } from "./memory-account.ts";

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
  const all: Record<string, readonly SegmentRef[]> = {};
  const containers: Seal["containers"] = [];
  for (const [container, { order = "utf-16", segments: parts }] of Object.entries(written)) {
    const segments: SegmentRef[] = [];
    for (const part of parts) segments.push(isRef(part) ? part : await writeSegment(vault, id, container, part));
    const entries = segments.reduce((sum, segment) => sum + segment.entries, 0);
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const index: ManifestIndex = {
      formatVersion: FORMAT_VERSION,
      recoveryPoint: id,
      container,
      order,
      entries,
      bytes,
      segments,
    };
    const content = encodeDocument(index);
    const path = indexPath(id, container);
    await vault.create(path, content, TYPE);
    await vault.create(vaultMarkerPath(`job-${id}`, container), new Uint8Array(), TYPE);
    containers.push({ name: container, index: { path, sha256: sha256Of(content) }, entries, bytes });
    all[container] = segments;
  }
  const seal: Seal = {
    formatVersion: FORMAT_VERSION,
    recoveryPoint: id,
    sequence,
    instance: "lake",
    job: `job-${id}`,
    slot: TIME,
    time: TIME,
    sealedAt: TIME,
    tag: "Default",
    policy: "daily",
    containers,
    entries: containers.reduce((sum, { entries }) => sum + entries, 0),
    bytes: containers.reduce((sum, { bytes }) => sum + bytes, 0),
    warnings: NO_WARNINGS,
  };
  await vault.create(sealPath(id), encodeDocument(seal), {
    ...TYPE,
    metadata: { [SEQUENCE_METADATA]: String(sequence) },
  });
  return all;
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
