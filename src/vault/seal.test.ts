import { test } from "vitest";
import { index, seal } from "../../test/support/vault-documents.ts";
import { decodeIndex } from "./manifest-index.ts";
import { decodeSeal, joinWarnings } from "./seal.ts";
import { encodeDocument } from "./version.ts";

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
