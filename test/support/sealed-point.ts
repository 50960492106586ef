/**
 * @module
 * Writes what makes a recovery point out of segments that are written already: indexes, markers, and last the seal.
 */
import type { ListingOrder } from "../../src/vault/listing-order.ts";
import type { ManifestIndex } from "../../src/vault/manifest-index.ts";
import { indexPath, sealPath, vaultMarkerPath } from "../../src/vault/names.ts";
import { NO_WARNINGS, SEQUENCE_METADATA, type Seal } from "../../src/vault/seal.ts";
import { type SegmentRef, sha256Of } from "../../src/vault/segment.ts";
import type { VaultFiles } from "../../src/vault/vault-files.ts";
import { encodeDocument, FORMAT_VERSION } from "../../src/vault/version.ts";

const TIME = "2026-01-01T00:00:00.000Z";
const JSON_TYPE = { contentType: "application/json" };

export interface PointToSeal {
  readonly recoveryPoint: string;
  readonly sequence: number;
  readonly job: string;
  readonly instance: string;
  /** By container name. */
  readonly containers: Readonly<
    Record<string, { readonly order?: ListingOrder; readonly segments: readonly SegmentRef[] }>
  >;
  readonly slot?: string;
}

/** @param create - writes a file in place of `vault.create`, as a second attempt must that finds an earlier one's */
export async function sealPoint(
  vault: Pick<VaultFiles, "create">,
  { recoveryPoint, sequence, job, instance, containers, slot = TIME }: PointToSeal,
  create = async (path: string, content: Uint8Array): Promise<unknown> => vault.create(path, content, JSON_TYPE),
): Promise<Seal> {
  const sealed: Seal["containers"] = [];
  for (const [name, { order = "utf-16", segments }] of Object.entries(containers)) {
    const entries = segments.reduce((sum, segment) => sum + segment.entries, 0);
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const index: ManifestIndex = {
      formatVersion: FORMAT_VERSION,
      recoveryPoint,
      container: name,
      order,
      entries,
      bytes,
      segments: [...segments],
    };
    const content = encodeDocument(index);
    const path = indexPath(recoveryPoint, name);
    await create(path, content);
    await create(vaultMarkerPath(job, name), new TextEncoder().encode(job));
    sealed.push({ name, index: { path, sha256: sha256Of(content) }, entries, bytes });
  }
  const seal: Seal = {
    formatVersion: FORMAT_VERSION,
    recoveryPoint,
    sequence,
    instance,
    job,
    slot,
    time: slot,
    sealedAt: slot,
    tag: "Default",
    policy: "daily",
    containers: sealed,
    entries: sealed.reduce((sum, { entries }) => sum + entries, 0),
    bytes: sealed.reduce((sum, { bytes }) => sum + bytes, 0),
    warnings: NO_WARNINGS,
  };
  await vault.create(sealPath(recoveryPoint), encodeDocument(seal), {
    ...JSON_TYPE,
    metadata: { [SEQUENCE_METADATA]: String(sequence) },
  });
  return seal;
}
