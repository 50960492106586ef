import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

async function filesOf(folder: string): Promise<string[]> {
  const found = await readdir(join(ROOT, folder), { recursive: true });
  return found.filter((path) => !path.includes("node_modules")).map((path) => `${folder}/${path}`);
}

test("a test next to a source is named for it, optionally with a word for its kind", async ({ expect }) => {
  const files = new Set((await Promise.all(["src", "local", "bench"].map(filesOf))).flat());
  const tests = [...files].filter((path) => path.endsWith(".test.ts"));
  const homeless = tests.filter((path) => {
    const [source = ""] = basename(path).split(".");
    return !files.has(join(dirname(path), `${source}.ts`));
  });
  expect(homeless).toEqual([]);
  expect(tests.length).toBeGreaterThan(100);
});

test("each test in the documentation exists", async ({ expect }) => {
  const all = (await Promise.all(["src", "local", "bench", "test"].map(filesOf))).flat();
  const pages = ["CONTRIBUTING.md", "README.md", ...(await filesOf("docs")).filter((path) => path.endsWith(".md"))];
  const wrong: string[] = [];
  let named = 0;
  for (const page of pages) {
    const text = await readFile(join(ROOT, page), "utf8");
    for (const [, path = ""] of text.matchAll(/`([\w./-]+\.test\.ts)`/g)) {
      named += 1;
      if (!all.some((file) => file === path || file.endsWith(`/${path}`))) wrong.push(`${page}: ${path}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(named).toBeGreaterThan(100);
});
