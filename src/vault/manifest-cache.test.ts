import { test } from "vitest";
import { VaultError } from "../foundation/errors.ts";
import { ManifestCache } from "./manifest-cache.ts";
import type { ManifestIndex } from "./manifest-index.ts";
import { indexPath, sealPath } from "./names.ts";
import type { Seal } from "./seal.ts";
import { sha256Of } from "./segment.ts";

const INSTANCE = "1".repeat(32);

/** Seals of the given number of recovery points, each with one empty container. */
class CountingFiles {
  readonly files = new Map<string, Uint8Array>();
  readonly reads: string[] = [];
  failures = 0;

  seal(recoveryPoint: string, padding = 0): Seal {
    const index: ManifestIndex = {
      ...{ formatVersion: 1, recoveryPoint, container: "raw", order: "utf-16" },
      ...{ entries: 0, bytes: 0, segments: [] },
    };
    const content = Buffer.from(JSON.stringify(index) + " ".repeat(padding));
    const path = indexPath(recoveryPoint, "raw");
    const seal: Seal = {
      ...{ formatVersion: 1, recoveryPoint, sequence: 1, instance: INSTANCE, job: "job" },
      ...{ slot: "2026", time: "2026", sealedAt: "2026", tag: "Default", policy: "daily" },
      containers: [{ name: "raw", index: { path, sha256: sha256Of(content) }, entries: 0, bytes: 0 }],
      ...{ entries: 0, bytes: 0, warnings: { count: 0, first: [] } },
    };
    this.files.set(path, content);
    this.files.set(sealPath(recoveryPoint), Buffer.from(JSON.stringify(seal)));
    return seal;
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    this.reads.push(path);
    if (this.failures-- > 0) throw new VaultError("storage/unavailable", "not now");
    return this.files.get(path);
  }
}

test("a seal and an index are read once, also by concurrent callers", async ({ expect }) => {
  const files = new CountingFiles();
  const seal = files.seal("one");
  const cache = new ManifestCache();
  const seals = await Promise.all(Array.from({ length: 8 }, () => cache.readSeal(files, INSTANCE, "one")));
  const indexes = await Promise.all(Array.from({ length: 8 }, () => cache.readIndex(files, seal, "raw")));
  expect(seals).toEqual(Array.from({ length: 8 }, () => seal));
  expect(new Set(indexes).size).toBe(1);
  expect(indexes[0]).toMatchObject({ recoveryPoint: "one", container: "raw" });
  expect(files.reads).toEqual([sealPath("one"), indexPath("one", "raw")]);
  expect(await cache.readIndex(files, seal, "nowhere")).toBeUndefined();
});

test("a failed read is not cached", async ({ expect }) => {
  const files = new CountingFiles();
  const seal = files.seal("one");
  const cache = new ManifestCache();
  files.failures = 1;
  const both = [cache.readSeal(files, INSTANCE, "one"), cache.readSeal(files, INSTANCE, "one")];
  const ended = await Promise.allSettled(both);
  expect(ended.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await cache.readSeal(files, INSTANCE, "one")).toEqual(seal);
  expect(files.reads).toHaveLength(2);
  await expect(cache.readSeal(files, INSTANCE, "two")).rejects.toMatchObject({ code: "recovery-point/not-found" });
  files.seal("two");
  expect(await cache.readSeal(files, INSTANCE, "two")).toMatchObject({ recoveryPoint: "two" });
});

test("an altered index is refused", async ({ expect }) => {
  const files = new CountingFiles();
  const seal = files.seal("one");
  files.files.set(indexPath("one", "raw"), Buffer.from("{}"));
  const cache = new ManifestCache();
  await expect(cache.readIndex(files, seal, "raw")).rejects.toMatchObject({ code: "format/corrupt" });
});

test("drops the least recently used when there are too many", async ({ expect }) => {
  const files = new CountingFiles();
  for (const id of ["one", "two", "three"]) files.seal(id);
  const cache = new ManifestCache({ files: 2, bytes: 1e9 });
  const read = (id: string): Promise<Seal> => cache.readSeal(files, INSTANCE, id);
  for (const id of ["one", "two", "one", "three", "one"]) await read(id);
  expect(files.reads).toEqual(["one", "two", "three"].map(sealPath));
  await read("two");
  expect(files.reads).toHaveLength(4);
});

test("the cache is limited in bytes, and keeps the latest whatever its size", async ({ expect }) => {
  const files = new CountingFiles();
  const [one, two] = [files.seal("one", 600), files.seal("two", 5_000)];
  const cache = new ManifestCache({ files: 100, bytes: 1_500 });
  for (const seal of [one, one, two, two, one, two]) await cache.readIndex(files, seal, "raw");
  expect(files.reads.map((path) => path.split("/")[1])).toEqual(["one", "two", "one", "two"]);
});

test("a read that is pushed out while it is under way still answers all who wait for it", async ({ expect }) => {
  const files = new CountingFiles();
  const ids = ["one", "one", "two", "three"];
  for (const id of ids) files.seal(id);
  const cache = new ManifestCache({ files: 1, bytes: 1e9 });
  const seals = await Promise.all(ids.map((id) => cache.readSeal(files, INSTANCE, id)));
  expect(seals.map(({ recoveryPoint }) => recoveryPoint)).toEqual(ids);
  expect(files.reads).toEqual(["one", "two", "three"].map(sealPath));
});

test("the same recovery point of two instances is two", async ({ expect }) => {
  const [files, others] = [new CountingFiles(), new CountingFiles()];
  files.seal("one");
  const cache = new ManifestCache();
  await cache.readSeal(files, INSTANCE, "one");
  await expect(cache.readSeal(others, "2".repeat(32), "one")).rejects.toMatchObject({
    code: "recovery-point/not-found",
  });
});
