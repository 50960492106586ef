import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { readFuncignore } from "./core-tools-ignore.ts";
import { funcignoreFor } from "./funcignore.ts";
import { readLock } from "./locked-packages.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const FUNCIGNORE = await readFile(join(ROOT, ".funcignore"), "utf8");
const LOCKED = readLock(await readFile(join(ROOT, "package-lock.json"), "utf8"));

test("the file is the one that 'npm run funcignore' writes for the packages of now", ({ expect }) => {
  expect(FUNCIGNORE).toBe(funcignoreFor(LOCKED));
});

test("packages that only development needs are left out, all others are published", ({ expect }) => {
  const isPublished = readFuncignore(FUNCIGNORE);
  const deployed = LOCKED.filter(({ isForDevelopment }) => !isForDevelopment);
  expect([deployed.length > 50, LOCKED.length - deployed.length > 50]).toEqual([true, true]);
  for (const { folder, isForDevelopment } of LOCKED) {
    for (const file of ["package.json", "dist/index.js", ".hidden.js"]) {
      expect(isPublished(`${folder}/${file}`), `${folder}/${file}`).toBe(!isForDevelopment);
    }
    for (const file of ["index.d.ts", "dist/index.js.map", "src/index.mts", "node_modules/.bin/tool"]) {
      expect(isPublished(`${folder}/${file}`), `${folder}/${file}`).toBe(false);
    }
  }
});

test("of the project itself the compiled app is published, and what the host and npm read", async ({ expect }) => {
  const isPublished = readFuncignore(FUNCIGNORE);
  const names = (await readdir(ROOT)).filter((name) => name !== "node_modules" && name !== "dist");
  expect(names.length).toBeGreaterThan(15);
  const published = names.filter((name) => isPublished(name) && isPublished(`${name}/any.json`));
  expect(published.sort()).toEqual(["host.json", "package-lock.json", "package.json"]);
  for (const path of ["local.settings.json", ".lakevault/host-keys.json", "dist-app/host.json", "dist/src/a.js.map"]) {
    expect(isPublished(path), path).toBe(false);
  }
  for (const path of ["dist/functions/index.js", "dist/src/app/app.js"]) expect(isPublished(path), path).toBe(true);
});

test("a package whose name begins another's takes only itself away", ({ expect }) => {
  const lock = [
    { folder: "node_modules/buffer", isForDevelopment: true },
    { folder: "node_modules/buffer-from", isForDevelopment: false },
    { folder: "node_modules/@scope/tool", isForDevelopment: true },
    { folder: "node_modules/@scope/tool-kit", isForDevelopment: true },
    { folder: "node_modules/@mixed/tool", isForDevelopment: true },
    { folder: "node_modules/@mixed/app", isForDevelopment: false },
    { folder: "node_modules/@mixed/app/node_modules/inner", isForDevelopment: false },
  ];
  const isPublished = readFuncignore(funcignoreFor(lock));
  for (const { folder, isForDevelopment } of lock) {
    for (const file of ["index.js", ".hidden.js"]) expect(isPublished(`${folder}/${file}`)).toBe(!isForDevelopment);
  }
});
