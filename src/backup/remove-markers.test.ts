import { test } from "vitest";
import { MemoryLake, VAULT } from "../../test/support/memory-lake.ts";
import type { Alert } from "../alerts/alert.ts";
import { sourceMarkerName } from "../vault/names.ts";
import { removeMarkersActivity } from "./remove-markers.ts";

const jobId = (n: number) => `0f3b1c52-7a64-5e0d-9d3f-${String(n).padStart(12, "0")}`;

async function lakeOf(containers: readonly string[]): Promise<MemoryLake> {
  const lake = new MemoryLake();
  await lake.protect();
  for (const container of containers) {
    lake.source.createContainer(container);
    lake.source.write(container, "a", container);
  }
  return lake;
}

async function alerts(lake: MemoryLake): Promise<Alert[]> {
  return (await lake.alerts.list(VAULT)).records.map(({ value }) => value);
}

test("a source that keeps all markers is backed up, and one alert counts them", async ({ expect }) => {
  const lake = await lakeOf(["free", "held"]);
  lake.source.immutable.add("held");
  for (const n of [1, 2, 3]) {
    await lake.backup(jobId(n));
    expect(await lake.job(jobId(n))).toMatchObject({ status: "Completed" });
    expect([...lake.source.container("free").keys()]).toEqual(["a"]);
    expect(lake.source.container("held").size).toBe(1 + n);
    expect(await alerts(lake)).toMatchObject([
      { kind: "backup.markers-left", severity: "warning", details: { counts: { markers: n }, names: ["held"] } },
    ]);
  }
  lake.source.immutable.clear();
  await lake.backup(jobId(4));
  expect([...lake.source.container("held").keys()]).toEqual(["a"]);
  expect(await alerts(lake)).toMatchObject([{ resolvedAt: expect.any(String) }]);
});

test("only markers of ended jobs of the instance are deleted", async ({ expect }) => {
  const lake = await lakeOf(["raw", "$root"]);
  await lake.backup(jobId(1));
  const ended = await lake.job(jobId(1));
  const foreign = { ...ended, id: jobId(2), instance: "2".repeat(32) };
  const running = { ...ended, id: jobId(3), status: "InProgress" as const };
  for (const job of [foreign, running]) await lake.jobs.put(VAULT, job.id, job);
  const kept = [jobId(2), jobId(3), jobId(4)];
  for (const container of ["raw", "$root"]) {
    for (const id of [jobId(1), ...kept]) lake.source.write(container, sourceMarkerName(container, id), "marker");
  }
  lake.source.write("raw", ".lakevault/notes", "not a marker");
  lake.source.write("$root", ".lakevault-notes", "not a marker");
  await lake.backup(jobId(5));
  const names = (container: string) => [...lake.source.container(container).keys()].sort();
  expect(names("raw")).toEqual([...kept.map((id) => `.lakevault/${id}`), ".lakevault/notes", "a"]);
  expect(names("$root")).toEqual([...kept.map((id) => `.lakevault-${id}`), ".lakevault-notes", "a"]);
  expect(await alerts(lake)).toEqual([]);
});

test("a source that refuses is not tried with every old marker", async ({ expect }) => {
  const lake = await lakeOf(["held"]);
  lake.source.immutable.add("held");
  for (let n = 1; n <= 10; n++) await lake.backup(jobId(n));
  let asked = 0;
  const deps = lake.deps;
  const counting = {
    ...deps,
    datasource: () => {
      const real = deps.datasource();
      return Object.assign(Object.create(real) as typeof real, {
        removeMarker: (...marker: Parameters<typeof real.removeMarker>) => {
          asked += 1;
          return real.removeMarker(...marker);
        },
      });
    },
  };
  await removeMarkersActivity(counting, { vault: VAULT, job: jobId(10) });
  expect(asked).toBe(3);
  expect(await alerts(lake)).toMatchObject([{ details: { counts: { markers: 10 } } }]);
});

test("a container that is gone has no markers, and does not block the deletion of others", async ({ expect }) => {
  const lake = await lakeOf(["gone", "raw"]);
  const ref = await lake.requestBackup(jobId(1));
  await lake.beginBackup(ref);
  lake.source.containers.delete("gone");
  await removeMarkersActivity(lake.deps, ref);
  expect([...lake.source.container("raw").keys()]).toEqual(["a"]);
});
