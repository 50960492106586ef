import fc from "fast-check";
import { test } from "vitest";
import {
  isAddressable,
  isSourceMarker,
  jobOfMarker,
  objectPath,
  recoveryPointOfSeal,
  sealPath,
  segmentPath,
  sourceMarkerName,
} from "./names.ts";

test("an object's name contains container, blob, version and birth", ({ expect }) => {
  expect(objectPath("raw", "a/b.csv", "0x8DA", 7)).toBe("data/raw/a/b.csv/0x8DA.7");
});

test("a name of more than 1,024 characters is stored by its hash", ({ expect }) => {
  const longest = 1024 - "data/raw//0x8DA.7".length;
  expect(objectPath("raw", "x".repeat(longest), "0x8DA", 7)).toHaveLength(1024);
  expect(objectPath("raw", "x".repeat(longest + 1), "0x8DA", 7)).toMatch(/^data~\/raw\/[0-9a-f]{64}\/0x8DA\.7$/);
});

test("a name of more than 254 path segments is stored by its hash", ({ expect }) => {
  const deep = (segments: number): string => Array.from({ length: segments }, () => "d").join("/");
  expect(objectPath("raw", deep(251), "0x8DA", 7).split("/")).toHaveLength(254);
  expect(objectPath("raw", deep(252), "0x8DA", 7)).toMatch(/^data~\//);
});

test("a name whose URL would be too long for a copy is stored by its hash", ({ expect }) => {
  expect(objectPath("raw", "文".repeat(166), "0x8DA", 7)).toMatch(/^data\//);
  expect(objectPath("raw", "文".repeat(167), "0x8DA", 7)).toMatch(/^data~\//);
});

test("two different versions never share a name, whatever the blobs are called", ({ expect }) => {
  const version = fc.record({
    container: fc.constantFrom("a", "b"),
    name: fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom("a", "/", ".", "1", "0x1", "é") }),
    etag: fc.constantFrom("0x1", "0x2", "0xA"),
    birth: fc.integer({ min: 1, max: 3 }),
  });
  type Version = { container: string; name: string; etag: string; birth: number };
  const path = ({ container, name, etag, birth }: Version): string => objectPath(container, name, etag, birth);
  fc.assert(
    fc.property(version, version, (a, b) => {
      expect(path(a) === path(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
    }),
  );
});

test("names that a URL normalizes cannot be addressed", ({ expect }) => {
  for (const name of ["a/../b", "..", "./a", "a/.", "\ud800"]) expect(isAddressable(name), name).toBe(false);
  for (const name of ["a/..b", "...", ".hidden", "a.", "a//b", "/a", "a/", "é/文/😀"]) {
    expect(isAddressable(name), name).toBe(true);
    const url = new URL(`https://host/${name.split("/").map(encodeURIComponent).join("/")}`);
    expect(decodeURIComponent(url.pathname), name).toBe(`/${name}`);
  }
});

test("a seal's path parses to its recovery point, and no other path does", ({ expect }) => {
  expect(recoveryPointOfSeal(sealPath("abc"))).toBe("abc");
  expect(recoveryPointOfSeal("recovery-points/abc/other.json")).toBeUndefined();
  expect(recoveryPointOfSeal("recovery-points/a/b/recovery-point.json")).toBeUndefined();
});

test("two attempts with different bytes write different segments", ({ expect }) => {
  const sha = (digit: string): string => digit.repeat(64);
  expect(segmentPath("rp", "raw", "00000", 3, sha("a"))).toBe(
    "manifests/rp/raw/00000-000003-aaaaaaaaaaaaaaaa.ndjson.gz",
  );
  expect(segmentPath("rp", "raw", "00000", 3, sha("b"))).not.toBe(segmentPath("rp", "raw", "00000", 3, sha("a")));
});

const JOB = "0f3b1c52-7a64-5e0d-9d3f-2b8a6c1e4d70";

test("a marker has a name that its container allows, and is recognized by it", ({ expect }) => {
  expect(sourceMarkerName("raw", JOB)).toBe(`.lakevault/${JOB}`);
  expect(sourceMarkerName("$web", JOB)).toBe(`.lakevault/${JOB}`);
  expect(sourceMarkerName("$root", JOB)).toBe(`.lakevault-${JOB}`);
  for (const container of ["raw", "$web", "$root"]) {
    const name = sourceMarkerName(container, JOB);
    expect(isSourceMarker(container, { name })).toBe(true);
    expect(jobOfMarker(container, name)).toBe(JOB);
  }
  // Azurite allows such a name, and an older version may have written it.
  expect(isSourceMarker("$root", { name: `.lakevault/${JOB}` })).toBe(true);
});

test.for([
  ["raw", ".lakevault", undefined],
  ["raw", ".lakevault", "append"],
  ["raw", ".lakevaults/x", undefined],
  ["raw", `.lakevault-${JOB}`, undefined],
  ["raw", "a/.lakevault/x", undefined],
  ["$root", ".lakevault-notes", undefined],
  ["$root", `.lakevault-${JOB}x`, undefined],
] as const)("in '%s' the blob '%s' of type %s is not reserved", ([container, name, type], { expect }) => {
  expect(isSourceMarker(container, { name, type })).toBe(false);
});

test("the directory of a marker is reserved", ({ expect }) => {
  expect(isSourceMarker("raw", { name: ".lakevault", type: "directory" })).toBe(true);
  expect(isSourceMarker("raw", { name: ".lakevault/kept", type: "directory" })).toBe(true);
  expect(jobOfMarker("raw", ".lakevault/kept")).toBeUndefined();
});
