import { createHash } from "node:crypto";
import { describe, test } from "vitest";
import { MemoryAccount, MemoryVault } from "../../test/support/memory-account.ts";
import { MemoryScrubVault } from "../../test/support/scrub-vault.ts";
import { entry } from "../../test/support/written-points.ts";
import { FULL_SAFETY } from "../foundation/safety.ts";
import type { Entry } from "../vault/entry.ts";
import { objectPath } from "../vault/names.ts";
import { compareContent, compareObject, compareObjects, decideLooking, type WantedObject } from "./compare-objects.ts";
import type { StoredFile } from "./scrub-vault.ts";

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

/** Last-Modified of the objects of {@link file} is the time of the seal. */
const SEALED = new Date(0);
const SINCE = { writtenAt: new Date(FULL_SAFETY.lateWriteMs + 1) };
const AT_THE_SEAL = { writtenAt: new Date(FULL_SAFETY.lateWriteMs) };
const a = (changes: Partial<Entry> = {}): Entry => entry("a", "e", 1, { size: 1, md5: "right", ...changes });
const noMd5 = entry("a", "e", 1, { size: 1 });

describe("an object is compared with its properties:", () => {
  test.for([
    ["it is not found", a(), undefined, "missing"],
    ["it is unaltered", a(), file(), "whole"],
    ["it is shorter", a(), file({ size: 0 }), "altered"],
    ["its copy did not end", a(), file({ isWhole: false }), "altered"],
    ["it has another MD5, so its content decides", a(), file({ md5: "wrong" }), "suspect"],
    ["its metadata was set since", a(), file(SINCE), "whole"],
    ["the account has no MD5", a(), withoutMd5, "whole"],
    ["the manifest has no MD5", noMd5, file(), "whole"],
    ["the manifest has no MD5, and it was written to since", noMd5, file(SINCE), "unconfirmed"],
    ["an append blob, with whatever MD5", a({ type: "append" }), file({ md5: "wrong" }), "whole"],
    ["a page blob, with whatever MD5", a({ type: "page" }), file({ md5: "wrong" }), "whole"],
    ["an append blob that lost its end", a({ type: "append" }), file({ size: 0 }), "altered"],
    ["a page blob just at the seal", a({ type: "page" }), file(AT_THE_SEAL), "whole"],
    ["a page blob was written to since, so its content decides", a({ type: "page" }), file(SINCE), "suspect"],
    ["an append blob without MD5 was written to since", { ...noMd5, type: "append" as const }, file(SINCE), "altered"],
  ] as const)("%s", ([, wanted, found, result], { expect }) => {
    expect(compareObject(wanted, found, SEALED)).toBe(result);
  });
});

describe("an object is compared with its content:", () => {
  const right = { bytes: 1, md5: "right" };
  const other = { bytes: 1, md5: "other" };
  test.for([
    ["it went away", a(), file(), undefined, "missing"],
    ["all is right", a(), file(), right, "whole"],
    ["all is right, and its metadata was set since", a(), file(SINCE), right, "whole"],
    ["it ends early", a(), file(), { bytes: 0, md5: "right" }, "altered"],
    ["no MD5 is known", noMd5, file(), other, "whole"],
    ["its MD5 may have been wrong at the source", a(), file(), other, "unconfirmed"],
    ["the same, and the account knows none", a(), withoutMd5, other, "unconfirmed"],
    ["it was written over, and has the MD5 of its content", a(), file({ md5: "other" }), other, "altered"],
    ["it was written over with the MD5 that it had", a(), file(SINCE), other, "altered"],
    ["its source had a wrong MD5, and its copy worked one out", a(), file({ md5: "wrong" }), right, "whole"],
    ["an append blob whose MD5 is of before it grew", a({ type: "append" }), file(), other, "whole"],
    ["a page blob whose MD5 is of before it was written to", a({ type: "page" }), file(), other, "whole"],
    ["a page blob that was written to since", a({ type: "page" }), file(SINCE), other, "altered"],
    ["a page blob that was written to since with what it had", a({ type: "page" }), file(SINCE), right, "whole"],
  ] as const)("%s", ([, wanted, found, content, result], { expect }) => {
    expect(compareContent(wanted, found, content, SEALED)).toBe(result);
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

/** A vault of objects whose content is their ETag, with call counts. */
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

const SEALED_LATER = new Date("2026-01-01T00:00:00.000Z");
const SETTINGS = { rereadShare: 0, rereadBytes: 1_000 };

test("dense objects cost one listing, and one more request for each one that it lacks", async ({ expect }) => {
  const { vault, files, wanted, calls } = world(100);
  vault.files.delete(wanted[7]?.path ?? "");
  const some = wanted.slice(5, 30);
  const compared = await compareObjects(
    { vault: files, settings: SETTINGS, round: 1, sealedAt: SEALED_LATER },
    "data/raw/",
    some,
    25,
    0,
  );
  expect(compared).toMatchObject({ objects: 25, reread: 0, findings: [{ kind: "missing", wanted: wanted[7] }] });
  expect(calls.pages).toBe(3);
});

test("sparse objects cost one request each", async ({ expect }) => {
  const { files, wanted, calls } = world(100);
  const some = wanted.filter((_, n) => n % 20 === 0);
  await compareObjects(
    { vault: files, settings: SETTINGS, round: 1, sealedAt: SEALED_LATER },
    "data/raw/",
    some,
    81,
    0,
  );
  expect(calls).toEqual({ looks: 5, pages: 0, streams: 0 });
});

test("an object that is missing from the listing but found by a single request is not missing", async ({ expect }) => {
  const { vault, wanted } = world(30);
  class Forgetful extends MemoryScrubVault {
    override async *listPages() {
      yield [];
    }
  }
  const deps = { vault: new Forgetful(vault), settings: SETTINGS, round: 1, sealedAt: SEALED_LATER };
  expect((await compareObjects(deps, "data/raw/", wanted, 30, 0)).findings).toEqual([]);
});

test("objects in the sample are read in full, up to the byte limit", async ({ expect }) => {
  const { files, wanted, calls } = world(30);
  const deps = { vault: files, settings: { rereadShare: 1, rereadBytes: 60 }, round: 1, sealedAt: SEALED_LATER };
  expect(await compareObjects(deps, "data/raw/", wanted, 30, 0)).toMatchObject({
    objects: 10,
    reread: 10,
    rereadBytes: 60,
  });
  expect(await compareObjects(deps, "data/raw/", wanted, 30, 60)).toMatchObject({ objects: 0, reread: 0 });
  expect(calls.streams).toBe(10);
});

test("when the time is over no further object is re-read, and the next step continues there", async ({ expect }) => {
  const { files, wanted, calls } = world(30);
  const hasTime = () => calls.streams < 4;
  const deps = {
    ...{ vault: files, settings: { rereadShare: 1, rereadBytes: 1_000 }, round: 1, sealedAt: SEALED_LATER },
    hasTime,
  };
  expect(await compareObjects(deps, "data/raw/", wanted, 30, 0)).toMatchObject({ objects: 4, reread: 4 });
  const late = { ...deps, hasTime: () => false };
  expect(await compareObjects(late, "data/raw/", wanted.slice(4), 30, 0)).toMatchObject({ objects: 1, reread: 1 });
});
