import { describe, test } from "vitest";
import { dailyLake, keepFor } from "../../test/support/daily-lake.ts";
import { VAULT } from "../../test/support/memory-lake.ts";
import { DAY_MS } from "../foundation/durations.ts";
import { decideDueRetention, type RetentionFacts, retentionJobId, startDueRetention } from "./start-due-retention.ts";

describe("when it is due", () => {
  const CALM: RetentionFacts = { expired: 0, begun: 0, removesInstance: false, busyWith: undefined, earlier: [] };
  test.for([
    ["nothing has expired", {}, false, "nothing has expired"],
    ["a point has expired", { expired: 2 }, true, "2 recovery points have expired"],
    ["a purge is unfinished", { begun: 1 }, true, "1 purges are unfinished"],
    [
      "the instance is to be removed",
      { removesInstance: true },
      true,
      "the instance was deleted and its retention has ended",
    ],
    ["a job is running", { expired: 1, busyWith: "x" }, false, "job 'x' is running"],
    ["it has run today", { expired: 1, earlier: [{ status: "Completed" }] }, false, "its retention has run today"],
    ["it runs", { expired: 1, earlier: [{ status: "InProgress" }] }, false, "its retention is running"],
    ["it failed once", { expired: 1, earlier: [{ status: "Failed" }] }, true, "1 recovery points have expired"],
    [
      "it failed four times",
      { expired: 1, earlier: Array.from({ length: 4 }, () => ({ status: "Failed" })) },
      false,
      "its retention has failed 4 times today",
    ],
  ] as [string, Partial<RetentionFacts>, boolean, string][])("%s", ([, facts, start, because], { expect }) => {
    expect(decideDueRetention({ ...CALM, ...facts })).toMatchObject({ start, because });
  });

  test("two concurrent ticks start one job a day, and none when nothing has expired", async ({ expect }) => {
    const { lake } = await dailyLake(10);
    await lake.schedules.put("all", `${VAULT}|lake`, { vault: VAULT, instanceName: "lake" });
    const requested: string[] = [];
    const tick = () =>
      startDueRetention({
        ...lake.deps,
        busyWith: async () => undefined,
        requestJob: async (job) => {
          await lake.jobs.insert(VAULT, job.id, job);
          requested.push(job.id);
          return job;
        },
      });
    const started = (await Promise.all([tick(), tick()])).flat();
    expect(started.map(({ start }) => start)).toContain(true);
    expect(new Set(requested).size).toBe(1);
    expect(await tick()).toMatchObject([{ start: false, because: "its retention is running" }]);
    await keepFor(lake, "P1Y");
    lake.pass(DAY_MS);
    expect(await tick()).toMatchObject([{ start: false, because: "nothing has expired" }]);
  });

  test("an instance whose retention has run today costs one request, and no look into its vault", async ({
    expect,
  }) => {
    const { lake } = await dailyLake(10);
    await lake.schedules.put("all", `${VAULT}|lake`, { vault: VAULT, instanceName: "lake" });
    const day = lake.deps.clock().toISOString().slice(0, 10);
    const ref = await lake.requestJob(retentionJobId("1".repeat(32), day, 1), { kind: "retention" });
    await lake.jobs.put(VAULT, ref.job, { ...(await lake.job(ref.job)), status: "Completed" });
    const refuse = (): never => {
      throw new Error("it is not to be asked");
    };
    const outcomes = await startDueRetention({
      ...lake.deps,
      vault: refuse,
      busyWith: refuse,
      requestJob: refuse,
    });
    expect(outcomes).toMatchObject([{ start: false, because: "its retention has run today" }]);
  });

  test("one instance that fails holds up none of the others", async ({ expect }) => {
    const { lake } = await dailyLake(10);
    await lake.schedules.put("all", `${VAULT}|broken`, { vault: VAULT, instanceName: "broken" });
    await lake.schedules.put("all", `${VAULT}|lake`, { vault: VAULT, instanceName: "lake" });
    const outcomes = await startDueRetention({
      ...lake.deps,
      instances: {
        ...lake.deps.instances,
        get: async (partition, row) => {
          if (row === "broken") throw new Error("no");
          return lake.instances.get(partition, row);
        },
      },
      busyWith: async () => undefined,
      requestJob: async (job) => job,
    });
    expect(outcomes).toMatchObject([
      { instanceName: "broken", start: false, because: "failed" },
      { instanceName: "lake", start: true },
    ]);
  });
});
