import { describe, test } from "vitest";
import { crashPoints } from "../../test/support/crash-points.ts";
import { MemoryJobs, ONE } from "../../test/support/memory-jobs.ts";
import type { Failure } from "../foundation/errors.ts";
import { endJobActivity } from "./end-job.ts";
import type { Job } from "./job.ts";
import { type JobTotals, NO_TOTALS } from "./job-totals.ts";
import { OPEN_JOBS } from "./open-jobs.ts";
import { plannedRangeId, workRows } from "./work.ts";

const RAW: JobTotals = { ...NO_TOTALS, listed: 7, copied: 4, copiedBytes: 400, unchanged: 2, warned: 1 };

const CURATED: JobTotals = { ...NO_TOTALS, listed: 2, copied: 2, copiedBytes: 20 };

const BOTH: JobTotals = { ...NO_TOTALS, listed: 9, copied: 6, copiedBytes: 420, unchanged: 2, warned: 1 };

/** A backup of two containers whose ranges are in. */
async function working(job: Partial<Job> = {}): Promise<MemoryJobs> {
  const world = new MemoryJobs();
  await world.begin(["raw", "curated"], job);
  for (const [container, totals] of [
    ["raw", RAW],
    ["curated", CURATED],
  ] as const) {
    await world.work.put("one", workRows.plan(container), { kind: "plan", container, parts: 1, cuts: [] });
    await world.work.put("one", workRows.tally(container, 0, "000000", 0), {
      kind: "tally",
      finished: true,
      split: false,
      totals,
    });
    await world.work.put("one", workRows.marker(container), { kind: "marker", container, replicatedAt: "" });
  }
  return world;
}

const KEPT = {
  [workRows.container("curated")]: { kind: "container", container: "curated", totals: CURATED },
  [workRows.container("raw")]: { kind: "container", container: "raw", totals: RAW },
};

describe("wherever the end of a job crashes, a retry frees the instance and keeps the totals of each container", () => {
  for (const [status, job, failure] of [
    ["Completed", { totals: BOTH }, undefined],
    ["Failed", {}, { code: "datasource/forbidden", message: "no" }],
    ["Cancelled", { status: "Cancelling" }, { code: "job/cancelled", message: "the job was cancelled" }],
  ] as const) {
    test(status, async ({ expect }) => {
      const died = await crashPoints(
        () => working(job),
        (world) => endJobActivity(world.deps, { ...ONE, ...(failure === undefined ? {} : { failure }) }),
        async (world, where) => {
          // As Durable Functions or housekeeping would: with another reason.
          const other: Failure = { code: "internal/unexpected", message: "ended without it" };
          const again = failure === undefined ? {} : { failure: status === "Cancelled" ? other : failure };
          expect(await endJobActivity(world.deps, { ...ONE, ...again }), where).toBe(status);
          expect(world.locks.size, where).toBe(0);
          expect(world.openJobs.size, where).toBe(status === "Completed" ? 0 : 1);
          expect(world.workRows(), where).toEqual(KEPT);
          expect(await world.job(), where).toMatchObject({ status, totals: BOTH });
        },
      );
      expect(died.length).toBeGreaterThan(15);
    });
  }
});

describe("the end of a job", () => {
  test("keeps its first status", async ({ expect }) => {
    const world = await working();
    const failure: Failure = { code: "datasource/forbidden", message: "no", hint: "grant it" };
    expect(await endJobActivity(world.deps, { ...ONE, failure })).toBe("Failed");
    expect(await endJobActivity(world.deps, ONE)).toBe("Failed");
    expect(await world.job()).toMatchObject({ status: "Failed", failure, endedAt: world.now.toISOString() });
  });

  test("deletes thousands of work rows", async ({ expect }) => {
    const world = await working({ totals: BOTH });
    for (let i = 1; i < 2_500; i++) {
      const row = workRows.tally("raw", 0, plannedRangeId(i), 0);
      await world.work.put("one", row, { kind: "tally", finished: false, split: false, totals: NO_TOTALS });
    }
    expect(await endJobActivity(world.deps, ONE)).toBe("Completed");
    expect(world.workRows()).toEqual(KEPT);
  });

  test("leaves rows that it has no time for to housekeeping, which finds the job among the open ones", async ({
    expect,
  }) => {
    const world = await working({ totals: BOTH });
    for (let i = 1; i < 2_500; i++) {
      const row = workRows.tally("raw", 0, plannedRangeId(i), 0);
      await world.work.put("one", row, { kind: "tally", finished: false, split: false, totals: NO_TOTALS });
    }
    const removeNow = world.work.remove.bind(world.work);
    world.work.remove = (partition, row, etag) => {
      world.now = new Date(world.now.getTime() + 1_000);
      return removeNow(partition, row, etag);
    };
    expect(await endJobActivity(world.deps, ONE)).toBe("Completed");
    expect(world.openJobs.size).toBe(1);
    expect(world.locks.size).toBe(0);
    const left = Object.keys(world.workRows()).length;
    expect(left).toBeGreaterThan(1_000);
    for (let ends = 0; world.openJobs.size > 0; ends++) {
      expect(ends).toBeLessThan(10);
      expect(await endJobActivity(world.deps, ONE)).toBe("Completed");
    }
    expect(world.workRows()).toEqual(KEPT);
  });

  test("with warnings is reported by the warnings of the job", async ({ expect }) => {
    const first = [{ container: "raw", name: "a", code: "archived", message: "it is archived" }];
    const world = await working({ totals: BOTH, warnings: { count: 1, first } });
    expect(await endJobActivity(world.deps, ONE)).toBe("CompletedWithWarnings");
    expect((await world.job()).warnings).toEqual({ count: 1, first });
  });

  test("of an unfinished job counts the warnings whose names are lost", async ({ expect }) => {
    const missing = { container: "gone", name: "", code: "container-missing", message: "it does not exist" };
    const world = await working({ warnings: { count: 1, first: [missing] } });
    await endJobActivity(world.deps, { ...ONE, failure: { code: "storage/unavailable", message: "no" } });
    expect((await world.job()).warnings).toEqual({ count: 2, first: [missing] });
  });

  test("of a cancelled restore says that its target is not empty", async ({ expect }) => {
    const target = { resourceId: "/restored", account: "restored" };
    const world = new MemoryJobs();
    const request = { kind: "restore", recoveryPoint: "p", target } as const;
    await world.begin(["raw"], { status: "Cancelling", request });
    expect(await endJobActivity(world.deps, ONE)).toBe("Cancelled");
    const { failure } = await world.job();
    expect(failure).toMatchObject({ code: "job/cancelled", message: "the job was cancelled" });
    expect(failure?.hint).toContain("stay in account 'restored'");
  });
});

describe("housekeeping", () => {
  test("starts a job that a crash left unstarted, once", async ({ expect }) => {
    const world = new MemoryJobs();
    await world.request();
    expect(await world.housekeeping()).toEqual([{ job: "one", because: "started" }]);
    expect(await world.housekeeping()).toEqual([{ job: "one", because: "runs" }]);
    expect(world.orchestrations.started.map(({ id }) => id)).toEqual(["backup-one"]);
  });

  for (const state of ["failed", "ended"] as const) {
    test(`fails a job whose orchestration has ${state} without it, and frees its instance`, async ({ expect }) => {
      const world = await working();
      world.orchestrations.ended.set("backup-one", state);
      expect(await world.housekeeping()).toEqual([{ job: "one", because: "its orchestration had already ended" }]);
      expect((await world.job()).status).toBe("Failed");
      expect(world.locks.size).toBe(0);
    });
  }

  test("deletes what a worker wrote after its job failed, until no worker can be left", async ({ expect }) => {
    const world = await working({ status: "Cancelling" });
    await endJobActivity(world.deps, ONE);
    world.orchestrations.ended.set("backup-one", "ended");
    for (const minutes of [1, 10]) {
      const row = workRows.tally("raw", 0, "000001", minutes);
      await world.work.put("one", row, { kind: "tally", finished: true, split: false, totals: RAW });
      world.now = new Date(world.now.getTime() + minutes * 60_000);
      expect(await world.housekeeping()).toEqual([{ job: "one", because: "ended before" }]);
      expect(world.workRows()).toEqual(KEPT);
    }
    world.now = new Date(world.now.getTime() + 5 * 60_000);
    expect(await world.housekeeping()).toHaveLength(1);
    expect(await world.housekeeping()).toEqual([]);
    expect(await world.job()).toMatchObject({ status: "Cancelled", totals: BOTH });
  });

  test("only cleans up after an ended job, and skips one without a row", async ({ expect }) => {
    const world = await working({ totals: BOTH });
    await endJobActivity(world.deps, ONE);
    await world.openJobs.put(OPEN_JOBS, "one", ONE);
    await world.openJobs.put(OPEN_JOBS, "two", { vault: "vault", job: "two" });
    world.orchestrations.ended.set("backup-one", "ended");
    expect(await world.housekeeping()).toEqual([
      { job: "one", because: "ended before" },
      { job: "two", because: "has no row yet" },
    ]);
    expect((await world.job()).status).toBe("Completed");
    expect(await world.openJobs.get(OPEN_JOBS, "one")).toBeUndefined();
    expect(await world.openJobs.get(OPEN_JOBS, "two")).toBeDefined();
  });
});
