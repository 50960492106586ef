import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, test } from "vitest";
import { z } from "zod";
import { objectPath, recoveryPointOfSeal } from "../../src/vault/names.ts";
import { readIndex, readSeal, readSegment } from "../../src/vault/read-manifest.ts";

/** Vault containers as each minor version wrote them, kept forever: every later version must read them. */
const golden = (version: string): string => fileURLToPath(new URL(`golden/${version}/`, import.meta.url));
const GOLDEN = golden("v1");

const filesOf = (root: string) => ({
  read: async (path: string): Promise<Uint8Array | undefined> => {
    try {
      return await readFile(`${root}${path}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  },
});
const files = filesOf(GOLDEN);

/** Reads a point from its seal down. @returns contents by `container/name` */
async function contentsOf(point: string): Promise<Record<string, string>> {
  const seal = await readSeal(files, point);
  const contents: Record<string, string> = {};
  for (const { name: container } of seal.containers) {
    for (const segment of (await readIndex(files, seal, container))?.segments ?? []) {
      for (const { name, etag, birth, size } of await readSegment(files, segment)) {
        const path = `${GOLDEN}${objectPath(container, name, etag, birth)}`;
        if ((await stat(path)).size !== size) throw new Error(`'${path}' has another size`);
        contents[`${container}/${name}`] = await readFile(path, "utf8");
      }
    }
  }
  return contents;
}

test("a vault of version 1 is read, point by point and blob by blob", async ({ expect }) => {
  const found = await readdir(`${GOLDEN}recovery-points`);
  const points = await Promise.all(found.map((id) => readSeal(files, id)));
  points.sort((a, b) => a.sequence - b.sequence);
  expect(points.map(({ sequence, tag, entries, warnings }) => [sequence, tag, entries, warnings.count])).toEqual([
    [1, "Default", 12, 0],
    [2, "Default", 11, 1],
  ]);

  const numbered = Array.from({ length: 10 }, (_, i) => [`raw/dir/${i}.txt`, `content ${i}`]);
  const first = { ...Object.fromEntries(numbered), "raw/tagged ü": "t", [`raw/${"x".repeat(1020)}`]: "long" };
  const { "raw/dir/7.txt": _, ...second } = { ...first, "raw/dir/3.txt": "changed" };
  expect(await contentsOf(points[0]?.recoveryPoint ?? "")).toEqual(first);
  expect(await contentsOf(points[1]?.recoveryPoint ?? "")).toEqual(second);
});

test("the second point of the golden vault refers to segments of the first", async ({ expect }) => {
  const [one, two] = (
    await Promise.all((await readdir(`${GOLDEN}recovery-points`)).map((id) => readSeal(files, id)))
  ).sort((a, b) => a.sequence - b.sequence);
  if (one === undefined || two === undefined) throw new Error("the golden vault has two points");
  const shared = (await readIndex(files, two, "raw"))?.segments.filter(({ path }) => path.includes(one.recoveryPoint));
  expect(shared).toHaveLength(1);
  expect(recoveryPointOfSeal(`recovery-points/${one.recoveryPoint}/recovery-point.json`)).toBe(one.recoveryPoint);
});

describe("version 1.1, which adds metadata and access levels of containers, and metadata of directories,", () => {
  const root = golden("v1.1");
  const POINT = "dd3b37fb64e65165b753c6776125908a";

  test("is read with all of it", async ({ expect }) => {
    const seal = await readSeal(filesOf(root), POINT);
    expect(seal.formatMinor).toBe(1);
    const [plain, raw] = seal.containers;
    expect(plain).toMatchObject({ name: "plain", entries: 1 });
    expect(plain).not.toHaveProperty("metadata");
    expect(raw).toMatchObject({ name: "raw", entries: 3, publicAccess: "blob" });
    expect(Object.entries(raw?.metadata ?? {})).toEqual([
      ["Team", "lakes"],
      ["__proto__", "kept"],
    ]);
    const [segment] = (await readIndex(filesOf(root), seal, "raw"))?.segments ?? [];
    if (segment === undefined) throw new Error("there is no segment");
    const entries = await readSegment(filesOf(root), segment);
    expect(entries.map(({ name, type, metadata }) => [name, type, metadata])).toEqual([
      ["log", "append", undefined],
      ["year", "directory", { Owner: "finance" }],
      ["year/day.csv", undefined, undefined],
    ]);
  });

  // The schemas as they were before, with what the code around them checked.
  const OldSeal = z.object({
    formatVersion: z.literal(1),
    recoveryPoint: z.string(),
    sequence: z.int().positive(),
    tag: z.string(),
    containers: z.array(
      z.object({
        name: z.string(),
        index: z.object({ path: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
        entries: z.int().nonnegative(),
        bytes: z.int().nonnegative(),
      }),
    ),
    entries: z.int().nonnegative(),
    bytes: z.int().nonnegative(),
    warnings: z.object({ count: z.int().nonnegative(), first: z.array(z.object({ code: z.string() })) }),
  });
  const OldIndex = z.object({
    formatVersion: z.literal(1),
    container: z.string(),
    order: z.enum(["utf-16", "path"]),
    entries: z.int().nonnegative(),
    segments: z.array(z.object({ path: z.string(), sha256: z.string(), entries: z.int(), bytes: z.int() })),
  });
  const OldEntry = z.object({
    name: z.string().min(1),
    etag: z.string().min(1),
    size: z.int().nonnegative(),
    birth: z.int().positive(),
    md5: z.string().optional(),
    type: z.enum(["append", "page", "directory"]).optional(),
  });

  test("is read by a reader of 1.0, but for what was added", async ({ expect }) => {
    const sha256Of = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");
    const seal = OldSeal.parse(
      JSON.parse(await readFile(`${root}recovery-points/${POINT}/recovery-point.json`, "utf8")),
    );
    const names: string[] = [];
    for (const { name: container, index: ref, entries } of seal.containers) {
      const content = await readFile(`${root}${ref.path}`);
      expect(sha256Of(content)).toBe(ref.sha256);
      const index = OldIndex.parse(JSON.parse(content.toString()));
      expect([index.container, index.entries]).toEqual([container, entries]);
      for (const { path, sha256 } of index.segments) {
        const segment = await readFile(`${root}${path}`);
        expect(sha256Of(segment)).toBe(sha256);
        for (const line of gunzipSync(segment).toString().trimEnd().split("\n")) {
          const { name, etag, birth, size, type } = OldEntry.parse(JSON.parse(line));
          names.push(`${container}/${name}`);
          if (type !== "directory")
            expect((await stat(`${root}data/${container}/${name}/${etag}.${birth}`)).size).toBe(size);
        }
      }
    }
    expect(names).toEqual(["plain/one", "raw/log", "raw/year", "raw/year/day.csv"]);
  });
});
