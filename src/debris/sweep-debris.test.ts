import { test } from "vitest";
import { crashPoints } from "../../test/support/crash-points.ts";
import { MemoryLake } from "../../test/support/memory-lake.ts";
import { removeMarkersActivity } from "../backup/remove-markers.ts";
import { endJobActivity } from "../jobs/end-job.ts";
import { objectPath, sealPath } from "../vault/names.ts";
import { listAttempts } from "./attempts.ts";
import type { SweepPosition } from "./sweep-activity.ts";
import { sweepDebrisActivity } from "./sweep-debris.ts";

const INSTANCE = "1".repeat(32);
const LONG = "d/".repeat(120) + "ü".repeat(300);

/** A lake after an attempt that copied everything and failed; then half of the blobs were changed. */
async function failedOnce(): Promise<MemoryLake> {
  const lake = new MemoryLake({ pageSize: 5, settings: { segmentSizes: { usual: 4, largest: 8, small: 2 } } });
  await lake.protect();
  lake.source.createContainer("raw");
  for (const name of ["a", "a.txt", "b", "c", LONG]) lake.source.write("raw", name, `first ${name}`);
  const ref = await lake.requestBackup("failed");
  await lake.deliverAll(await lake.beginBackup(ref));
  await endJobActivity(lake.deps, { ...ref, failure: { code: "storage/unavailable", message: "gone" } });
  await removeMarkersActivity(lake.deps, ref);
  for (const name of ["a", LONG]) lake.source.write("raw", name, `second ${name}`);
  lake.source.container("raw").delete("b");
  return lake;
}

const objects = (lake: MemoryLake): string[] => [...lake.vault.files.keys()].filter((path) => path.startsWith("data"));

async function sealed(lake: MemoryLake, id = "next"): Promise<{ vault: string; job: string }> {
  const ref = await lake.requestBackup(id);
  await lake.deliverAll(await lake.beginBackup(ref));
  await lake.seal(ref);
  return ref;
}

test("what a failed attempt copied and the next point does not have is deleted once that point is sealed", async ({
  expect,
}) => {
  const lake = await failedOnce();
  expect(objects(lake)).toHaveLength(5);
  const ref = await sealed(lake);
  expect(objects(lake)).toHaveLength(7);
  await lake.sweep(ref);
  const held = lake.source.container("raw");
  expect(objects(lake).sort()).toEqual([...held].map(([name, { etag }]) => objectPath("raw", name, etag, 1)).sort());
  const failed = (await lake.job("failed")).recoveryPoint?.id ?? "";
  expect([...lake.vault.files.keys()].filter((path) => path.includes(failed) || path.includes("failed"))).toEqual([]);
  expect(await lake.restore("restore", (await lake.job("next")).recoveryPoint?.id ?? "")).toBe("Completed");
  expect(lake.target.container("raw").size).toBe(4);
});

test("a file that is rewritten after the sweep's listing is kept", async ({ expect }) => {
  const lake = await failedOnce();
  const ref = await sealed(lake);
  const debris = objectPath("raw", "b", "0x3", 1);
  expect(objects(lake)).toContain(debris);
  const { vault } = lake;
  const remove = vault.remove.bind(vault);
  vault.remove = async (files) => {
    const held = vault.files.get(debris);
    if (held !== undefined) vault.files.set(debris, { ...held });
    return remove(files);
  };
  await lake.sweep(ref);
  expect(objects(lake)).toContain(debris);
  expect(objects(lake)).toHaveLength(5);
  expect(await listAttempts(lake.attempts, INSTANCE)).toEqual([]);
});

test("nothing is deleted before a point with the number of the failed attempt is sealed", async ({ expect }) => {
  const lake = await failedOnce();
  const before = [...lake.vault.files.keys()];
  await lake.sweep({ vault: "vault", job: "failed" });
  const ref = await lake.requestBackup("second");
  await lake.deliverAll(await lake.beginBackup(ref));
  await lake.sweep(ref);
  for (const path of before) expect(lake.vault.files.has(path), path).toBe(true);
  expect(await listAttempts(lake.attempts, INSTANCE)).toHaveLength(2);
});

test("when two points have the number, everything is kept", async ({ expect }) => {
  const lake = await failedOnce();
  const ref = await sealed(lake);
  const seal = lake.vault.files.get(sealPath((await lake.job("next")).recoveryPoint?.id ?? ""));
  if (seal === undefined) throw new Error("nothing was sealed");
  lake.vault.files.set(sealPath("late"), seal);
  const before = [...lake.vault.files.keys()];
  await lake.sweep(ref);
  expect([...lake.vault.files.keys()]).toEqual(before);
});

test("objects of earlier points are never deleted, however many attempts failed since", async ({ expect }) => {
  const lake = await failedOnce();
  await lake.sweep(await sealed(lake));
  const first = objects(lake);
  lake.source.write("raw", "a", "third");
  const failed = await lake.requestBackup("failed again");
  await lake.deliverAll(await lake.beginBackup(failed));
  await endJobActivity(lake.deps, { ...failed, failure: { code: "storage/unavailable", message: "gone" } });
  lake.source.write("raw", "a", "fourth");
  await lake.sweep(await sealed(lake, "second"));
  expect(objects(lake)).toEqual(expect.arrayContaining(first));
  expect(objects(lake)).toHaveLength(first.length + 1);
});

test("a backup without retries has nothing to sweep", async ({ expect }) => {
  const lake = await failedOnce();
  await lake.sweep(await sealed(lake));
  await sealed(lake, "calm");
  expect(await listAttempts(lake.attempts, INSTANCE)).toEqual([]);
});

test("a sweep without time continues where it stopped", async ({ expect }) => {
  const lake = new MemoryLake();
  await lake.protect();
  lake.source.createContainer("raw");
  for (let i = 0; i < 1_200; i++) lake.source.write("raw", `n${i}`, "");
  const failed = await lake.requestBackup("failed");
  const queue = await lake.beginBackup(failed);
  for (const message of queue) await lake.deliver(message);
  await endJobActivity(lake.deps, { ...failed, failure: { code: "storage/unavailable", message: "gone" } });
  for (let i = 0; i < 1_200; i += 2) lake.source.write("raw", `n${i}`, "new");
  const ref = await sealed(lake);
  const sweep = (from?: SweepPosition) =>
    sweepDebrisActivity(
      { ...lake.deps, settings: { budgetMs: 3 } },
      { ...ref, ...(from === undefined ? {} : { from }) },
    );
  let executions = 1;
  for (let stopped = await sweep(); stopped !== null; executions++) stopped = await sweep(stopped);
  expect(executions).toBeGreaterThan(1);
  expect(objects(lake)).toHaveLength(1_200);
  expect(await listAttempts(lake.attempts, INSTANCE)).toEqual([]);
});

test("wherever a sweep crashes, another one completes it", async ({ expect }) => {
  const died = await crashPoints(
    async () => {
      const lake = await failedOnce();
      await sealed(lake);
      return lake;
    },
    (lake) => sweepDebrisActivity(lake.deps, { vault: "vault", job: "next" }),
    async (lake, where) => {
      await lake.sweep({ vault: "vault", job: "next" });
      expect(objects(lake), where).toHaveLength(4);
      expect(lake.attempts.size, where).toBe(0);
    },
  );
  expect(died.length).toBeGreaterThan(20);
});

test("objects with hashed names are kept when no execution has time to check them, and all else is swept", async ({
  expect,
}) => {
  const lake = new MemoryLake({ settings: { segmentSizes: { usual: 2, largest: 4, small: 1 } } });
  await lake.protect();
  lake.source.createContainer("raw");
  const names = ["a", "b", "c", "d", "e", "f", ...Array.from({ length: 24 }, (_, n) => `${LONG}${n}`)];
  for (const name of names) lake.source.write("raw", name, `first ${name}`);
  const failed = await lake.requestBackup("failed");
  await lake.deliverAll(await lake.beginBackup(failed));
  await endJobActivity(lake.deps, { ...failed, failure: { code: "storage/unavailable", message: "gone" } });
  for (const name of names) lake.source.write("raw", name, `second ${name}`);
  const ref = await sealed(lake);
  const held = [...lake.source.container("raw")]
    .filter(([name]) => names.includes(name))
    .map(([name, { etag }]) => objectPath("raw", name, etag, 1));
  const readNow = lake.vault.read.bind(lake.vault);
  // Each segment takes all the time of one execution.
  lake.vault.read = (path) => {
    if (path.endsWith(".gz")) lake.pass(240_000);
    return readNow(path);
  };
  const executions = await lake.sweep(ref);
  // One for each of a few files, and one (not two dozen) for all with hashed names.
  expect(executions).toBeGreaterThan(3);
  expect(executions).toBeLessThan(24);
  const left = objects(lake).filter((path) => !held.includes(path));
  expect(left.length).toBe(24);
  for (const path of left) expect(path.startsWith("data~/")).toBe(true);
  expect(objects(lake)).toEqual(expect.arrayContaining(held));
  expect(await listAttempts(lake.attempts, INSTANCE)).toEqual([]);
});

test("a sweep of many empty containers checks its time between them", async ({ expect }) => {
  const lake = new MemoryLake();
  await lake.protect();
  for (let n = 0; n < 30; n++) lake.source.createContainer(`c${n}`);
  const failed = await lake.requestBackup("failed");
  await lake.deliverAll(await lake.beginBackup(failed));
  await endJobActivity(lake.deps, { ...failed, failure: { code: "storage/unavailable", message: "gone" } });
  const ref = await sealed(lake);
  const listNow = lake.vault.list.bind(lake.vault);
  lake.vault.list = (prefix, from) => {
    if (prefix.startsWith("data")) lake.pass(100_000);
    return listNow(prefix, from);
  };
  expect(await lake.sweep(ref)).toBeGreaterThan(5);
  expect(await listAttempts(lake.attempts, INSTANCE)).toEqual([]);
});
