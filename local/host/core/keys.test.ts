import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base } from "vitest";
import { openKeys } from "./keys.ts";

const test = base.extend<{ file: string }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixtures that a fixture needs from its pattern
  file: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), "keys-"));
    await use(join(folder, "state", "host-keys.json"));
    await rm(folder, { recursive: true });
  },
});

test("keys are random, and the same again at the next start", async ({ expect, file }) => {
  const first = await openKeys(file, ["one"]);
  const second = await openKeys(file, ["one", "two"]);
  expect(new Set([first.master, first.host, first.durable, first.ofFunction("one")]).size).toBe(4);
  expect(first.master.length).toBeGreaterThan(40);
  expect([second.master, second.host, second.ofFunction("one")]).toEqual([
    first.master,
    first.host,
    first.ofFunction("one"),
  ]);
  expect(await readFile(file, "utf8")).toContain(second.ofFunction("two"));
});

test.skipIf(process.platform === "win32")("only their owner can read them", async ({ expect, file }) => {
  await openKeys(file, []);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test("each level opens to its own keys and the master key", async ({ expect, file }) => {
  const keys = await openKeys(file, ["one", "two"]);
  const table = [
    ["anonymous", undefined, true],
    ["function", undefined, false],
    ["function", keys.ofFunction("one"), true],
    ["function", keys.ofFunction("two"), false],
    ["function", keys.host, true],
    ["function", keys.master, true],
    ["function", keys.durable, false],
    ["function", `${keys.master}x`, false],
    ["admin", keys.host, false],
    ["admin", keys.ofFunction("one"), false],
    ["admin", keys.master, true],
    ["system", keys.durable, true],
    ["system", keys.host, false],
    ["system", keys.master, true],
  ] as const;
  for (const [level, presented, isOpen] of table) {
    expect(keys.opens(level, presented, "one"), `${level} ${table.findIndex((row) => row[1] === presented)}`).toBe(
      isOpen,
    );
  }
  expect.assertions(table.length);
});
