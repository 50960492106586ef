import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, test } from "vitest";
import { startAzurite } from "../azurite.ts";
import { startTestHost } from "../host/testing/test-host.ts";
import { LOCAL_ACCOUNTS, lakevaultSettings } from "../lakevault.ts";
import { readFuncignore } from "./core-tools-ignore.ts";
import { readLock } from "./locked-packages.ts";
import { type PackagedApp, packageApp } from "./package-app.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const MB = 1e6;

let folder: string;
let packaged: PackagedApp;

beforeAll(async () => {
  // Outside of the project, where no package of the project's is found in place of one that is missing.
  folder = join(await mkdtemp(join(tmpdir(), "lakevault-package-")), "app");
  packaged = await packageApp(ROOT, folder);
}, 300_000);
afterAll(async () => {
  await rm(join(folder, ".."), { recursive: true });
});

async function filesIn(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  return files.map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll("\\", "/")).sort();
}

const read = (root: string, name: string): Promise<string> => readFile(join(root, name), "utf8");

test("it holds the app and the packages that it needs, and nothing for development", async ({ expect }) => {
  const locked = readLock(await read(ROOT, "package-lock.json"));
  const deployed = locked.filter(({ isForDevelopment }) => !isForDevelopment).map((each) => each.folder);
  const files = await filesIn(folder);
  expect((await readdir(folder)).sort()).toEqual([
    "dist",
    "host.json",
    "node_modules",
    "package-lock.json",
    "package.json",
  ]);
  const isPackage = /^node_modules\/(?:.+\/node_modules\/)?(?:@[^/]+\/)?[^/@]+(?=\/package\.json$)/;
  expect(files.flatMap((file) => isPackage.exec(file)?.[0] ?? []).sort()).toEqual(deployed.sort());
  expect(readLock(await read(folder, "package-lock.json")).map((each) => each.folder)).toEqual(deployed.sort());
  expect(files.filter((file) => /\.(?:map|ts|mts|cts)$|\/\.bin\//.test(file))).toEqual([]);
  expect(files.filter((file) => file.startsWith("dist/") && /test/.test(file))).toEqual([]);
  expect(files.length).toBe(packaged.files);
  expect(packaged.bytes).toBeGreaterThan(10 * MB);
  expect(packaged.bytes).toBeLessThan(60 * MB);
});

test("the host finds its settings, the extension bundle and Durable Functions", async ({ expect }) => {
  expect(await read(folder, "host.json")).toBe(await read(ROOT, "host.json"));
  expect(JSON.parse(await read(folder, "host.json"))).toMatchObject({
    extensionBundle: { id: "Microsoft.Azure.Functions.ExtensionBundle" },
  });
  const { name, main, dependencies } = JSON.parse(await read(ROOT, "package.json")) as Record<string, unknown>;
  const manifest = JSON.parse(await read(folder, "package.json")) as Record<string, unknown>;
  expect(manifest).toMatchObject({ name, main, dependencies, engines: { node: ">=22" } });
  expect(dependencies).toHaveProperty("durable-functions");
  for (const member of ["devDependencies", "scripts"]) expect(manifest).not.toHaveProperty(member);
});

test("'func azure functionapp publish' in the project's folder publishes the same packages", async ({ expect }) => {
  const isPublished = readFuncignore(await read(ROOT, ".funcignore"));
  const inProject = (await filesIn(join(ROOT, "node_modules"))).map((file) => `node_modules/${file}`);
  const published = inProject.filter(isPublished);
  const deployed = (await filesIn(folder)).filter((file) => file.startsWith("node_modules/"));
  expect(inProject.length).toBeGreaterThan(2 * deployed.length);
  expect(published).toEqual(deployed);
});

test("the app runs from it", async ({ expect }) => {
  const azurite = await startAzurite({ accounts: LOCAL_ACCOUNTS });
  try {
    const host = await startTestHost({ app: folder, settings: lakevaultSettings(azurite) });
    const answer = await fetch(`${host.baseUrl}/api/health`);
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({ status: 200 });
    expect(await host.stop()).toBe(0);
  } finally {
    await azurite.stop();
  }
});
