import { test } from "vitest";
import { seal } from "../../test/support/vault-documents.ts";
import { decodeSeal } from "./seal.ts";
import { encodeDocument } from "./version.ts";

test("a newer format is refused with the advice to update", ({ expect }) => {
  const newer = encodeDocument({ ...seal, formatVersion: 2, everything: "else" });
  expect(() => decodeSeal("s", newer)).toThrow(
    expect.objectContaining({ code: "format/newer-version", hint: "update Lakevault" }),
  );
});

test("a document that is not as the format says is refused", ({ expect }) => {
  for (const content of ["", "{", "[]", '{"formatVersion":1}', '{"formatVersion":"1"}']) {
    expect(() => decodeSeal("s", new TextEncoder().encode(content)), content).toThrow(
      expect.objectContaining({ code: "format/corrupt" }),
    );
  }
});
