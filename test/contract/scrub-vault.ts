/**
 * @module
 * What a scrub needs of a vault, the same in memory and in Blob Storage.
 */
import { createHash } from "node:crypto";
import { describe, test } from "vitest";
import type { ScrubVault, StoredFile } from "../../src/scrub/scrub-vault.ts";

const TYPE = { contentType: "text/plain" };

function md5(content: string): string {
  return createHash("md5").update(content).digest("base64");
}

async function write(vault: ScrubVault, path: string, content = path): Promise<void> {
  await vault.create(path, new TextEncoder().encode(content), TYPE);
}

async function listed(vault: ScrubVault, prefix: string, from?: string): Promise<StoredFile[]> {
  const found: StoredFile[] = [];
  for await (const page of vault.listPages(prefix, from)) found.push(...page);
  return found;
}

async function text(vault: ScrubVault, path: string): Promise<string | undefined> {
  const pieces: Uint8Array[] = [];
  const stream = await vault.stream(path);
  if (stream === undefined) return undefined;
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** @param open - returns an empty vault at each call */
export function scrubVaultContract(name: string, open: () => Promise<ScrubVault>): void {
  describe(`${name} as a vault that is scrubbed`, () => {
    test("returns the same of a file in its listing and alone", async ({ expect }) => {
      const vault = await open();
      await write(vault, "data/raw/a/e.1", "content");
      const [file] = await listed(vault, "data/");
      expect(file).toMatchObject({ path: "data/raw/a/e.1", size: 7, md5: md5("content"), isWhole: true });
      expect(file?.writtenAt.getTime()).toBeLessThanOrEqual(Date.now() + 60_000);
      expect(await vault.look("data/raw/a/e.1")).toEqual(file);
      expect(await vault.look("data/raw/a/e.2")).toBeUndefined();
    });

    test("lists in UTF-16 order below a prefix, from any path on, existing or not", async ({ expect }) => {
      const vault = await open();
      const paths = ["data/B", "data/a", "data/a!", "data/a/1", "data/a0", "data/ä", "data/\uff61"].sort();
      for (const path of [...paths, "data~/a", "dat", "markers/a"]) await write(vault, path);
      const names = async (from?: string): Promise<string[]> =>
        (await listed(vault, "data/", from)).map(({ path }) => path);
      expect(await names()).toEqual(paths);
      let tried = 0;
      for (const [at, path] of paths.entries()) {
        expect(await names(path), path).toEqual(paths.slice(at));
        tried += 1;
      }
      expect(tried).toBe(7);
      expect(await names("data/a/")).toEqual(paths.slice(paths.indexOf("data/a/1")));
      expect(await names("data/~~~")).toEqual(paths.filter((path) => path > "data/~~~"));
    });

    test("reads a file piece by piece", async ({ expect }) => {
      const vault = await open();
      const content = "0123456789".repeat(20_000);
      await write(vault, "data/large", content);
      await write(vault, "data/empty", "");
      expect(await text(vault, "data/large")).toBe(content);
      expect(await text(vault, "data/empty")).toBe("");
      expect(await text(vault, "data/none")).toBeUndefined();
    });

    test("shows nothing of a deleted file", async ({ expect }) => {
      const vault = await open();
      for (const path of ["data/a", "data/b"]) await write(vault, path);
      const seen = await listed(vault, "data/");
      const etag = seen[0]?.etag ?? "";
      expect(await vault.remove([...seen.slice(0, 1), { path: "data/none", etag }])).toEqual([]);
      expect((await listed(vault, "data/")).map(({ path }) => path)).toEqual(["data/b"]);
      expect(await vault.look("data/a")).toBeUndefined();
    });
  });
}
