import fc from "fast-check";
import { describe, test } from "vitest";
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
import type { FailureCode } from "../foundation/errors.ts";
import { updateRecord } from "../foundation/records.ts";
import type { Job } from "../jobs/job.ts";
import { busyWith, LOCK_ROW } from "../jobs/job-lock.ts";
import { keepJobsGoing } from "../jobs/open-jobs.ts";
import { requestJob } from "../jobs/request-job.ts";
import { type BackupInstance, backupInstanceId } from "./backup-instance.ts";
import { ALL_SCHEDULES, MAX_SKIPPED_SLOTS, type Schedule, scheduleRow } from "./schedules.ts";
import { type StartDueBackupsDeps, scheduledJobId, startDueBackups } from "./start-due-backups.ts";
import { vaultKey } from "./vault-record.ts";

const KEY = vaultKey(VAULT_ID);
const INSTANCE = backupInstanceId(INSTANCE_ID);
const ROW = "prodlake-prodlake-1";

/** An instance created on 2 March 2026 at 10:00 UTC, with a policy that runs daily at 02:00. */
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
      jobs,
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

  /** The timer's other work: it starts what a crash left unstarted. */
  async keepGoing(): Promise<void> {
    const end = async (): Promise<never> => {
      throw new Error("nothing is to be ended");
    };
    // These jobs do not run, so no time passes for the watchdog.
    await keepJobsGoing({
      ...this.tables,
      orchestrations: this.orchestrations,
      clock: () => new Date(0),
      end,
      raiseStalled: end,
    });
  }

  async tick(now: string): Promise<string[]> {
    this.now = new Date(now);
    const outcomes = await startDueBackups(this.timer);
    return outcomes.map((outcome) => (outcome.start ? `starts ${outcome.slot}` : outcome.because));
  }

  get startedJobs(): string[] {
    return this.orchestrations.started.map(({ id }) => id.replace("backup-", ""));
  }

  /** The last job that was started takes the instance's lock. */
  async beginJob(): Promise<string> {
    return await this.changeJob({ containers: ["raw"] });
  }

  /** The last job that was started ends, with the failure or without. */
  async endJob(code?: FailureCode): Promise<string> {
    const end: Partial<Job> =
      code === undefined ? { status: "Completed" } : { status: "Failed", failure: { code, message: "it failed" } };
    return await this.changeJob(end);
  }

  private async changeJob(changes: Partial<Job>): Promise<string> {
    const id = this.startedJobs.at(-1) ?? "";
    await updateRecord(this.tables.jobs, KEY, id, (job) => ({ ...job, ...changes }));
    return id;
  }

  async changeInstance(changes: Partial<BackupInstance>): Promise<void> {
    await updateRecord(this.tables.instances, KEY, ROW, (instance) => ({ ...instance, ...changes }));
  }

  async meet(event: Event, now: Date): Promise<void> {
    this.now = now;
    switch (event.kind) {
      case "tick":
        await this.keepGoing();
        await startDueBackups(this.timer);
        return;
      case "two ticks":
        await Promise.all([startDueBackups(this.timer), startDueBackups(this.timer)]);
        return;
      case "dying tick":
        this.crash.arm(event.moment);
        await startDueBackups(this.timer).catch(() => []);
        this.crash.disarm();
        await this.keepGoing();
        return;
      case "begin":
        if (await this.isOpen()) await this.beginJob();
        return;
      case "end":
        if (await this.isOpen()) await this.endJob();
        return;
      case "crowd out":
        if (await this.isOpen()) await this.endJob("instance/busy");
        return;
      case "pause":
        await this.changeInstance({ protectionState: "ProtectionStopped" });
        return;
      case "resume":
        await this.changeInstance({ protectionState: "ProtectionConfigured" });
    }
  }

  /** Whether the last job that was started has not ended, nor begun. */
  private async isOpen(): Promise<boolean> {
    const job = (await this.tables.jobs.get(KEY, this.startedJobs.at(-1) ?? "none"))?.value;
    return job?.status === "InProgress" && job.containers === undefined;
  }

  async schedule(): Promise<Schedule | undefined> {
    return (await this.tables.schedules.get(ALL_SCHEDULES, scheduleRow(KEY, ROW)))?.value;
  }
}

async function protectedLake(): Promise<World> {
  const world = new World();
  await world.protect();
  return world;
}

test("a backup starts once, when its slot is due", async ({ expect }) => {
  const world = await protectedLake();
  expect(await world.tick("2026-03-03T01:59:00Z")).toEqual(["no slot is due"]);
  expect(await world.tick("2026-03-03T02:00:30Z")).toEqual(["starts 2026-03-03T02:00:00.000Z"]);
  const [job = ""] = world.startedJobs;
  expect(await world.tick("2026-03-03T02:01:30Z")).toEqual([`job '${job}' is about to start`]);
  await world.beginJob();
  expect(await world.tick("2026-03-03T02:02:30Z")).toEqual(["no slot is due"]);
  await world.endJob();
  expect(await world.tick("2026-03-04T02:00:00Z")).toEqual(["starts 2026-03-04T02:00:00.000Z"]);

  const slots = ["2026-03-03T02:00:00.000Z", "2026-03-04T02:00:00.000Z"];
  expect(world.startedJobs).toEqual(slots.map((slot) => scheduledJobId(INSTANCE, slot)));
  expect((await world.tables.jobs.get(KEY, world.startedJobs[1] ?? ""))?.value).toEqual({
    id: world.startedJobs[1],
    vault: KEY,
    instanceName: ROW,
    instance: INSTANCE,
    status: "InProgress",
    requestedBy: "schedule",
    request: { kind: "backup", slot: "2026-03-04T02:00:00.000Z", rule: "BackupDaily" },
    startedAt: "2026-03-04T02:00:00.000Z",
    policyName: "daily",
  });
});

test("no slot before the creation of the instance runs", async ({ expect }) => {
  const world = await protectedLake();
  expect(await world.tick("2026-03-02T10:00:30Z")).toEqual(["no slot is due"]);
});

const NEWER = "a newer slot was due before it could run";

test("one backup covers the slots that passed while nothing ran, and they are recorded", async ({ expect }) => {
  const world = await protectedLake();
  expect(await world.tick("2026-03-06T23:00:00Z")).toEqual(["starts 2026-03-06T02:00:00.000Z"]);
  const passedOver = ["03", "04", "05"].map((day) => ({ slot: `2026-03-${day}T02:00:00.000Z`, because: NEWER }));
  expect(await world.schedule()).toEqual({
    vault: KEY,
    instanceName: ROW,
    handledUpTo: "2026-03-06T02:00:00.000Z",
    asked: { slot: "2026-03-06T02:00:00.000Z", attempt: 1 },
    passedOver: { count: 3, newest: passedOver },
  });
  await world.beginJob();
  expect(await world.tick("2026-03-06T23:01:00Z")).toEqual(["no slot is due"]);
  expect(await world.schedule()).toEqual({
    vault: KEY,
    instanceName: ROW,
    handledUpTo: "2026-03-06T02:00:00.000Z",
    passedOver: { count: 3, newest: passedOver },
  });
});

test("all skipped slots are counted, and the newest are listed", async ({ expect }) => {
  const world = await protectedLake();
  await world.tick("2026-03-06T23:00:00Z");
  await world.endJob();
  await world.tick("2026-07-01T23:00:00Z");
  const { count, newest = [] } = (await world.schedule())?.passedOver ?? {};
  expect(count).toBe(119);
  expect(newest).toHaveLength(MAX_SKIPPED_SLOTS);
  expect(newest.at(-1)).toEqual({ slot: "2026-06-30T02:00:00.000Z", because: NEWER });
});

test("two concurrent ticks start one job", async ({ expect }) => {
  const world = await protectedLake();
  world.now = new Date("2026-03-03T02:00:30Z");
  const outcomes = await Promise.all([startDueBackups(world.timer), startDueBackups(world.timer)]);
  expect(outcomes.flat().filter(({ start }) => start)).toHaveLength(1);
  expect(outcomes.flat()).toContainEqual(expect.objectContaining({ because: "another tick was faster" }));
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

  expect(await world.tick("2026-03-03T02:00:30Z")).toEqual([`job '${busy}' is running`]);
  expect(await world.schedule()).toEqual({ vault: KEY, instanceName: ROW });
  await world.tables.locks.remove(INSTANCE, LOCK_ROW);
  expect(await world.tick("2026-03-03T02:05:30Z")).toEqual(["starts 2026-03-03T02:00:00.000Z"]);
});

describe("a slot whose job was too late for the lock", () => {
  const SLOT = "2026-03-03T02:00:00.000Z";

  test("is retried with a new job, until one has started", async ({ expect }) => {
    const world = await protectedLake();
    expect(await world.tick("2026-03-03T02:00:30Z")).toEqual([`starts ${SLOT}`]);
    await world.endJob("instance/busy");
    expect(await world.tick("2026-03-03T02:01:30Z")).toEqual([`starts ${SLOT}`]);
    await world.endJob("instance/busy");
    expect(await world.tick("2026-03-03T02:02:30Z")).toEqual([`starts ${SLOT}`]);
    await world.beginJob();
    expect(await world.tick("2026-03-03T02:03:30Z")).toEqual(["no slot is due"]);
    expect(world.startedJobs).toEqual([1, 2, 3].map((attempt) => scheduledJobId(INSTANCE, SLOT, attempt)));
    expect(await world.schedule()).not.toHaveProperty("passedOver");
  });

  test("waits until the other has ended", async ({ expect }) => {
    const world = await protectedLake();
    await world.tick("2026-03-03T02:00:30Z");
    await world.endJob("instance/busy");
    const other = { ...world.timer, busyWith: async () => "other" };
    expect(await startDueBackups(other)).toMatchObject([{ start: false, because: "job 'other' is running" }]);
    expect(await world.tick("2026-03-03T05:00:30Z")).toEqual([`starts ${SLOT}`]);
  });

  test("gives way to a newer slot", async ({ expect }) => {
    const world = await protectedLake();
    await world.tick("2026-03-03T02:00:30Z");
    await world.endJob("instance/busy");
    expect(await world.tick("2026-03-04T02:00:30Z")).toEqual(["starts 2026-03-04T02:00:00.000Z"]);
    expect(await world.schedule()).toMatchObject({
      asked: { slot: "2026-03-04T02:00:00.000Z", attempt: 1 },
      passedOver: { count: 1, newest: [{ slot: SLOT, because: NEWER }] },
    });
  });

  test.for([
    ["failed for another reason", "datasource/forbidden"],
    ["was done", undefined],
  ] as const)("is not tried again when it %s", async ([, code], { expect }) => {
    const world = await protectedLake();
    await world.tick("2026-03-03T02:00:30Z");
    await world.endJob(code);
    expect(await world.tick("2026-03-03T02:01:30Z")).toEqual(["no slot is due"]);
    expect(await world.schedule()).toEqual({ vault: KEY, instanceName: ROW, handledUpTo: SLOT });
  });
});

describe("an instance whose protection is suspended", () => {
  const because = "protection was in state 'ProtectionStopped'";

  test("starts nothing, and its slots are skipped as they come", async ({ expect }) => {
    const world = await protectedLake();
    await world.changeInstance({ protectionState: "ProtectionStopped" });
    expect(await world.tick("2026-03-03T02:00:30Z")).toEqual(["it is not protected"]);
    expect(await world.tick("2026-03-03T12:00:30Z")).toEqual(["it is not protected"]);
    expect(await world.tick("2026-03-05T02:00:30Z")).toEqual(["it is not protected"]);
    expect(await world.schedule()).toEqual({
      vault: KEY,
      instanceName: ROW,
      handledUpTo: "2026-03-05T02:00:00.000Z",
      passedOver: {
        count: 3,
        newest: ["03", "04", "05"].map((day) => ({ slot: `2026-03-${day}T02:00:00.000Z`, because })),
      },
    });
    expect(world.startedJobs).toEqual([]);
  });

  test("continues with the next slot after it is resumed", async ({ expect }) => {
    const world = await protectedLake();
    await world.changeInstance({ protectionState: "ProtectionStopped" });
    await world.tick("2026-03-03T02:00:30Z");
    await world.changeInstance({ protectionState: "ProtectionConfigured" });
    expect(await world.tick("2026-03-03T12:00:30Z")).toEqual(["no slot is due"]);
    expect(await world.tick("2026-03-04T02:00:30Z")).toEqual(["starts 2026-03-04T02:00:00.000Z"]);
  });

  test("has no slots up to its resume, even if the app was down", async ({ expect }) => {
    const world = await protectedLake();
    await world.changeInstance({ slotsAfter: "2026-03-05T08:00:00.000Z" });
    expect(await world.tick("2026-03-05T08:00:30Z")).toEqual(["no slot is due"]);
    expect(await world.tick("2026-03-06T02:00:30Z")).toEqual(["starts 2026-03-06T02:00:00.000Z"]);
  });

  test("does not retry the slot whose job was too late before", async ({ expect }) => {
    const world = await protectedLake();
    await world.tick("2026-03-03T02:00:30Z");
    await world.endJob("instance/busy");
    await world.changeInstance({ protectionState: "ProtectionStopped" });
    expect(await world.tick("2026-03-03T02:01:30Z")).toEqual(["it is not protected"]);
    expect(await world.tick("2026-03-03T02:02:30Z")).toEqual(["it is not protected"]);
    await world.changeInstance({ protectionState: "ProtectionConfigured" });
    expect(await world.tick("2026-03-03T02:03:30Z")).toEqual(["no slot is due"]);
    expect((await world.schedule())?.passedOver).toEqual({
      count: 1,
      newest: [{ slot: "2026-03-03T02:00:00.000Z", because }],
    });
  });
});

describe("another schedule", () => {
  const noon = policyBody({ intervals: ["R/2026-01-01T12:00:00+00:00/P1D"] });

  test("of its policy has no slots up to the change", async ({ expect }) => {
    const world = await protectedLake();
    world.now = new Date("2026-03-04T15:00:00Z");
    expect((await world.call("PUT", POLICY_ID, { body: noon })).status).toBe(200);
    expect(await world.tick("2026-03-04T15:00:30Z")).toEqual(["no slot is due"]);
    expect(await world.tick("2026-03-05T12:00:30Z")).toEqual(["starts 2026-03-05T12:00:00.000Z"]);
  });

  test("by another policy has no slots up to the change", async ({ expect }) => {
    const world = await protectedLake();
    const policyId = POLICY_ID.replace("daily", "noon");
    expect((await world.call("PUT", policyId, { body: noon })).status).toBe(200);
    world.now = new Date("2026-03-04T15:00:00Z");
    expect((await world.call("PUT", INSTANCE_ID, { body: instanceBody({ policyId }) })).status).toBe(200);
    expect(await world.tick("2026-03-04T15:00:30Z")).toEqual(["no slot is due"]);
    expect(await world.tick("2026-03-05T12:00:30Z")).toEqual(["starts 2026-03-05T12:00:00.000Z"]);
  });

  test("does not result from a PUT without a change of schedule", async ({ expect }) => {
    const world = await protectedLake();
    world.now = new Date("2026-03-03T02:00:10Z");
    expect((await world.call("PUT", POLICY_ID, { body: policyBody({ keep: "P60D" }) })).status).toBe(200);
    expect((await world.call("PUT", INSTANCE_ID, { body: instanceBody() })).status).toBe(200);
    expect(await world.tick("2026-03-03T02:00:30Z")).toEqual(["starts 2026-03-03T02:00:00.000Z"]);
  });
});

test("the reasons why nothing starts are returned", async ({ expect }) => {
  const world = await protectedLake();
  const [instance] = Object.values(world.tables.instances.dump()[KEY] ?? {});
  if (instance === undefined) throw new Error("no instance");
  const put = (changes: Partial<typeof instance>) => world.tables.instances.put(KEY, ROW, { ...instance, ...changes });
  const now = "2026-03-03T02:00:30Z";

  await put({ protectionState: "ConfiguringProtection" });
  expect(await world.tick(now)).toEqual(["it is not protected yet"]);
  await put({ policyName: "gone" });
  expect(await world.tick(now)).toEqual(["policy 'gone' was not found"]);
  await world.tables.instances.remove(KEY, ROW);
  expect(await world.tick(now)).toEqual(["the instance was not found"]);
  await put({});
  const { backupRule, ...withoutSchedule } =
    (await world.tables.policies.get(KEY, "daily"))?.value ?? Object.create(null);
  expect(backupRule).toBeDefined();
  await world.tables.policies.put(KEY, "daily", withoutSchedule);
  expect(await world.tick(now)).toEqual(["its policy has no schedule"]);
  expect(world.startedJobs).toEqual([]);
});

test("an instance that fails does not block the others", async ({ expect }) => {
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

test("many instances are checked side by side, up to a limit", async ({ expect }) => {
  const world = await protectedLake();
  const count = 60;
  for (let n = 0; n < count; n++) {
    await world.tables.schedules.put("all", `vault|i${n}`, { vault: "vault", instanceName: `i${n}` });
  }
  const { instances } = world.timer;
  let atOnce = 0;
  let most = 0;
  const get: typeof instances.get = async (vault, name) => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    await new Promise((resolve) => setImmediate(resolve));
    atOnce -= 1;
    return instances.get(vault, name);
  };
  const outcomes = await startDueBackups({
    ...world.timer,
    instances: Object.assign(Object.create(instances), { get }),
  });
  expect(outcomes).toHaveLength(count + 1);
  expect(most).toBe(16);
});

test("instances of all vaults are checked, each with its own policy", async ({ expect }) => {
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
  expect(outcomes.sort()).toEqual(["no slot is due", "starts 2026-03-03T02:00:00.000Z"]);
});

test("a PUT of the instance keeps the handled slot", async ({ expect }) => {
  const world = await protectedLake();
  await world.tick("2026-03-03T02:00:30Z");
  expect((await world.call("PUT", INSTANCE_ID, { body: instanceBody({ containers: ["raw"] }) })).status).toBe(200);
  expect(await world.schedule()).toMatchObject({ handledUpTo: "2026-03-03T02:00:00.000Z" });
  await world.beginJob();
  expect(await world.tick("2026-03-03T02:02:30Z")).toEqual(["no slot is due"]);
});

test("a recreated instance ignores what the earlier one left", async ({ expect }) => {
  const world = await protectedLake();
  await world.tick("2026-03-03T02:00:30Z");
  await world.endJob("instance/busy");
  await world.tables.instances.remove(KEY, ROW);
  world.now = new Date("2026-03-03T09:00:00Z");
  expect((await world.call("PUT", INSTANCE_ID, { body: instanceBody() })).status).toBe(201);
  expect(await world.schedule()).toEqual({ vault: KEY, instanceName: ROW });
  expect(await world.tick("2026-03-03T09:00:30Z")).toEqual(["no slot is due"]);
});

test("wherever a tick crashes, after the next one the slot has run once", async ({ expect }) => {
  const died = await crashPoints(
    protectedLake,
    async (world) => {
      await world.tick("2026-03-03T02:00:30Z");
    },
    async (world, where) => {
      await world.tick("2026-03-03T02:05:30Z");
      await world.keepGoing();
      expect(world.startedJobs, where).toEqual([scheduledJobId(INSTANCE, "2026-03-03T02:00:00.000Z")]);
      expect((await world.schedule())?.handledUpTo, where).toBe("2026-03-03T02:00:00.000Z");
      await world.beginJob();
      expect(await world.tick("2026-03-03T02:10:30Z"), where).toEqual(["no slot is due"]);
    },
  );
  expect(died.length).toBeGreaterThan(15);
});

test("a slot that was requested when a tick crashed runs before a newer one, and is not reported as skipped", async ({
  expect,
}) => {
  const died = await crashPoints(
    protectedLake,
    async (world) => {
      await world.tick("2026-03-03T02:00:30Z");
    },
    async (world, where) => {
      const wasAsked = (await world.schedule())?.asked !== undefined;
      await world.tick("2026-03-04T02:00:30Z");
      await world.keepGoing();
      if (wasAsked) {
        await world.endJob();
        await world.tick("2026-03-04T02:01:30Z");
      }
      const slots = [...(wasAsked ? ["2026-03-03T02:00:00.000Z"] : []), "2026-03-04T02:00:00.000Z"];
      expect(world.startedJobs, where).toEqual(slots.map((slot) => scheduledJobId(INSTANCE, slot)));
      expect((await world.schedule())?.passedOver?.count ?? 0, where).toBe(wasAsked ? 0 : 1);
    },
  );
  expect(died.length).toBeGreaterThan(15);
});

type Event =
  | { readonly kind: "tick" | "two ticks" | "begin" | "end" | "crowd out" | "pause" | "resume" }
  | { readonly kind: "dying tick"; readonly moment: number };

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom("tick" as const, "two ticks" as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("dying tick" as const), moment: fc.nat(20) }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom("begin" as const, "end" as const, "crowd out" as const) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("pause" as const, "resume" as const) }) },
);

test("whatever happens, each slot is backed up once, skipped once, or still due", async ({ expect }) => {
  const seen = { backedUp: 0, again: 0, passedOver: 0, stillDue: 0 };
  const step = fc.record({ event, hours: fc.integer({ min: 0, max: 40 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 30 }), async (steps) => {
      const world = await protectedLake();
      const made = world.now.getTime();
      let now = made;
      for (const { event, hours } of steps) {
        now += hours * 3_600_000;
        await world.meet(event, new Date(now));
      }

      const jobs = await Promise.all(world.startedJobs.map((id) => world.tables.jobs.get(KEY, id)));
      const requests = jobs.map((job) => job?.value).filter((job) => job !== undefined);
      const crowdedOut = requests.filter((job) => job.failure?.code === "instance/busy");
      const backedUp = requests
        .filter((job) => !crowdedOut.includes(job))
        .map((job) => (job.request.kind === "backup" ? job.request.slot : ""));
      const { handledUpTo, asked, passedOver = { count: 0, newest: [] } } = (await world.schedule()) ?? {};
      expect(passedOver.newest).toHaveLength(passedOver.count);

      const slots: string[] = [];
      for (let slot = Date.parse("2026-03-03T02:00:00Z"); slot <= now; slot += 86_400_000)
        slots.push(new Date(slot).toISOString());
      const isDue = (slot: string): boolean => handledUpTo === undefined || slot > handledUpTo;
      const stillDue = slots.filter((slot) => isDue(slot) || (slot === asked?.slot && !backedUp.includes(slot)));
      const handled = [...backedUp, ...passedOver.newest.map(({ slot }) => slot), ...stillDue];
      expect(handled.toSorted()).toEqual(slots);
      seen.backedUp += backedUp.length;
      seen.again += crowdedOut.length;
      seen.passedOver += passedOver.count;
      seen.stillDue += stillDue.length;
    }),
    { numRuns: 100 },
  );
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(50);
});
