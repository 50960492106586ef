import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";

const SRC = fileURLToPath(new URL("../../src", import.meta.url));

/** Which folders of `src` each may import from; `x/contract` means that one file of it. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  foundation: [],
  vault: ["foundation"],
  jobs: ["foundation", "vault", "instances/contract"],
  policies: ["foundation", "vault", "jobs/contract"],
  instances: ["foundation", "vault", "jobs/contract", "policies/contract"],
  access: ["foundation"],
  backup: [
    "foundation",
    "vault",
    "jobs",
    "instances/contract",
    "policies/contract",
    "retention/contract",
    "alerts/contract",
  ],
  restore: ["foundation", "vault", "jobs", "instances/contract"],
  retention: ["foundation", "vault", "jobs", "instances/contract", "policies/contract", "backup/contract"],
  alerts: ["foundation", "jobs/contract"],
  scrub: [
    "foundation",
    "vault",
    "jobs",
    "instances/contract",
    "alerts/contract",
    "backup/contract",
    "retention/contract",
  ],
  rebuild: ["foundation", "vault", "instances", "policies"],
  api: [
    "foundation",
    "vault",
    "jobs",
    "instances",
    "policies",
    "access",
    "restore/contract",
    "rebuild",
    "retention",
    "scrub",
    "alerts",
  ],
  azure: [
    "foundation",
    "vault",
    "jobs/contract",
    "policies/contract",
    "instances/contract",
    "backup/contract",
    "restore/contract",
    "rebuild/contract",
    "scrub/contract",
  ],
  app: [
    ...["foundation", "vault", "jobs", "instances", "policies", "backup", "restore", "retention", "scrub", "rebuild"],
    ...["alerts", "access", "api", "azure"],
  ],
};

async function sourceFiles(): Promise<string[]> {
  const found = await readdir(SRC, { recursive: true });
  return found.filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts")).sort();
}

/** @returns the imported files of the project, as paths below `src` without their ending */
async function importsOf(path: string): Promise<string[]> {
  const text = await readFile(join(SRC, path), "utf8");
  return [...text.matchAll(/from "(\.[^"]+)"/g)].map(([, specifier = ""]) =>
    relative(SRC, join(SRC, dirname(path), specifier)).replace(/\.ts$/, ""),
  );
}

function isAllowed(folder: string, imported: string): boolean {
  if (imported.startsWith(`${folder}/`)) return true;
  return (MAY_IMPORT[folder] ?? []).some((allowed) => imported === allowed || imported.startsWith(`${allowed}/`));
}

test("imports go down, never up or sideways but through a contract", async ({ expect }) => {
  const wrong: string[] = [];
  let looked = 0;
  for (const path of await sourceFiles()) {
    const folder = path.split("/")[0] ?? "";
    expect(Object.keys(MAY_IMPORT), path).toContain(folder);
    for (const imported of await importsOf(path)) {
      looked += 1;
      if (!isAllowed(folder, imported)) wrong.push(`${path} imports ${imported}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(looked).toBeGreaterThan(300);
});
