import { describe, test } from "vitest";
import { crashPoints } from "../../test/support/crash-points.ts";
import { MemoryJobs, ONE } from "../../test/support/memory-jobs.ts";
import { type RaisedEvent, runFlow } from "../../test/support/run-flow.ts";
import { backupOrchestration } from "../backup/backup-orchestration.ts";
import { replicatedEvent } from "../backup/messages.ts";
import { FAILED_EVENT } from "../foundation/flow.ts";
import { updateRecord } from "../foundation/records.ts";
import { restoredEvent } from "../restore/messages.ts";
import { restoreOrchestration } from "../restore/restore-orchestration.ts";
import { cancelJob } from "./cancel-job.ts";
import { endJobActivity } from "./end-job.ts";
import type { Job, JobStatus } from "./job.ts";
import { NO_TOTALS } from "./job-totals.ts";
import { orchestrationId } from "./orchestrations.ts";
import { workRows } from "./work.ts";

const CONTAINERS = ["raw", "curated"];
const RESTORE: Job["request"] = {
  kind: "restore",
  recoveryPoint: "p",
  target: { resourceId: "/restored", account: "restored" },
};

/** When the cancel arrives, in the order of a job's life; `never` is the control. */
const MOMENTS = [
  "before it is started",
  "while it begins",
  "while it plans",
  "while it waits",
  "while its last step reads the job",
  "when its last step is done",
  "never",
] as const;
type Moment = (typeof MOMENTS)[number];

/** Runs a job's orchestration over minimal activities, and cancels the job meanwhile. */
async function runJob(world: MemoryJobs, request: Job["request"], moment: Moment): Promise<JobStatus> {
  const events: RaisedEvent[] = [];
  const at = async (here: Moment): Promise<void> => {
    if (here !== moment) return;
    await cancelJob(world.deps, ONE);
    events.push(...world.orchestrations.raised);
  };
  const isWanted = async (): Promise<boolean> => (await world.job()).status === "InProgress";
  const change = (changes: Partial<Job>): Promise<unknown> =>
    updateRecord(world.jobs, ONE.vault, ONE.job, (job) => ({ ...job, ...changes }));

  const begin = async (): Promise<object> => {
    const begun = await isWanted();
    await at("while it begins");
    if (begun) await change({ containers: CONTAINERS });
    return { begun, containers: CONTAINERS };
  };
  const plan = async (): Promise<string[]> => {
    const wanted = await isWanted();
    if (wanted) {
      for (const container of CONTAINERS) {
        await world.work.put(ONE.job, workRows.plan(container), { kind: "plan", container, parts: 1, cuts: [] });
      }
    }
    await at("while it plans");
    const arrived = request.kind === "backup" ? replicatedEvent : restoredEvent;
    if (wanted) events.push({ event: arrived("raw") });
    await at("while it waits");
    if (await isWanted()) events.push({ event: arrived("curated") });
    return CONTAINERS;
  };
  const finish = async (): Promise<object> => {
    await at("while its last step reads the job");
    if (await isWanted()) await change({ totals: { ...NO_TOTALS, copied: 1 } });
    await at("when its last step is done");
    return NO_TOTALS;
  };
  const own: Record<string, () => Promise<unknown>> = {
    finishPurges: async () => ({ done: true }),
    beginBackup: begin,
    beginRestore: begin,
    planRanges: plan,
    planSegments: plan,
    sealRecoveryPoint: finish,
    checkRestore: finish,
  };
  const activities = new Proxy(own as Record<string, (input: never) => Promise<unknown>>, {
    get: (given, name: string) =>
      name === "endJob"
        ? (input: typeof ONE) => endJobActivity(world.deps, input)
        : (given[name] ?? (async () => null)),
  });
  await at("before it is started");
  const orchestration = request.kind === "backup" ? backupOrchestration : restoreOrchestration;
  const { outcome } = await runFlow(orchestration, ONE, activities, events);
  if (!outcome.ok) throw outcome.error;
  return outcome.value;
}

describe("a job that is cancelled", () => {
  let tried = 0;
  for (const request of [{ kind: "backup", slot: "", rule: "daily" }, RESTORE] as const) {
    for (const moment of MOMENTS) {
      const wanted = moment === "never" || moment === "when its last step is done" ? "Completed" : "Cancelled";
      test(`${moment}: a ${request.kind} ends ${wanted}, and everything is free again`, async ({ expect }) => {
        tried += 1;
        const world = new MemoryJobs();
        await world.begin([], { request });
        expect(await runJob(world, request, moment)).toBe(wanted);
        const job = await world.job();
        expect(job.failure?.code).toBe(wanted === "Cancelled" ? "job/cancelled" : undefined);
        expect(job.endedAt).toBe(world.now.toISOString());
        expect(world.locks.size).toBe(0);
        expect(Object.values(world.workRows()).every(({ kind }) => kind === "container")).toBe(true);
      });
    }
  }

  test("was tested at every moment", ({ expect }) => {
    expect(tried).toBe(2 * MOMENTS.length);
  });

  test("is cancelled once however often it is requested, and its orchestration gets each event", async ({ expect }) => {
    const world = new MemoryJobs();
    await world.begin(CONTAINERS);
    expect(await cancelJob(world.deps, ONE)).toMatchObject({ id: "one", status: "Cancelling" });
    const writes = world.jobs.writes;
    expect(await cancelJob(world.deps, ONE)).toMatchObject({ id: "one", status: "Cancelling" });
    expect(world.jobs.writes).toBe(writes);
    const told = {
      id: orchestrationId(await world.job()),
      event: FAILED_EVENT,
      value: { code: "job/cancelled", message: "the job was cancelled" },
    };
    expect(world.orchestrations.raised).toEqual([told, told]);
  });

  for (const status of ["Completed", "CompletedWithWarnings", "Failed", "Cancelled"] as const) {
    test(`and has already ended as ${status} stays so, and the caller gets an error`, async ({ expect }) => {
      const world = new MemoryJobs();
      await world.request({ status });
      const job = await world.job();
      await expect(cancelJob(world.deps, ONE)).rejects.toMatchObject({ code: "job/not-cancellable" });
      expect(await world.job()).toEqual(job);
      expect(world.orchestrations.raised).toEqual([]);
    });
  }

  test("must be there", async ({ expect }) => {
    await expect(cancelJob(new MemoryJobs().deps, ONE)).rejects.toMatchObject({ code: "job/not-found" });
  });
});

describe("wherever a cancel dies", () => {
  async function running(): Promise<MemoryJobs> {
    const world = new MemoryJobs();
    await world.begin(CONTAINERS);
    await world.orchestrations.startOnce("backup", "backup-one", ONE);
    return world;
  }

  test("the job continues, or housekeeping sends the event again", async ({ expect }) => {
    let toldAgain = 0;
    const died = await crashPoints(
      running,
      (world) => cancelJob(world.deps, ONE),
      async (world, where) => {
        const before = world.orchestrations.raised.length;
        const [kept] = await world.housekeeping();
        const isCancelled = (await world.job()).status === "Cancelling";
        expect(kept?.because, where).toBe(isCancelled ? "was sent the cancel event again" : "runs");
        expect(world.orchestrations.raised.length - before, where).toBe(isCancelled ? 1 : 0);
        if (isCancelled) toldAgain += 1;
      },
    );
    expect(died).toHaveLength(6);
    expect(toldAgain).toBe(3);
  });

  test("a second cancel succeeds", async ({ expect }) => {
    const died = await crashPoints(
      running,
      (world) => cancelJob(world.deps, ONE),
      async (world, where) => {
        expect((await cancelJob(world.deps, ONE)).status, where).toBe("Cancelling");
        expect(world.orchestrations.raised.length, where).toBeGreaterThan(0);
      },
    );
    expect(died).toHaveLength(6);
  });

  test("a job that was never started ends as cancelled, and a late start has no effect", async ({ expect }) => {
    const world = new MemoryJobs();
    await world.request();
    await cancelJob(world.deps, ONE);
    expect(await world.housekeeping()).toEqual([{ job: "one", because: "was cancelled before it started" }]);
    expect(await world.job()).toMatchObject({ status: "Cancelled", failure: { code: "job/cancelled" } });
    expect(await runJob(world, { kind: "backup", slot: "", rule: "daily" }, "never")).toBe("Cancelled");
  });

  test("a job whose orchestration was ended from outside ends as cancelled", async ({ expect }) => {
    const world = await running();
    await cancelJob(world.deps, ONE);
    world.orchestrations.ended.set("backup-one", "failed");
    expect(await world.housekeeping()).toEqual([{ job: "one", because: "its orchestration had already ended" }]);
    expect((await world.job()).status).toBe("Cancelled");
    expect(world.locks.size).toBe(0);
  });
});
