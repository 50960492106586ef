import { test } from "vitest";
import { crashPoints } from "../../test/support/crash-points.ts";
import { MemoryLake } from "../../test/support/memory-lake.ts";
import type { Failure } from "../foundation/errors.ts";
import type { JobRef, Orchestrations } from "./contract.ts";
import { endJobActivity } from "./end-job.ts";
import { LOCK_ROW, releaseLock, takeLock } from "./job-lock.ts";
import { keepJobsGoing, OPEN_JOBS } from "./open-jobs.ts";
import { readProgress } from "./progress.ts";
import { workRows } from "./work.ts";

const NOW = new Date("2026-01-01T00:00:00.000Z");
const INSTANCE = "1".repeat(32);
const ONE: JobRef = { vault: "vault", job: "one" };

test("the lock of an instance is held by one job, which may take it again", async ({ expect }) => {
  const lake = new MemoryLake();
  for (const id of ["one", "two"]) await lake.requestBackup(id);
  const take = async (id: string): Promise<string> => takeLock(lake, await lake.job(id), NOW);
  expect(await take("one")).toBe("one");
  expect(await take("one")).toBe("one");
  expect(await take("two")).toBe("one");
  await releaseLock(lake.locks, INSTANCE, "two");
  expect(await take("two")).toBe("one");
  await releaseLock(lake.locks, INSTANCE, "one");
  expect(await take("two")).toBe("two");
});

test("a lock that an ended job left behind is taken by the next", async ({ expect }) => {
  const lake = await working();
  await endJobActivity(lake.deps, ONE);
  await lake.locks.put(INSTANCE, LOCK_ROW, { job: "one", since: NOW.toISOString() });
  await lake.requestBackup("two");
  expect(await takeLock(lake, await lake.job("two"), NOW)).toBe("two");
  await releaseLock(lake.locks, INSTANCE, "one");
  expect((await lake.locks.get(INSTANCE, LOCK_ROW))?.value.job).toBe("two");
});

async function working(): Promise<MemoryLake> {
  const lake = new MemoryLake();
  await lake.protect();
  lake.source.createContainer("raw");
  lake.source.write("raw", "a", "abc");
  await lake.deliverAll(await lake.beginBackup(await lake.requestBackup("one")));
  return lake;
}

test("wherever the end of a job dies, a second attempt leaves the instance free and no row behind", async ({
  expect,
}) => {
  const died = await crashPoints(
    working,
    (lake) => endJobActivity(lake.deps, ONE),
    async (lake, where) => {
      expect(await endJobActivity(lake.deps, ONE), where).toBe("Completed");
      expect(lake.locks.size + lake.work.size + lake.openJobs.size, where).toBe(0);
      expect(await lake.job("one"), where).toMatchObject({
        status: "Completed",
        totals: { listed: 1, copiedBytes: 3 },
      });
    },
  );
  expect(died.length).toBeGreaterThan(8);
});

test("the first end of a job stays", async ({ expect }) => {
  const lake = await working();
  const failure: Failure = { code: "datasource/forbidden", message: "no", hint: "grant it" };
  expect(await endJobActivity(lake.deps, { ...ONE, failure })).toBe("Failed");
  expect(await endJobActivity(lake.deps, ONE)).toBe("Failed");
  expect(await lake.job("one")).toMatchObject({ status: "Failed", failure });
});

test("a cancelled job is not called failed", async ({ expect }) => {
  const lake = await working();
  const failure: Failure = { code: "job/cancelled", message: "by its owner" };
  expect(await endJobActivity(lake.deps, { ...ONE, failure })).toBe("Cancelled");
});

test("progress adds up finished pieces and those under way, each once", async ({ expect }) => {
  const lake = new MemoryLake({ pageSize: 2, settings: { budgetMs: 1, noteEveryMs: 0 } });
  await lake.protect();
  lake.source.createContainer("raw");
  for (let i = 0; i < 6; i++) lake.source.write("raw", `n${i}`, "abc");
  const [range] = await lake.beginBackup(await lake.requestBackup("one"));
  if (range === undefined) throw new Error("no range was planned");
  expect(await readProgress(lake.work, await lake.job("one"))).toMatchObject({ doneShare: 0, totals: { listed: 0 } });

  // The first page of two names holds the marker, which does not count.
  const [rest] = await lake.deliver(range);
  expect(await readProgress(lake.work, await lake.job("one"))).toMatchObject({ doneShare: 0, totals: { listed: 1 } });
  await lake.work.put("one", workRows.running("raw", 0, 1), {
    kind: "running",
    totals: {
      listed: 1,
      copied: 1,
      copiedBytes: 3,
      unchanged: 0,
      removed: 0,
      changedDuringCopy: 0,
      entries: 0,
      bytes: 0,
    },
  });
  expect((await readProgress(lake.work, await lake.job("one"))).totals).toMatchObject({ listed: 2, copiedBytes: 6 });

  if (rest === undefined) throw new Error("the piece did not stop");
  await lake.deliverAll([rest]);
  expect(await readProgress(lake.work, await lake.job("one"))).toMatchObject({
    doneShare: 1,
    totals: { listed: 6, copied: 6, copiedBytes: 18, entries: 6, bytes: 18 },
  });
});

class FakeOrchestrations implements Orchestrations {
  readonly states = new Map<string, "running" | "ended" | "failed">();
  readonly started: string[] = [];

  async startOnce(_name: string, id: string): Promise<void> {
    if (this.states.has(id)) return;
    this.states.set(id, "running");
    this.started.push(id);
  }

  async raise(): Promise<void> {
    throw new Error("no event is raised here");
  }

  async state(id: string): Promise<"running" | "ended" | "failed" | undefined> {
    return this.states.get(id);
  }
}

function keeping(lake: MemoryLake, orchestrations: Orchestrations): ReturnType<typeof keepJobsGoing> {
  const { jobs, openJobs } = lake;
  const end = (ref: JobRef, failure: Failure): Promise<unknown> => endJobActivity(lake.deps, { ...ref, failure });
  return keepJobsGoing({ jobs, openJobs, orchestrations, end });
}

test("a job that a crash left unstarted is started, once", async ({ expect }) => {
  const lake = new MemoryLake();
  await lake.requestBackup("one");
  const orchestrations = new FakeOrchestrations();
  expect(await keeping(lake, orchestrations)).toEqual([{ job: "one", because: "started" }]);
  expect(await keeping(lake, orchestrations)).toEqual([{ job: "one", because: "runs" }]);
  expect(orchestrations.started).toEqual(["backup-one"]);
});

test("a job whose orchestration was ended from outside fails, and its instance is free", async ({ expect }) => {
  for (const state of ["failed", "ended"] as const) {
    const lake = await working();
    const orchestrations = new FakeOrchestrations();
    orchestrations.states.set("backup-one", state);
    expect(await keeping(lake, orchestrations)).toEqual([
      { job: "one", because: "its orchestration ended without it" },
    ]);
    expect((await lake.job("one")).status).toBe("Failed");
    expect(lake.locks.size).toBe(0);
    expect(await keeping(lake, orchestrations)).toEqual([]);
  }
});

test("an ended job is only tidied up after, and one without a row is left for its writer", async ({ expect }) => {
  const lake = await working();
  await endJobActivity(lake.deps, ONE);
  await lake.openJobs.put(OPEN_JOBS, "one", ONE);
  await lake.openJobs.put(OPEN_JOBS, "two", { vault: "vault", job: "two" });
  const orchestrations = new FakeOrchestrations();
  orchestrations.states.set("backup-one", "ended");
  expect(await keeping(lake, orchestrations)).toEqual([
    { job: "one", because: "ended before" },
    { job: "two", because: "has no row yet" },
  ]);
  expect((await lake.job("one")).status).toBe("Completed");
  expect(await lake.openJobs.get(OPEN_JOBS, "one")).toBeUndefined();
  expect(await lake.openJobs.get(OPEN_JOBS, "two")).toBeDefined();
});
