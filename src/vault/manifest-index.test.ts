import { test } from "vitest";
import { decodeIndex, type ManifestIndex } from "./manifest-index.ts";
import { encodeDocument } from "./version.ts";

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

test("an index whose segments overlap or are out of order is refused", ({ expect }) => {
  for (const segments of [
    [segment("c", "d"), segment("a", "b")],
    [segment("a", "c"), segment("c", "d")],
    [segment("b", "a"), segment("c", "d")],
  ]) {
    expect(() => decodeIndex("i", encodeDocument({ ...index, segments }))).toThrow(
      expect.objectContaining({ code: "format/corrupt" }),
    );
  }
});

test("an index whose totals are not those of its segments is refused", ({ expect }) => {
  for (const wrong of [{ entries: 5 }, { bytes: 21 }]) {
    expect(() => decodeIndex("i", encodeDocument({ ...index, ...wrong }))).toThrow(
      expect.objectContaining({ code: "format/corrupt" }),
    );
  }
});
