import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base } from "vitest";
import { takeExclusiveLock } from "./exclusive-lock.ts";

const test = base.extend<{ folder: string }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixtures that a fixture needs from its pattern
  folder: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), "locks-"));
    await use(folder);
    await rm(folder, { recursive: true });
  },
});

test("a second host is refused, and told by whom", async ({ expect, folder }) => {
  await takeExclusiveLock("a", "storage account 'one'", "/apps/first", folder);
  await expect(takeExclusiveLock("a", "storage account 'one'", "/apps/second", folder)).rejects.toThrow(
    `another host, process ${process.pid} for /apps/first, runs on storage account 'one'`,
  );
});

test("another storage account or hub is another lock", async ({ expect, folder }) => {
  await takeExclusiveLock("a", "one", "/app", folder);
  await expect(takeExclusiveLock("b", "two", "/app", folder)).resolves.toBeDefined();
});

test("a released lock is free, and leaves nothing behind", async ({ expect, folder }) => {
  const lock = await takeExclusiveLock("a", "one", "/app", folder);
  await lock.release();
  expect(await readdir(folder)).toEqual([]);
  await expect(takeExclusiveLock("a", "one", "/app", folder)).resolves.toBeDefined();
});

test("the lock of a process that is gone is taken over", async ({ expect, folder }) => {
  const child = spawn(process.execPath, ["--version"], { stdio: "ignore" });
  await once(child, "exit");
  await writeFile(join(folder, "a.lock"), JSON.stringify({ pid: child.pid, startMark: "1", scriptRoot: "/app" }));
  await expect(takeExclusiveLock("a", "one", "/app", folder)).resolves.toBeDefined();
});

test.skipIf(process.platform !== "linux")(
  "a process that only has the holder's id is not the holder",
  async ({ expect, folder }) => {
    const holder = { pid: process.ppid, startMark: "1", scriptRoot: "/app" };
    await writeFile(join(folder, "a.lock"), JSON.stringify(holder));
    await expect(takeExclusiveLock("a", "one", "/app", folder)).resolves.toBeDefined();
  },
);

test("a file that holds no lock is taken over", async ({ expect, folder }) => {
  await writeFile(join(folder, "a.lock"), "");
  await expect(takeExclusiveLock("a", "one", "/app", folder)).resolves.toBeDefined();
});

test("of many that start at once, one gets the lock", async ({ expect, folder }) => {
  await writeFile(join(folder, "a.lock"), JSON.stringify({ pid: 2 ** 22 + 1, startMark: "1", scriptRoot: "/app" }));
  const tries = Array.from({ length: 10 }, () => takeExclusiveLock("a", "one", "/app", folder));
  const results = await Promise.allSettled(tries);
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});
