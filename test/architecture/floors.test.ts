import { spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SRC = join(ROOT, "src");

/** The folders of `src` that each folder may import from, in an order in which imports only point back. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  foundation: [],
  vault: ["foundation"],
  jobs: ["foundation", "vault"],
  policies: ["foundation", "vault"],
  access: ["foundation"],
  alerts: ["foundation", "jobs"],
  debris: ["foundation", "vault", "jobs"],
  purge: ["foundation", "vault", "jobs"],
  instances: ["foundation", "vault", "jobs", "policies"],
  backup: ["foundation", "vault", "jobs", "policies", "alerts", "debris", "purge", "instances"],
  restore: ["foundation", "vault", "jobs", "instances"],
  retention: ["foundation", "vault", "jobs", "policies", "debris", "purge", "instances"],
  scrub: ["foundation", "vault", "jobs", "alerts", "instances"],
  rebuild: ["foundation", "vault", "policies", "instances"],
  api: [
    "foundation",
    "vault",
    "jobs",
    "policies",
    "access",
    "alerts",
    "instances",
    "restore",
    "retention",
    "scrub",
    "rebuild",
  ],
  azure: ["foundation", "vault", "jobs", "policies", "instances", "backup", "restore", "scrub", "rebuild"],
  app: [
    "foundation",
    "vault",
    "jobs",
    "policies",
    "access",
    "alerts",
    "debris",
    "instances",
    "backup",
    "restore",
    "retention",
    "scrub",
    "rebuild",
    "api",
    "azure",
  ],
};

async function sourceFiles(): Promise<string[]> {
  const found = await readdir(SRC, { recursive: true });
  return found.filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts")).sort();
}

/** @returns the imported files of the project, as paths below `src` */
async function importsOf(path: string): Promise<string[]> {
  const text = await readFile(join(SRC, path), "utf8");
  return [...text.matchAll(/from "(\.[^"]+)"/g)].map(([, specifier = ""]) =>
    relative(SRC, join(SRC, dirname(path), specifier)),
  );
}

const roomOf = (path: string): string => path.split("/")[0] ?? "";

test("each room imports from the rooms before it, and from no others", async ({ expect }) => {
  const rooms = Object.keys(MAY_IMPORT);
  for (const [room, allowed] of Object.entries(MAY_IMPORT)) {
    for (const other of allowed)
      expect(rooms.indexOf(other), `${room} imports ${other}`).toBeLessThan(rooms.indexOf(room));
  }
  const wrong: string[] = [];
  const used = new Map(rooms.map((room) => [room, new Set<string>()]));
  let looked = 0;
  for (const path of await sourceFiles()) {
    const room = roomOf(path);
    for (const imported of await importsOf(path)) {
      looked += 1;
      const other = roomOf(imported);
      if (other === room) continue;
      used.get(room)?.add(other);
      if (!(MAY_IMPORT[room] ?? []).includes(other)) wrong.push(`${path} imports ${imported}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(looked).toBeGreaterThan(300);
  // Every allowed import is used; otherwise the table allows too much.
  for (const [room, allowed] of Object.entries(MAY_IMPORT))
    expect([...(used.get(room) ?? [])].sort()).toEqual([...allowed].sort());
});

test("no file imports itself indirectly", async ({ expect }) => {
  const imports = new Map<string, readonly string[]>();
  for (const path of await sourceFiles()) imports.set(path, await importsOf(path));
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(" -> "));
    if (way.includes(path) || done.has(path)) return;
    for (const next of imports.get(path) ?? []) walk(next, [...way, path]);
    done.add(path);
  };
  for (const path of imports.keys()) walk(path, []);
  expect(circles).toEqual([]);
  expect(imports.size).toBeGreaterThan(150);
});

test("the linter refuses what the table does not allow", async ({ expect }) => {
  const config = JSON.parse(await readFile(join(ROOT, "biome.json"), "utf8")) as {
    readonly overrides: readonly {
      readonly includes: readonly string[];
      readonly linter: {
        readonly rules: {
          readonly style?: {
            readonly noRestrictedImports?: {
              readonly options: { readonly patterns: readonly { readonly group: readonly string[] }[] };
            };
          };
        };
      };
    }[];
  };
  const rooms = Object.keys(MAY_IMPORT);
  for (const [room, allowed] of Object.entries(MAY_IMPORT)) {
    const rule = config.overrides.find(({ includes }) => includes.includes(`src/${room}/**`));
    const groups = rule?.linter.rules.style?.noRestrictedImports?.options.patterns.flatMap(({ group }) => group) ?? [];
    const refused = rooms.filter((other) => groups.includes(`**/${other}/**`));
    expect(refused, room).toEqual(rooms.filter((other) => other !== room && !allowed.includes(other)));
  }

  // The same rules over a few files of a fake project.
  const folder = await mkdtemp(join(tmpdir(), "floors-"));
  try {
    await cp(join(ROOT, "biome.json"), join(folder, "biome.json"));
    await cp(join(ROOT, "lint"), join(folder, "lint"), { recursive: true });
    const write = async (path: string, from: string): Promise<void> => {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), `import { one } from "${from}";\n\nexport const two = one;\n`);
    };
    await write("src/jobs/upwards.ts", "../backup/messages.ts");
    await write("src/restore/azure.ts", "@azure/storage-blob");
    await write("src/backup/downwards.ts", "../jobs/job.ts");
    const biome = join(ROOT, "node_modules/.bin/biome");
    const options = ["lint", "--only=style/noRestrictedImports", "--vcs-enabled=false", "."];
    const { stdout, stderr, status } = spawnSync(biome, options, { cwd: folder, encoding: "utf8" });
    expect(status, stderr).toBe(1);
    const said = `${stdout}${stderr}`;
    expect(said).toContain("src/jobs/upwards.ts");
    expect(said).toContain("src/restore/azure.ts");
    expect(said).not.toContain("src/backup/downwards.ts");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
