import { describe, test } from "vitest";
import { crashPoints } from "../../test/support/crash-points.ts";
import { CrashSwitch } from "../../test/support/crash-switch.ts";
import { MemoryOrchestrations } from "../../test/support/memory-app.ts";
import { MemoryRecords } from "../../test/support/memory-records.ts";
import type { Job } from "./job.ts";
import { busyWith, type InstanceLock, LOCK_ROW } from "./job-lock.ts";
import type { JobRef } from "./job-ref.ts";
import { keepJobsGoing, OPEN_JOBS } from "./open-jobs.ts";
import { jobOrderRow, type RequestJobDeps, requestJob } from "./request-job.ts";

const JOB: Job = {
  id: "5f0c2b1e-0000-5000-8000-000000000001",
  vault: "vault",
  instanceName: "lake",
  instance: "1".repeat(32),
  status: "InProgress",
  requestedBy: "user",
  request: { kind: "backup", slot: "2026-01-01T00:00:00.000Z", rule: "BackupDaily" },
  startedAt: "2026-01-01T00:00:00.000Z",
  policyName: "daily",
};
const REF: JobRef = { vault: JOB.vault, job: JOB.id };

class World {
  readonly crash = new CrashSwitch();
  readonly jobs = new MemoryRecords<Job>();
  readonly jobOrder = new MemoryRecords<JobRef>();
  readonly openJobs = new MemoryRecords<JobRef>();
  readonly orchestrations = new MemoryOrchestrations();

  get deps(): RequestJobDeps {
    return {
      jobs: this.crash.wrap(this.jobs),
      jobOrder: this.crash.wrap(this.jobOrder),
      openJobs: this.crash.wrap(this.openJobs),
      orchestrations: this.crash.wrap(this.orchestrations),
    };
  }

  get state(): object {
    const { jobs, jobOrder, openJobs, orchestrations } = this;
    return { jobs: jobs.dump(), order: jobOrder.dump(), open: openJobs.dump(), started: orchestrations.started };
  }

  /** What the housekeeping timer does. */
  async housekeeping(): Promise<void> {
    await keepJobsGoing({
      ...this.deps,
      work: new MemoryRecords(),
      clock: () => new Date(JOB.startedAt),
      end: async () => {},
      raiseStalled: async () => {},
    });
  }
}

const requested = {
  jobs: { vault: { [JOB.id]: JOB } },
  order: { vault: { [jobOrderRow(JOB)]: REF } },
  open: { [OPEN_JOBS]: { [JOB.id]: REF } },
  started: [{ name: "backup", id: `backup-${JOB.id}`, input: REF }],
};

test("a requested job is stored, listed, open and started", async ({ expect }) => {
  const world = new World();
  expect(await requestJob(world.deps, JOB)).toEqual(JOB);
  expect(world.state).toEqual(requested);
});

test("a repeated request changes nothing, even at another time", async ({ expect }) => {
  const world = new World();
  await requestJob(world.deps, JOB);
  expect(await requestJob(world.deps, { ...JOB, startedAt: "2026-01-01T00:05:00.000Z" })).toEqual(JOB);
  expect(world.state).toEqual(requested);
});

test("concurrent requests for one job create one job, listed once", async ({ expect }) => {
  const world = new World();
  const answers = await Promise.all(
    [0, 1, 2, 3].map((n) => requestJob(world.deps, { ...JOB, startedAt: `2026-01-01T00:00:00.00${n}Z` })),
  );
  const [first] = answers;
  expect(answers).toEqual(answers.map(() => first));
  expect(world.jobs.dump()).toEqual({ vault: { [JOB.id]: first } });
  expect(world.jobOrder.dump()).toEqual({ vault: { [jobOrderRow(first as Job)]: REF } });
  expect(world.orchestrations.started).toHaveLength(1);
});

test("a job that has ended is returned unchanged", async ({ expect }) => {
  const world = new World();
  const ended: Job = { ...JOB, status: "Completed", endedAt: "2026-01-01T01:00:00.000Z" };
  await world.jobs.put(JOB.vault, JOB.id, ended);
  const writes = world.jobs.writes;
  expect(await requestJob(world.deps, JOB)).toEqual(ended);
  expect([world.jobs.writes, world.openJobs.size, world.orchestrations.started.length]).toEqual([writes, 0, 0]);
});

describe("wherever a request dies", () => {
  test("its repetition ends like a request without faults", async ({ expect }) => {
    const died = await crashPoints(
      async () => new World(),
      (world) => requestJob(world.deps, JOB),
      async (world, where) => {
        await requestJob(world.deps, JOB);
        expect(world.state, where).toEqual(requested);
      },
    );
    expect(died).toHaveLength(10);
  });

  test("housekeeping starts the job or leaves nothing visible", async ({ expect }) => {
    let started = 0;
    const died = await crashPoints(
      async () => new World(),
      (world) => requestJob(world.deps, JOB),
      async (world, where) => {
        await world.housekeeping();
        if (world.jobs.size === 0) expect(world.orchestrations.started, where).toEqual([]);
        else {
          expect(world.state, where).toEqual(requested);
          started += 1;
        }
      },
    );
    expect(died).toHaveLength(10);
    expect(started).toBe(3);
  });
});

test("a vault's jobs are sorted newest first", ({ expect }) => {
  const at = (startedAt: string): string => jobOrderRow({ ...JOB, startedAt });
  const rows = ["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.001Z", "2031-05-05T00:00:00.000Z"].map(at);
  expect([...rows].sort()).toEqual(rows.reverse());
});

test("an instance is busy with the unfinished job that holds its lock, and with no other", async ({ expect }) => {
  const deps = { jobs: new MemoryRecords<Job>(), locks: new MemoryRecords<InstanceLock>() };
  expect(await busyWith(deps, "vault", JOB.instance)).toBeUndefined();
  await deps.locks.put(JOB.instance, LOCK_ROW, { job: JOB.id, since: JOB.startedAt });
  expect(await busyWith(deps, "vault", JOB.instance)).toBeUndefined();
  await deps.jobs.put("vault", JOB.id, JOB);
  expect(await busyWith(deps, "vault", JOB.instance)).toBe(JOB.id);
  await deps.jobs.put("vault", JOB.id, { ...JOB, status: "Failed" });
  expect(await busyWith(deps, "vault", JOB.instance)).toBeUndefined();
});
