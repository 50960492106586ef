import { test } from "vitest";
import { crashPoints } from "../../test/support/crash-points.ts";
import { MemoryLake } from "../../test/support/memory-lake.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { sealPath } from "../vault/names.ts";
import { readIndex, readSeal, readSegment } from "../vault/read-manifest.ts";
import { sealRecoveryPointActivity } from "./seal-recovery-point.ts";

const REF: JobRef = { vault: "vault", job: "one" };

/** A backup of two containers whose ranges and markers are all in. */
async function replicated(): Promise<MemoryLake> {
  const lake = new MemoryLake();
  await lake.protect();
  for (const container of ["raw", "curated"]) {
    lake.source.createContainer(container);
    for (const name of ["a", "b"]) lake.source.write(container, name, name);
  }
  await lake.requestBackup(REF.job);
  await lake.deliverAll(await lake.beginBackup(REF));
  return lake;
}

async function filesOf(lake: MemoryLake): Promise<string[]> {
  return [...lake.vault.files.keys()].sort();
}

test("wherever a seal dies, the point is not there or whole, and a second attempt ends as a calm one", async ({
  expect,
}) => {
  const calm = await replicated();
  const totals = await sealRecoveryPointActivity(calm.deps, REF);
  const point = (await calm.job("one")).recoveryPoint?.id ?? "";

  const died = await crashPoints(
    replicated,
    (lake) => sealRecoveryPointActivity(lake.deps, REF),
    async (lake, where) => {
      if (lake.vault.files.has(sealPath(point))) await readAll(lake, point);
      else expect(await lake.recoveryPoints.get("1".repeat(32), point), where).toBeUndefined();

      expect(await sealRecoveryPointActivity(lake.deps, REF), where).toEqual(totals);
      expect(await filesOf(lake), where).toEqual(await filesOf(calm));
      expect(await readAll(lake, point), where).toBe(4);
      expect((await lake.recoveryPoints.get("1".repeat(32), point))?.value, where).toMatchObject({
        id: point,
        entries: 4,
      });
      expect((await lake.job("one")).totals, where).toEqual(totals);
    },
  );
  expect(died).toContain("after create");
  expect(died.length).toBeGreaterThan(20);
});

/** Reads a point from its seal down; throws when anything that it names is not there. */
async function readAll(lake: MemoryLake, point: string): Promise<number> {
  const seal = await readSeal(lake.vault, point);
  let entries = 0;
  for (const { name } of seal.containers) {
    for (const segment of (await readIndex(lake.vault, seal, name))?.segments ?? []) {
      entries += (await readSegment(lake.vault, segment)).length;
    }
  }
  return entries;
}

test("a point is not sealed while a container's marker is out", async ({ expect }) => {
  const lake = new MemoryLake();
  await lake.protect();
  lake.source.createContainer("raw");
  await lake.requestBackup(REF.job);
  const [range] = await lake.beginBackup(REF);
  if (range === undefined) throw new Error("no range was planned");
  const [check] = await lake.deliver(range);
  await expect(sealRecoveryPointActivity(lake.deps, REF)).rejects.toMatchObject({ code: "marker/not-replicated" });
  if (check === undefined) throw new Error("no marker check followed");
  await lake.deliver(check);
  expect(await sealRecoveryPointActivity(lake.deps, REF)).toMatchObject({ entries: 0 });
});

test("an index of an earlier attempt with other contents is not sealed over", async ({ expect }) => {
  const lake = await replicated();
  const point = (await lake.job("one")).recoveryPoint?.id ?? "";
  await lake.vault.create(`manifests/${point}/raw/index.json`, new TextEncoder().encode("{}"), { contentType: "x" });
  await expect(sealRecoveryPointActivity(lake.deps, REF)).rejects.toMatchObject({ code: "format/corrupt" });
  expect(lake.vault.files.has(sealPath(point))).toBe(false);
});
