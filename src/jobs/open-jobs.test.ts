import { test } from "vitest";
import { MemoryJobs, ONE } from "../../test/support/memory-jobs.ts";
import { MINUTE_MS } from "../foundation/durations.ts";
import { VaultError } from "../foundation/errors.ts";
import { FAILED_EVENT } from "../foundation/flow.ts";
import { endJobActivity } from "./end-job.ts";
import { beat } from "./heartbeat.ts";
import { raiseEvent } from "./raise-event.ts";
import { MAX_RESTARTS } from "./watchdog.ts";
import { workRows } from "./work.ts";

/** A job whose orchestration was started. */
async function running(): Promise<MemoryJobs> {
  const world = new MemoryJobs();
  await world.begin(["raw"]);
  await world.housekeeping();
  return world;
}

/** Advances minutes, with housekeeping after each. @returns its actions */
async function pass(
  world: MemoryJobs,
  minutes: number,
  each?: (minute: number) => Promise<unknown>,
): Promise<string[]> {
  const done: string[] = [];
  for (let minute = 1; minute <= minutes; minute++) {
    world.now = new Date(world.now.getTime() + MINUTE_MS);
    await each?.(minute);
    for (const { because } of await world.housekeeping()) done.push(because);
  }
  return done;
}

test("a job with heartbeats is left alone for any time", async ({ expect }) => {
  const world = await running();
  await world.housekeeping();
  const done = await pass(world, 600, () => beat({ work: world.work, clock: () => world.now }, "one", true));
  expect(new Set(done)).toEqual(new Set(["runs"]));
  expect((await world.job()).restarts).toBeUndefined();
});

test("a job that makes progress without heartbeats is left alone", async ({ expect }) => {
  const world = await running();
  const done = await pass(world, 60, (minute) =>
    world.work.put("one", workRows.marker(`c${minute}`), { kind: "marker", container: `c${minute}`, replicatedAt: "" }),
  );
  expect(new Set(done)).toEqual(new Set(["runs"]));
});

test("a job whose heartbeats stop is restarted within two minutes of the last one", async ({ expect }) => {
  const world = await running();
  await pass(world, 3, () => beat({ work: world.work, clock: () => world.now }, "one", true));
  // The process dies just after a heartbeat, in the middle between two checks.
  expect(await pass(world, 1)).toEqual(["was restarted"]);
  expect(world.orchestrations.started.map(({ id }) => id)).toEqual(["backup-one", "backup-one-1"]);
  expect(world.orchestrations.ended.get("backup-one")).toBe("failed");
  expect((await world.job()).status).toBe("InProgress");
});

test.for([
  { kind: "backup", slot: "2026-01-01T00:00:00.000Z", rule: "BackupDaily" },
  { kind: "restore", recoveryPoint: "p", target: { resourceId: "/t", account: "t" } },
  { kind: "retention" },
  { kind: "scrub" },
] as const)("a job of kind '$kind' whose orchestration hangs is restarted", async (request, { expect }) => {
  const world = new MemoryJobs();
  await world.begin(["raw"], { request });
  await world.housekeeping();
  const done = await pass(world, 3);
  expect(done.filter((because) => because === "was restarted")).toHaveLength(1);
  const { kind } = request;
  const input = ONE;
  expect(world.orchestrations.started).toEqual([
    { name: kind, id: `${kind}-one`, input },
    { name: kind, id: `${kind}-one-1`, input },
  ]);
});

test("events go to the current orchestration of the job", async ({ expect }) => {
  const world = await running();
  await raiseEvent(world.deps, ONE, "replicated.raw", null);
  await pass(world, 3);
  await raiseEvent(world.deps, ONE, "replicated.raw", null);
  expect(world.orchestrations.raised.map(({ id }) => id)).toEqual(["backup-one", "backup-one-1"]);
});

test("a permanently stalled job fails, with an alert, and its instance is free", async ({ expect }) => {
  const world = await running();
  const done = await pass(world, 240);
  expect(done.filter((because) => because === "was restarted")).toHaveLength(MAX_RESTARTS);
  expect(done.filter((because) => because === "stalled permanently")).toHaveLength(1);
  // Nothing handles the event here, so that the watchdog ends the job.
  expect(done.filter((because) => because === "was ended by the watchdog")).toHaveLength(1);
  expect(world.orchestrations.raised.at(-1)).toMatchObject({
    id: `backup-one-${MAX_RESTARTS}`,
    event: FAILED_EVENT,
    value: { code: "job/stalled" },
  });
  expect(await world.job()).toMatchObject({ status: "Failed", failure: { code: "job/stalled" } });
  expect(world.locks.size).toBe(0);
  const [alert] = Object.values(world.alerts.dump()["vault"] ?? {});
  expect(alert).toMatchObject({ kind: "job.stalled", severity: "critical", instanceName: "lake", subject: "one" });
});

test("a cancelled job that does not end is ended as cancelled", async ({ expect }) => {
  const world = await running();
  await world.jobs.put(ONE.vault, ONE.job, { ...(await world.job()), status: "Cancelling" });
  const done = await pass(world, 15);
  expect(done.filter((because) => because === "was ended by the watchdog")).toHaveLength(1);
  expect(await world.job()).toMatchObject({ status: "Cancelled", failure: { code: "job/cancelled" } });
});

test("while other jobs run, a queued job is left alone for a quarter of an hour", async ({ expect }) => {
  const world = await running();
  const other = { vault: ONE.vault, job: "two" };
  await world.openJobs.put("open", "two", other);
  await world.jobs.put(ONE.vault, "two", { ...(await world.job()), id: "two", instance: "2".repeat(32) });
  await world.housekeeping();
  await world.housekeeping();
  const waits = async (minutes: number): Promise<number | undefined> => {
    await pass(world, minutes, () => beat({ work: world.work, clock: () => world.now }, "two", true));
    return (await world.job()).restarts;
  };
  expect(await waits(15)).toBeUndefined();
  expect(await waits(17)).toBe(1);
});

test("two concurrent timers restart a job once", async ({ expect }) => {
  const world = await running();
  await pass(world, 2);
  world.now = new Date(world.now.getTime() + MINUTE_MS);
  await Promise.all([world.housekeeping(), world.housekeeping()]);
  expect((await world.job()).restarts).toBe(1);
  expect(world.orchestrations.started).toHaveLength(2);
});

test("a restart that crashes between its two writes is completed by the next check", async ({ expect }) => {
  const world = await running();
  await pass(world, 2);
  world.orchestrations.startOnce = async () => {
    throw new Error("died");
  };
  await expect(pass(world, 1)).rejects.toThrow("died");
  expect((await world.job()).restarts).toBe(1);
  Reflect.deleteProperty(world.orchestrations, "startOnce");
  expect(await pass(world, 1)).toEqual(["started"]);
  expect(world.orchestrations.started.map(({ id }) => id)).toEqual(["backup-one", "backup-one-1"]);
});

test("a restart that crashes before the old orchestration is ended leaves none behind", async ({ expect }) => {
  const world = await running();
  await pass(world, 2);
  world.orchestrations.terminate = async () => {
    throw new Error("died");
  };
  await expect(pass(world, 1)).rejects.toThrow("died");
  Reflect.deleteProperty(world.orchestrations, "terminate");
  expect(await pass(world, 1)).toEqual(["started"]);
  expect(world.orchestrations.ended.get("backup-one")).toBe("failed");
});

test("a heartbeat during a check prevents the restart", async ({ expect }) => {
  const world = await running();
  await pass(world, 2);
  const get = world.jobs.get.bind(world.jobs);
  let looks = 0;
  // The check reads the job's row second.
  world.jobs.get = async (vault, job) => {
    looks += 1;
    if (looks === 2) await beat({ work: world.work, clock: () => world.now }, "one", true);
    return get(vault, job);
  };
  expect(await pass(world, 1)).toEqual(["runs"]);
  expect(looks).toBe(2);
  expect((await world.job()).restarts).toBeUndefined();
});

test("an alert that cannot be raised is raised at the next check", async ({ expect }) => {
  const world = await running();
  const insert = world.alerts.insert.bind(world.alerts);
  let refused = 0;
  world.alerts.insert = async (...row) => {
    refused += 1;
    if (refused === 1) throw new VaultError("storage/unavailable", "the state account is unavailable");
    return insert(...row);
  };
  await expect(pass(world, 240)).rejects.toThrow("the state account is unavailable");
  await pass(world, 60);
  expect(refused).toBe(2);
  const [alert] = Object.values(world.alerts.dump()["vault"] ?? {});
  expect(alert).toMatchObject({ kind: "job.stalled", subject: "one" });
  expect((await world.job()).status).toBe("Failed");
});

test("a job that ends deletes its watch row, and a late heartbeat creates none", async ({ expect }) => {
  const world = await running();
  await world.housekeeping();
  expect(await beat({ work: world.work, clock: () => world.now }, "one", true)).toBe(true);
  await world.work.remove("one", workRows.watch);
  expect(await beat({ work: world.work, clock: () => world.now }, "one", true)).toBe(false);
  expect(world.work.size).toBe(0);
});

test("a job that ends while its watch row is created leaves none", async ({ expect }) => {
  const world = await running();
  const insert = world.work.insert.bind(world.work);
  world.work.insert = async (...row) => {
    await endJobActivity(world.deps, ONE);
    return insert(...row);
  };
  await world.housekeeping();
  expect((await world.job()).status).toBe("Completed");
  expect(world.work.size).toBe(0);
});

test("a failed heartbeat does not fail the work", async ({ expect }) => {
  const world = await running();
  await world.housekeeping();
  world.work.replace = async () => {
    throw new VaultError("storage/unavailable", "the state account is unavailable");
  };
  expect(await beat({ work: world.work, clock: () => world.now }, "one", true)).toBe(false);
});
