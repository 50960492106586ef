import { readdir, readFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { objectPath, recoveryPointOfSeal } from "../../src/vault/names.ts";
import { readIndex, readSeal, readSegment } from "../../src/vault/read-manifest.ts";

/** A vault container as version 1 wrote it, kept for ever: every later version must read it. */
const GOLDEN = fileURLToPath(new URL("golden/v1/", import.meta.url));

const files = {
  read: async (path: string): Promise<Uint8Array | undefined> => {
    try {
      return await readFile(`${GOLDEN}${path}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  },
};

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
