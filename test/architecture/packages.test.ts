import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { runNpm } from "../../local/deploy/npm.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface Lock {
  readonly packages: Readonly<Record<string, { readonly deprecated?: string; readonly resolved?: string }>>;
}

async function lockedPackages() {
  const { packages } = JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8")) as Lock;
  return Object.entries(packages);
}

test("npm has no warnings on the Node that runs the scripts", async ({ expect }) => {
  const folder = await mkdtemp(join(tmpdir(), "lakevault-packages-"));
  try {
    for (const name of ["package.json", "package-lock.json"]) await copyFile(join(ROOT, name), join(folder, name));
    const { stdout, stderr } = await runNpm(folder, ["ci", "--dry-run", "--offline", "--loglevel=warn"]);
    expect(stdout).toMatch(/^added \d+ packages/m);
    expect(stderr).toBe("");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("no installed package is deprecated", async ({ expect }) => {
  const packages = await lockedPackages();
  expect(packages.length).toBeGreaterThan(500);
  expect(packages.filter(([, { deprecated }]) => deprecated !== undefined)).toEqual([]);
});

test("the lockfile has no registry URL", async ({ expect }) => {
  const packages = await lockedPackages();
  expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
});
