import { createHash } from "node:crypto";
import { describe, test } from "vitest";
import { MemoryAccount, MemoryVault } from "../../test/support/memory-account.ts";
import { MemoryScrubVault } from "../../test/support/scrub-vault.ts";
import { entry } from "../../test/support/written-points.ts";
import { objectPath } from "../vault/names.ts";
import { compareContent, compareObject, compareObjects, decideLooking, type WantedObject } from "./compare-objects.ts";
import type { StoredFile } from "./contract.ts";

const MIB = 2 ** 20;
const file = (changes: Partial<StoredFile> = {}): StoredFile => ({
  path: "data/raw/a/e.1",
  size: 1,
  md5: "right",
  isWhole: true,
  writtenAt: new Date(0),
  etag: "0x1",
  ...changes,
});
const { md5: _, ...withoutMd5 } = file();

describe("an object is compared with what the account says of it:", () => {
  const small = entry("a", "e", 1, { size: 1, md5: "right" });
  test.for([
    ["it is not there", small, undefined, "missing"],
    ["it is as it was written", small, file(), "whole"],
    ["it is shorter", small, file({ size: 0 }), "altered"],
    ["its copy did not end", small, file({ isWhole: false }), "altered"],
    ["it has another MD5, so its content decides", small, file({ md5: "wrong" }), "suspect"],
    ["the account knows no MD5", small, withoutMd5, "whole"],
    ["the manifest knows no MD5", entry("a", "e", 1, { size: 1 }), file(), "whole"],
  ] as const)("%s", ([, wanted, found, result], { expect }) => {
    expect(compareObject(wanted, found)).toBe(result);
  });
});

describe("an object is compared with its content:", () => {
  const small = entry("a", "e", 1, { size: 1, md5: "right" });
  const large = entry("a", "e", 1, { size: 257 * MIB, md5: "right" });
  test.for([
    ["it went away", small, file(), undefined, "missing"],
    ["all is right", small, file(), { bytes: 1, md5: "right" }, "whole"],
    ["it ends early", small, file(), { bytes: 0, md5: "right" }, "altered"],
    ["it is another", small, file(), { bytes: 1, md5: "wrong" }, "altered"],
    ["no MD5 is known", entry("a", "e", 1, { size: 1 }), file(), { bytes: 1, md5: "any" }, "whole"],
    ["a large one may have been so at the source", large, file(), { bytes: 257 * MIB, md5: "wrong" }, "unconfirmed"],
    ["a large one was written over", large, file({ md5: "wrong" }), { bytes: 257 * MIB, md5: "wrong" }, "altered"],
  ] as const)("%s", ([, wanted, found, content, result], { expect }) => {
    expect(compareContent(wanted, found, content)).toBe(result);
  });
});

test.for([
  [1, 1, "looks"],
  [10, 5_000, "looks"],
  [11, 5_000, "listing"],
  [11, 5_001, "looks"],
  [5_000, 5_000, "listing"],
  [2_000, 2_000_000, "looks"],
] as const)("%i objects among %i names are found by %s", ([wanted, between, how], { expect }) => {
  expect(decideLooking(wanted, between)).toBe(how);
});

/** A vault of objects whose content is their ETag, with a port that counts. */
function world(count: number) {
  const vault = new MemoryVault(new MemoryAccount());
  const wanted: WantedObject[] = [];
  for (let n = 0; n < count; n++) {
    const etag = `e${String(n).padStart(5, "0")}`;
    const md5 = createHash("md5").update(etag).digest("base64");
    const one = entry(`n${String(n).padStart(5, "0")}`, etag, 1, { md5 });
    const path = objectPath("raw", one.name, etag, 1);
    wanted.push({ path, entry: one });
    vault.files.set(path, { content: etag, etag: "0x0", modified: "2026-01-01T00:00:00.000Z" });
  }
  const calls = { looks: 0, pages: 0, streams: 0 };
  class Counted extends MemoryScrubVault {
    override look(path: string) {
      calls.looks += 1;
      return super.look(path);
    }
    override async *listPages(prefix: string, from?: string) {
      for await (const page of super.listPages(prefix, from)) {
        calls.pages += 1;
        yield page;
      }
    }
    override stream(path: string) {
      calls.streams += 1;
      return super.stream(path);
    }
  }
  return { vault, files: new Counted(vault, 10), wanted, calls };
}

const SETTINGS = { rereadShare: 0, rereadBytes: 1_000 };

test("dense objects cost a listing up to the last of them, and what it lacks one more look", async ({ expect }) => {
  const { vault, files, wanted, calls } = world(100);
  vault.files.delete(wanted[7]?.path ?? "");
  const some = wanted.slice(5, 30);
  const compared = await compareObjects({ vault: files, settings: SETTINGS, round: 1 }, "data/raw/", some, 25, 0);
  expect(compared).toMatchObject({ objects: 25, reread: 0, findings: [{ kind: "missing", wanted: wanted[7] }] });
  expect(calls.pages).toBe(3);
});

test("sparse objects cost a look each", async ({ expect }) => {
  const { files, wanted, calls } = world(100);
  const some = wanted.filter((_, n) => n % 20 === 0);
  await compareObjects({ vault: files, settings: SETTINGS, round: 1 }, "data/raw/", some, 81, 0);
  expect(calls).toEqual({ looks: 5, pages: 0, streams: 0 });
});

test("an object that a listing does not show and a look does is not missing", async ({ expect }) => {
  const { vault, wanted } = world(30);
  class Forgetful extends MemoryScrubVault {
    override async *listPages() {
      yield [];
    }
  }
  const deps = { vault: new Forgetful(vault), settings: SETTINGS, round: 1 };
  expect((await compareObjects(deps, "data/raw/", wanted, 30, 0)).findings).toEqual([]);
});

test("objects whose turn it is are read in full, as many as the bytes allow", async ({ expect }) => {
  const { files, wanted, calls } = world(30);
  const deps = { vault: files, settings: { rereadShare: 1, rereadBytes: 60 }, round: 1 };
  expect(await compareObjects(deps, "data/raw/", wanted, 30, 0)).toMatchObject({
    objects: 10,
    reread: 10,
    rereadBytes: 60,
  });
  expect(await compareObjects(deps, "data/raw/", wanted, 30, 60)).toMatchObject({ objects: 0, reread: 0 });
  expect(calls.streams).toBe(10);
});
