import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { runNpm } from "./npm.ts";

/** Files of packages that are for compilers and debuggers alone. */
const READ_BY_NO_APP = /\.(?:map|ts|mts|cts|tsbuildinfo)$/;

const QUIET = ["--no-audit", "--no-fund", "--loglevel=error"];

export interface PackagedApp {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Makes the folder that is deployed: the app, compiled anew, `host.json`, and the packages that it needs where it runs.
 *
 * @param root - folder of this project, with its packages installed
 * @param folder - whatever is there is removed
 */
export async function packageApp(root: string, folder: string): Promise<PackagedApp> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const name of ["host.json", "package-lock.json"]) await cp(join(root, name), join(folder, name));
  await writeFile(join(folder, "package.json"), deployedManifest(await readFile(join(root, "package.json"), "utf8")));
  // Takes out of the lockfile what only development needs: offline it can look nothing up, so that all else stays as it is.
  const shorten = ["install", "--package-lock-only", "--omit-lockfile-registry-resolved", "--offline"];
  await runNpm(folder, [...shorten, ...QUIET]);
  await runNpm(folder, ["ci", "--ignore-scripts", "--no-bin-links", "--prefer-offline", ...QUIET]);
  const compiler = [join(root, "node_modules/typescript/bin/tsc"), "-p", join(root, "tsconfig.build.json")];
  await promisify(execFile)(process.execPath, [...compiler, "--outDir", join(folder, "dist"), "--sourceMap", "false"]);
  await rm(join(folder, "node_modules/.package-lock.json"));
  return slim(folder);
}

/** Without what a build at Azure would run or install. */
function deployedManifest(manifest: string): string {
  const { scripts, devDependencies, devEngines, allowScripts, ...deployed } = JSON.parse(manifest) as Record<
    string,
    unknown
  >;
  return `${JSON.stringify(deployed, undefined, 2)}\n`;
}

async function slim(folder: string): Promise<PackagedApp> {
  let [files, bytes] = [0, 0];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    if (READ_BY_NO_APP.test(entry.name)) await rm(path);
    else [files, bytes] = [files + 1, bytes + (await stat(path)).size];
  }
  return { files, bytes };
}
