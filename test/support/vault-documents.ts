import type { ManifestIndex } from "../../src/vault/manifest-index.ts";
import { NO_WARNINGS, type Seal } from "../../src/vault/seal.ts";

export const seal: Seal = {
  formatVersion: 1,
  recoveryPoint: "rp",
  sequence: 3,
  instance: "bi",
  job: "job",
  slot: "2026-01-01T00:00:00.000Z",
  time: "2026-01-01T00:00:01.000Z",
  sealedAt: "2026-01-01T00:01:00.000Z",
  tag: "Default",
  policy: "daily",
  containers: [
    { name: "raw", index: { path: "manifests/rp/raw/index.json", sha256: "0".repeat(64) }, entries: 1, bytes: 2 },
  ],
  entries: 1,
  bytes: 2,
  warnings: NO_WARNINGS,
};

export function segment(first: string, last: string): ManifestIndex["segments"][number] {
  return { path: `${first}-${last}`, sha256: "0".repeat(64), first, last, entries: 2, bytes: 10 };
}

export const index: ManifestIndex = {
  formatVersion: 1,
  recoveryPoint: "rp",
  container: "raw",
  order: "utf-16",
  entries: 4,
  bytes: 20,
  segments: [segment("a", "b"), segment("c", "d")],
};
