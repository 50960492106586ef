import { test } from "vitest";
import { crashPoints } from "../../test/support/crash-points.ts";
import { CrashSwitch } from "../../test/support/crash-switch.ts";
import {
  INSTANCE_ID,
  instanceBody,
  MemoryApp,
  POLICY_ID,
  policyBody,
  VAULT_ID,
} from "../../test/support/memory-app.ts";
import { busyWith, LOCK_ROW } from "../jobs/job-lock.ts";
import { requestJob } from "../jobs/request-job.ts";
import { backupInstanceId, vaultKey } from "./contract.ts";
import { type StartDueBackupsDeps, scheduledJobId, startDueBackups } from "./start-due-backups.ts";

const KEY = vaultKey(VAULT_ID);
const INSTANCE = backupInstanceId(INSTANCE_ID);

/** An instance made on 2 March 2026 at 10:00 UTC, under a policy that runs daily at 02:00. */
class World extends MemoryApp {
  readonly crash = new CrashSwitch();

  get timer(): StartDueBackupsDeps {
    const { tables, orchestrations } = this;
    const wrap = <T extends object>(port: T): T => this.crash.wrap(port);
    const jobs = wrap(tables.jobs);
    return {
      schedules: wrap(tables.schedules),
      instances: wrap(tables.instances),
      policies: wrap(tables.policies),
      clock: () => this.now,
      requestJob: (job) =>
        requestJob(
          {
            jobs,
            jobOrder: wrap(tables.jobOrder),
            openJobs: wrap(tables.openJobs),
            orchestrations: wrap(orchestrations),
          },
          job,
        ),
      busyWith: (vault, instance) => busyWith({ jobs, locks: tables.locks }, vault, instance),
    };
  }

  async tick(now: string): Promise<string[]> {
    this.now = new Date(now);
    const outcomes = await startDueBackups(this.timer);
    return outcomes.map((outcome) => (outcome.start ? `starts ${outcome.slot.toISOString()}` : outcome.because));
  }

  get startedJobs(): string[] {
    return this.orchestrations.started.map(({ id }) => id.replace("backup-", ""));
  }

  async instance() {
    return (await this.tables.instances.get(KEY, "prodlake-prodlake-1"))?.value;
  }
}

async function protectedLake(): Promise<World> {
  const world = new World();
  await world.protect();
  return world;
}

test("a backup starts when its slot has come, once", async ({ expect }) => {
  const world = await protectedLake();
  expect(await world.tick("2026-03-03T01:59:00Z")).toEqual(["no slot has come"]);
  expect(await world.tick("2026-03-03T02:00:30Z")).toEqual(["starts 2026-03-03T02:00:00.000Z"]);
  expect(await world.tick("2026-03-03T02:01:30Z")).toEqual(["no slot has come"]);
  expect(await world.tick("2026-03-04T02:00:00Z")).toEqual(["starts 2026-03-04T02:00:00.000Z"]);

  const slots = [new Date("2026-03-03T02:00:00Z"), new Date("2026-03-04T02:00:00Z")];
  expect(world.startedJobs).toEqual(slots.map((slot) => scheduledJobId(INSTANCE, slot)));
  expect((await world.tables.jobs.get(KEY, world.startedJobs[0] ?? ""))?.value).toEqual({
    id: world.startedJobs[0],
    vault: KEY,
    instanceName: "prodlake-prodlake-1",
    instance: INSTANCE,
    status: "InProgress",
    requestedBy: "schedule",
    request: { kind: "backup", slot: "2026-03-03T02:00:00.000Z", rule: "BackupDaily" },
    startedAt: "2026-03-03T02:00:30.000Z",
    policyName: "daily",
  });
});

test("no slot before the instance was made is run", async ({ expect }) => {
  const world = await protectedLake();
  expect(await world.tick("2026-03-02T10:00:30Z")).toEqual(["no slot has come"]);
});

test("slots that passed while nothing ran are made up for by one backup", async ({ expect }) => {
  const world = await protectedLake();
  expect(await world.tick("2026-03-09T23:00:00Z")).toEqual(["starts 2026-03-09T02:00:00.000Z"]);
  expect(await world.tick("2026-03-09T23:01:00Z")).toEqual(["no slot has come"]);
});

test("two ticks at once start one job", async ({ expect }) => {
  const world = await protectedLake();
  world.now = new Date("2026-03-03T02:00:30Z");
  const outcomes = await Promise.all([startDueBackups(world.timer), startDueBackups(world.timer)]);
  expect(outcomes.flat().every(({ start }) => start)).toBe(true);
  expect(world.startedJobs).toHaveLength(1);
  expect(world.tables.jobs.size).toBe(1);
  expect(world.tables.jobOrder.size).toBe(1);
});

test("a slot waits while another job holds the instance, and runs when it is free", async ({ expect }) => {
  const world = await protectedLake();
  const { headers } = await world.call("POST", `${INSTANCE_ID}/backup`, {
    body: { backupRuleOptions: { ruleName: "BackupDaily" } },
  });
  expect(headers["azure-asyncoperation"]).toBeDefined();
  const busy = world.startedJobs[0] ?? "";
  await world.tables.locks.put(INSTANCE, LOCK_ROW, { job: busy, since: "2026-03-02T10:00:00.000Z" });

  expect(await world.tick("2026-03-03T02:00:30Z")).toEqual([`job '${busy}' is at work`]);
  expect((await world.instance())?.lastSlot).toBeUndefined();
  await world.tables.locks.remove(INSTANCE, LOCK_ROW);
  expect(await world.tick("2026-03-03T02:05:30Z")).toEqual(["starts 2026-03-03T02:00:00.000Z"]);
});

test("the reasons why nothing starts are told", async ({ expect }) => {
  const world = await protectedLake();
  const [instance] = Object.values(world.tables.instances.dump()[KEY] ?? {});
  if (instance === undefined) throw new Error("no instance");
  const put = (changes: Partial<typeof instance>) =>
    world.tables.instances.put(KEY, "prodlake-prodlake-1", { ...instance, ...changes });
  const now = "2026-03-03T02:00:30Z";

  await put({ protectionState: "ProtectionStopped" });
  expect(await world.tick(now)).toEqual(["it is not protected"]);
  await put({ policyName: "gone" });
  expect(await world.tick(now)).toEqual(["there is no policy 'gone'"]);
  await world.tables.instances.remove(KEY, "prodlake-prodlake-1");
  expect(await world.tick(now)).toEqual(["there is no such instance"]);
  await put({});
  const { backupRule, ...withoutSchedule } =
    (await world.tables.policies.get(KEY, "daily"))?.value ?? Object.create(null);
  expect(backupRule).toBeDefined();
  await world.tables.policies.put(KEY, "daily", withoutSchedule);
  expect(await world.tick(now)).toEqual(["its policy has no schedule"]);
  expect(world.startedJobs).toEqual([]);
});

test("an instance that fails holds up none of the others", async ({ expect }) => {
  const world = await protectedLake();
  world.accounts.containers.set("otherlake", ["raw"]);
  const other = INSTANCE_ID.replace("prodlake-prodlake-1", "otherlake");
  const { status } = await world.call("PUT", other, {
    body: instanceBody({ account: "otherlake", containers: ["raw"] }),
  });
  expect(status).toBe(201);

  world.now = new Date("2026-03-03T02:00:30Z");
  const broken = new Error("no table today");
  const outcomes = await startDueBackups({
    ...world.timer,
    busyWith: async (_, instance) => {
      if (instance !== INSTANCE) throw broken;
      return undefined;
    },
  });
  expect(outcomes).toMatchObject([
    { instanceName: "otherlake", start: false, because: "failed", error: broken },
    { instanceName: "prodlake-prodlake-1", start: true },
  ]);
});

test("instances of all vaults are looked at, each under its own policy", async ({ expect }) => {
  const world = await protectedLake();
  const move = (path: string): string => path.replace("/vault1", "/vault2");
  for (const [path, body] of [
    [VAULT_ID, { location: "westeurope", properties: {} }],
    [POLICY_ID, policyBody({ intervals: ["R/2026-01-01T03:00:00+00:00/P1D"] })],
    [INSTANCE_ID, instanceBody({ policyId: move(POLICY_ID) })],
  ] as const) {
    expect((await world.call("PUT", move(path), { body })).status).toBeLessThan(300);
  }
  const outcomes = await world.tick("2026-03-03T02:30:00Z");
  expect(outcomes.sort()).toEqual(["no slot has come", "starts 2026-03-03T02:00:00.000Z"]);
});

test("a PUT of the instance keeps the slot that was handled", async ({ expect }) => {
  const world = await protectedLake();
  await world.tick("2026-03-03T02:00:30Z");
  expect((await world.call("PUT", INSTANCE_ID, { body: instanceBody({ containers: ["raw"] }) })).status).toBe(200);
  expect(await world.instance()).toMatchObject({
    lastSlot: "2026-03-03T02:00:00.000Z",
    containers: { kind: "chosen", names: ["raw"] },
  });
  expect(await world.tick("2026-03-03T02:02:30Z")).toEqual(["no slot has come"]);
});

test("wherever a tick dies, the next one ends with the slot run once", async ({ expect }) => {
  const died = await crashPoints(
    protectedLake,
    async (world) => {
      await world.tick("2026-03-03T02:00:30Z");
    },
    async (world, where) => {
      await world.tick("2026-03-03T02:05:30Z");
      expect(world.startedJobs, where).toEqual([scheduledJobId(INSTANCE, new Date("2026-03-03T02:00:00Z"))]);
      expect((await world.instance())?.lastSlot, where).toBe("2026-03-03T02:00:00.000Z");
      expect(await world.tick("2026-03-03T02:10:30Z"), where).toEqual(["no slot has come"]);
    },
  );
  expect(died.length).toBeGreaterThan(15);
});
