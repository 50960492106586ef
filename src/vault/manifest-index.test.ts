import { test } from "vitest";
import { index, segment } from "../../test/support/vault-documents.ts";
import { decodeIndex } from "./manifest-index.ts";
import { encodeDocument } from "./version.ts";

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
