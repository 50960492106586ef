import { test } from "vitest";
import { decodeIndex, type ManifestIndex } from "./manifest-index.ts";
import { decodeSeal, joinWarnings, NO_WARNINGS, type Seal } from "./seal.ts";
import { encodeDocument } from "./version.ts";

const seal: Seal = {
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

function segment(first: string, last: string): ManifestIndex["segments"][number] {
  return { path: `${first}-${last}`, sha256: "0".repeat(64), first, last, entries: 2, bytes: 10 };
}

const index: ManifestIndex = {
  formatVersion: 1,
  recoveryPoint: "rp",
  container: "raw",
  order: "utf-16",
  entries: 4,
  bytes: 20,
  segments: [segment("a", "b"), segment("c", "d")],
};

test("a seal and an index survive a round trip", ({ expect }) => {
  expect(decodeSeal("s", encodeDocument(seal))).toEqual(seal);
  expect(decodeIndex("i", encodeDocument(index))).toEqual(index);
});

test("warnings that are kept in a row are as many as fit, whatever their names are made of", ({ expect }) => {
  const first = Array.from({ length: 50 }, (_, i) => ({
    container: "raw",
    name: `${i}-${"\u00fc".repeat(100)}`,
    code: "archived",
    message: "m",
  }));
  const joined = joinWarnings([{ count: 60, first }], 5_000);
  expect(joined.count).toBe(60);
  expect(joined.first.length).toBeGreaterThan(3);
  expect(joined.first.length).toBeLessThan(9);
  expect(joined.first).toEqual(first.slice(0, joined.first.length));
});
