import { test } from "vitest";
import { decodeSeal, NO_WARNINGS, type Seal } from "./seal.ts";
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
