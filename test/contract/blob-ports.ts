/**
 * @module
 * What a backup and a restore need of datasource, vault and restore target, the same in memory and in Blob Storage.
 */
import { createHash } from "node:crypto";
import { describe, test } from "vitest";
import type { BackupVault } from "../../src/backup/backup-vault.ts";
import type { Datasource, ListedBlob } from "../../src/backup/datasource.ts";
import type { RestoreTarget } from "../../src/restore/restore-target.ts";
import type { SweepableVault, VaultFile } from "../../src/vault/vault-files.ts";

/** An estate of its own for a test. */
export interface BlobEstate {
  readonly datasource: Datasource;
  readonly vault: BackupVault & SweepableVault;
  readonly target: RestoreTarget;
  /** A container of the datasource, empty at first. */
  readonly container: string;
  /** Name of a container that does not exist in the target. */
  readonly free: string;
  /** Writes a blob at the source; each time a new version. */
  write(name: string, content: string, tags?: Readonly<Record<string, string>>): Promise<void>;
  remove(name: string): Promise<void>;
}

const always = () => true;
const START = { name: "", after: false };

function md5(content: string): string {
  return createHash("md5").update(content).digest("base64");
}

async function flat<T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> {
  const found: T[] = [];
  for await (const page of pages) found.push(...page);
  return found;
}

async function lookAt({ datasource, container }: BlobEstate, name: string): Promise<ListedBlob> {
  const blob = await datasource.look(container, name);
  if (blob === undefined) throw new Error(`there is no blob '${name}'`);
  return blob;
}

async function filesOf(vault: BackupVault, prefix: string): Promise<VaultFile[]> {
  const found: VaultFile[] = [];
  for await (const file of vault.list(prefix)) found.push(file);
  return found;
}

async function write(vault: BackupVault, path: string, content: string): Promise<void> {
  await vault.create(path, new TextEncoder().encode(content), { contentType: "text/plain" });
}

async function text(vault: BackupVault, path: string): Promise<string | undefined> {
  const content = await vault.read(path);
  return content === undefined ? undefined : new TextDecoder().decode(content);
}

/** @param open - returns a new estate at each call */
export function blobPortsContract(name: string, open: () => Promise<BlobEstate>): void {
  const copyIn = async (estate: BlobEstate, blob: ListedBlob, path: string) => {
    const { name: blobName, etag, size } = blob;
    return estate.vault.copyObject({ container: estate.container, name: blobName, etag, size }, path, always);
  };

  describe(`${name} as a datasource`, () => {
    test("lists all blobs in UTF-16 order, from any position on", async ({ expect }) => {
      const estate = await open();
      const names = ["B", "a", "a/1", "a/10", "a/2", "a0", "b", "ä", "\u{1f642}", "\uff61"].sort();
      for (const name of [...names].reverse()) await estate.write(name, name);
      const listed = async (from: { name: string; after: boolean }) =>
        (await flat(estate.datasource.listPages(estate.container, { from, pageSize: 3 }))).map((blob) => blob.name);

      expect(await listed(START)).toEqual(names);
      let tried = 0;
      for (const [at, name] of names.entries()) {
        expect(await listed({ name, after: false }), name).toEqual(names.slice(at));
        expect(await listed({ name, after: true }), name).toEqual(names.slice(at + 1));
        tried += 1;
      }
      expect(tried).toBe(10);
      expect(await listed({ name: "a/1z", after: true })).toEqual(names.slice(names.indexOf("a/2")));
    });

    test("returns the same of a blob in its listing and alone", async ({ expect }) => {
      const estate = await open();
      await estate.write("plain", "content");
      await estate.write("tagged", "more content", { project: "lake", "cost center": "4711" });
      const [plain, tagged] = await flat(estate.datasource.listPages(estate.container, { from: START }));
      expect(plain).toEqual(await lookAt(estate, "plain"));
      expect(tagged).toEqual(await lookAt(estate, "tagged"));
      expect(plain).toMatchObject({ name: "plain", size: 7, md5: md5("content"), effectiveTier: "Hot" });
      expect(plain?.etag).not.toMatch(/^"/);
      expect(plain).not.toHaveProperty("tags");
      expect(tagged).toMatchObject({ tags: { project: "lake", "cost center": "4711" } });
      expect(await estate.datasource.look(estate.container, "none")).toBeUndefined();
    });

    test("gives every write a new ETag", async ({ expect }) => {
      const estate = await open();
      const etags = new Set<string>();
      for (let write = 0; write < 5; write++) {
        await estate.write("same", "content");
        etags.add((await lookAt(estate, "same")).etag);
      }
      expect(etags.size).toBe(5);
    });

    test("knows its containers", async ({ expect }) => {
      const { datasource, container } = await open();
      expect(await datasource.containerExists(container)).toBe(true);
      expect(await datasource.containerExists("no-such-container")).toBe(false);
      const names = await datasource.listContainers();
      expect(names).toContain(container);
      expect(names).toEqual([...names].sort());
    });

    test("writes a marker once, and deletes it repeatedly", async ({ expect }) => {
      const estate = await open();
      const { datasource, container } = estate;
      const etag = await datasource.writeMarker(container, ".lakevault/job", "first");
      expect(await datasource.writeMarker(container, ".lakevault/job", "second")).toBe(etag);
      expect(await lookAt(estate, ".lakevault/job")).toMatchObject({ size: 5, etag });
      await estate.write(".lakevault-not", "not below it");
      const found = await datasource.listMarkers(container, ".lakevault/");
      expect(found).toEqual([{ name: ".lakevault/job", etag, writtenAt: expect.any(Date) }]);
      expect(await datasource.removeMarker(container, { name: ".lakevault/job", etag: "0x8DA0" })).toBe("kept");
      expect(await datasource.look(container, ".lakevault/job")).toBeDefined();
      for (const _ of ["once", "again"]) {
        expect(await datasource.removeMarker(container, { name: ".lakevault/job", etag })).toBe("removed");
      }
      await datasource.removeMarkerDirectory(container);
      expect(await datasource.look(container, ".lakevault/job")).toBeUndefined();
    });
  });

  describe(`${name} as a vault`, () => {
    test("writes a file once and reads it back", async ({ expect }) => {
      const { vault } = await open();
      const options = { contentType: "application/json", metadata: { sequence: "7" } };
      expect(await vault.create("seals/1", new TextEncoder().encode("first"), options)).toBe(true);
      expect(await vault.create("seals/1", new TextEncoder().encode("second"), options)).toBe(false);
      expect(await text(vault, "seals/1")).toBe("first");
      expect(await vault.read("seals/2")).toBeUndefined();
    });

    test("lists files below a prefix, ascending, with size and metadata", async ({ expect }) => {
      const { vault } = await open();
      for (const path of ["seals/2", "seals/10", "sealsx/1", "other"]) {
        await vault.create(path, new TextEncoder().encode(path), { contentType: "text/plain", metadata: { of: path } });
      }
      const found = await filesOf(vault, "seals/");
      expect(found).toMatchObject([
        { path: "seals/10", size: 8, metadata: { of: "seals/10" } },
        { path: "seals/2", size: 7, metadata: { of: "seals/2" } },
      ]);
      expect(new Set(found.map(({ etag }) => etag)).size).toBe(2);
    });

    test("lists files from a path on", async ({ expect }) => {
      const { vault } = await open();
      const paths = ["data/a", "data/a b+c%", "data/b/ä", "data/c"];
      const left = async (from?: string): Promise<string[]> => {
        const found: string[] = [];
        for await (const { path } of vault.list("data/", from)) found.push(path);
        return found;
      };
      for (const path of paths) await vault.create(path, new TextEncoder().encode(path), { contentType: "text/plain" });
      expect(await left("data/b")).toEqual(paths.slice(2));
      expect(await left("data/c")).toEqual(paths.slice(3));
    });

    test("deletes files repeatedly, one or many at once", async ({ expect }) => {
      const { vault } = await open();
      const paths = ["data/a", "data/a b+c%", "data/b/ä", "data/c"];
      for (const path of paths) await write(vault, path, path);
      const seen = await filesOf(vault, "data/");
      for (const some of [seen.slice(0, 3), seen.slice(0, 2), seen.slice(0, 1), []]) {
        expect(await vault.remove(some.map(({ path, etag }) => ({ path, etag })))).toEqual([]);
      }
      expect((await filesOf(vault, "data/")).map(({ path }) => path)).toEqual(["data/c"]);
      const writtenUntil = seen[0]?.writtenAt ?? new Date(0);
      expect(await vault.remove(paths.slice(0, 2).map((path) => ({ path, writtenUntil })))).toEqual([]);
    });

    test("does not delete a file that was rewritten since it was listed, and reports it", async ({ expect }) => {
      const { vault } = await open();
      for (const path of ["data/a", "data/b", "data/c"]) await write(vault, path, "old");
      const seen = await filesOf(vault, "data/");
      const removals = seen.map(({ path, etag }) => ({ path, etag }));
      const again = ["data/a", "data/b"];
      await vault.remove(removals.slice(0, 2));
      for (const path of again) await write(vault, path, "new");

      expect(await vault.remove(removals.slice(0, 1))).toEqual(["data/a"]);
      expect(await vault.remove(removals)).toEqual(again);
      expect((await filesOf(vault, "data/")).map(({ path }) => path)).toEqual(again);
      for (const path of again) expect(await text(vault, path)).toBe("new");
    });

    test("deletes by age what was written up to a time, and nothing else", async ({ expect }) => {
      const { vault } = await open();
      for (const path of ["data/a", "data/b"]) await write(vault, path, "old");
      const seen = await filesOf(vault, "data/");
      const upTo = (path: string, msBefore: number) => {
        const writtenAt = seen.find((file) => file.path === path)?.writtenAt.getTime() ?? 0;
        return { path, writtenUntil: new Date(writtenAt - msBefore) };
      };
      expect(await vault.remove([upTo("data/a", 1_000)])).toEqual(["data/a"]);
      expect(await vault.remove([upTo("data/a", 0), upTo("data/b", 1_000)])).toEqual(["data/b"]);
      expect(await vault.remove([upTo("data/b", 0)])).toEqual([]);
      expect(await filesOf(vault, "data/")).toEqual([]);
    });

    test("copies a version once", async ({ expect }) => {
      const estate = await open();
      await estate.write("a/b.txt", "content");
      const blob = await lookAt(estate, "a/b.txt");
      // Not every service returns the MD5 that it computed; a returned one is that of the content.
      for (const movedBytes of [7, 0]) {
        const { md5: said = md5("content"), ...outcome } = (await copyIn(estate, blob, "data/1")) as { md5?: string };
        expect({ ...outcome, said }).toEqual({ kind: "copied", movedBytes, said: md5("content") });
      }
      expect(await text(estate.vault, "data/1")).toBe("content");
    });

    test("copies only the requested version", async ({ expect }) => {
      const estate = await open();
      await estate.write("moving", "one");
      const one = await lookAt(estate, "moving");
      await estate.write("moving", "two");
      expect(await copyIn(estate, one, "data/1")).toEqual({ kind: "changed" });
      expect(await copyIn(estate, await lookAt(estate, "moving"), "data/2")).toMatchObject({ kind: "copied" });
      await estate.remove("moving");
      expect(await copyIn(estate, one, "data/1")).toEqual({ kind: "gone" });
      expect(await estate.vault.read("data/1")).toBeUndefined();
      expect(await text(estate.vault, "data/2")).toBe("two");
    });

    test("copies a marker over one of an earlier attempt", async ({ expect }) => {
      const { datasource, vault, container } = await open();
      for (const content of ["first", "second"]) {
        const etag = await datasource.writeMarker(container, ".lakevault/job", content);
        expect(await datasource.writeMarker(container, ".lakevault/job", "anything else")).toBe(etag);
        for (const version of [undefined, etag]) {
          expect(await vault.copyMarker(container, ".lakevault/job", "markers/1", version)).toMatchObject({
            kind: "copied",
          });
        }
        expect(await text(vault, "markers/1")).toBe(content);
        expect(await vault.copyMarker(container, ".lakevault/job", "markers/1", "0x8DA0")).toEqual({ kind: "changed" });
        await datasource.removeMarker(container, { name: ".lakevault/job", etag });
      }
      expect(await vault.copyMarker(container, ".lakevault/job", "markers/1")).toEqual({ kind: "gone" });
    });
  });

  describe(`${name} as a restore target`, () => {
    test("distinguishes its own containers from those of others", async ({ expect }) => {
      const { target, free } = await open();
      expect(await target.look(free, "job-1")).toBeUndefined();
      expect(await target.createContainer(free, "job-1")).toBe("ours");
      expect(await target.createContainer(free, "job-1")).toBe("ours");
      expect(await target.createContainer(free, "job-2")).toBe("foreign");
      expect(await target.look(free, "job-1")).toBe("ours");
      expect(await target.look(free, "job-2")).toBe("foreign");
    });

    test("gives its containers the properties of the source's, once, and removes its own mark", async ({ expect }) => {
      const { target, free } = await open();
      await target.createContainer(free, "job-1");
      const properties = { metadata: { team: "lakes" }, publicAccess: "blob" } as const;
      expect(await target.finishContainer(free, "job-2", properties)).toEqual([]);
      expect(await target.look(free, "job-1")).toBe("ours");
      expect(await target.finishContainer(free, "job-1", properties)).toEqual([]);
      expect(await target.look(free, "job-1")).toBe("foreign");
      expect(await target.finishContainer(free, "job-1", {})).toEqual([]);
      expect(await target.look(free, "job-1")).toBe("foreign");
    });

    test("returns what was copied in, and never overwrites a blob", async ({ expect }) => {
      const estate = await open();
      const { target, free } = estate;
      await target.createContainer(free, "job");
      for (const name of ["b", "a/1", "c"]) {
        await estate.write(name, `content of ${name}`);
        const { effectiveTier: _, ...blob } = await lookAt(estate, name);
        await copyIn(estate, blob, `data/${name}`);
        expect(await target.copyObject(`data/${name}`, free, { ...blob, birth: 1 }, always)).toEqual({
          kind: "copied",
        });
        expect(await target.copyObject(`data/${name}`, free, { ...blob, birth: 1 }, always)).toEqual({
          kind: "exists",
        });
        expect(await target.copyObject("data/none", free, { ...blob, name: "none", birth: 1 }, always)).toEqual({
          kind: "missing",
        });
      }
      const told = (name: string) => ({
        name,
        size: 11 + name.length,
        md5: md5(`content of ${name}`),
        isWhole: true,
      });
      expect(await flat(target.listPages(free, ""))).toEqual(["a/1", "b", "c"].map(told));
      expect(await flat(target.listPages(free, "b"))).toEqual(["b", "c"].map(told));
      expect(await target.contentMd5(free, "b")).toBe(md5("content of b"));
    });
  });
}
