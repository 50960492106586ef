import fc from "fast-check";
import { describe, test } from "vitest";
import { crashPoints } from "../../test/support/crash-points.ts";
import { Crash } from "../../test/support/crash-switch.ts";
import { changeInstance, dailyLake, keepFor, VAULT_ID } from "../../test/support/daily-lake.ts";
import { MemoryLake, VAULT } from "../../test/support/memory-lake.ts";
import type { Alert } from "../alerts/alert.ts";
import { DAY_MS } from "../foundation/durations.ts";
import { cancelJob } from "../jobs/cancel-job.ts";
import { purgeRecoveryPoint } from "../purge/purge-recovery-point.ts";
import { beginRestoreActivity } from "../restore/begin-restore.ts";
import { purgePath, sealPath } from "../vault/names.ts";
import { finishPurgesActivity, purgeExpiredActivity } from "./purge-expired.ts";

const INSTANCE = "1".repeat(32);

function sealed(lake: MemoryLake, points: readonly string[]): number[] {
  return points.flatMap((id, day) => (lake.vault.files.has(sealPath(id)) ? [day] : []));
}

async function noop(): Promise<void> {}

test("an execution that was taken over deletes nothing more", async ({ expect }) => {
  const { lake, points } = await dailyLake(10);
  const ref = await lake.requestJob("one", { kind: "retention" });
  let isStopped = false;
  const slow: MemoryLake["deps"] = {
    ...lake.deps,
    vault: () => ({
      ...lake.deps.vault(),
      read: lake.vault.read.bind(lake.vault),
      create: async (path, content, options) => {
        const written = await lake.vault.create(path, content, options);
        // It stops after its first journal, and the job's next execution does everything.
        if (!isStopped) {
          isStopped = true;
          await purgeExpiredActivity(lake.deps, ref);
          expect(sealed(lake, points)).toHaveLength(6);
          // From here on it must not delete a new point.
          await lake.vault.create(sealPath(points[0] ?? ""), new Uint8Array(), { contentType: "application/json" });
        }
        return written;
      },
      list: lake.vault.list.bind(lake.vault),
      remove: lake.vault.remove.bind(lake.vault),
    }),
  };
  await expect(purgeExpiredActivity(slow, ref)).rejects.toMatchObject({ code: "storage/conflict" });
  expect(sealed(lake, points)).toContain(0);
});

test("expired points are purged with their rows, all others are kept", async ({ expect }) => {
  const { lake, points } = await dailyLake(10);
  expect(await lake.retain("one")).toBe("Completed");
  expect(sealed(lake, points)).toEqual([4, 5, 6, 7, 8, 9]);
  expect(lake.recoveryPoints.size).toBe(sealed(lake, points).length);
  expect((await lake.job("one")).counts).toMatchObject({ recoveryPointsPurged: 4, objectsRemoved: 4 });
  for (const day of sealed(lake, points)) {
    lake.target.containers.clear();
    expect(await lake.restore(`restore-${day}`, points[day] ?? "")).toBe("Completed");
    expect(lake.target.container("raw").get("daily")?.content).toBe(`of day ${day}`);
  }
});

test("the newest point is kept when all have expired, and all are kept when protection is stopped", async ({
  expect,
}) => {
  const { lake, points } = await dailyLake(5);
  lake.pass(100 * DAY_MS);
  await changeInstance(lake, { protectionState: "ProtectionStopped" });
  await lake.retain("stopped");
  expect(sealed(lake, points)).toEqual([0, 1, 2, 3, 4]);
  await changeInstance(lake, { protectionState: "BackupSchedulesSuspended" });
  await lake.retain("suspended");
  expect(sealed(lake, points)).toEqual([4]);
});

test("a longer policy counts for existing points", async ({ expect }) => {
  const { lake, points } = await dailyLake(10);
  await keepFor(lake, "P1Y");
  await lake.retain("longer");
  expect(sealed(lake, points)).toHaveLength(10);
  await keepFor(lake, "P2D");
  await lake.retain("shorter");
  expect(sealed(lake, points)).toEqual([9]);
});

test("a shorter policy shortens nothing in an immutable or unknown vault", async ({ expect }) => {
  const { lake, points } = await dailyLake(6);
  const vault = (await lake.vaults.get("s", "g|v"))?.value;
  if (vault === undefined) throw new Error("no vault");
  await keepFor(lake, "P1D");
  const immutable = { securitySettings: { immutabilitySettings: { state: "Unlocked" } } };
  await lake.vaults.put("s", "g|v", { ...vault, properties: immutable });
  await lake.retain("immutable");
  expect(sealed(lake, points)).toHaveLength(6);
  await lake.vaults.remove("s", "g|v");
  await lake.retain("unknown");
  expect(sealed(lake, points)).toHaveLength(6);
  await lake.vaults.put("s", "g|v", vault);
  await lake.retain("free");
  expect(sealed(lake, points)).toEqual([5]);
});

test("a deleted instance is kept until its retention has ended; then nothing of it is left", async ({ expect }) => {
  const { lake, points } = await dailyLake(3);
  await lake.schedules.put("all", `${VAULT}|lake`, { vault: VAULT, instanceName: "lake" });
  await lake.scrubs.put(INSTANCE, "round", {});
  await lake.alerts.put(VAULT, `${INSTANCE}|scrub.objects-missing|x`, {} as Alert);
  // What a failed attempt copied is deleted with it.
  const failed = await lake.requestBackup("failed");
  lake.source.write("raw", "daily", "of an attempt");
  await lake.deliverAll(await lake.beginBackup(failed));
  await lake.jobs.put(VAULT, "failed", { ...(await lake.job("failed")), status: "Failed" });
  const now = lake.deps.clock().getTime();
  await changeInstance(lake, {
    protectionState: "SoftDeleted",
    deletion: {
      deletedAt: new Date(now).toISOString(),
      purgeAt: new Date(now + 14 * DAY_MS).toISOString(),
      activity: "a",
    },
  });
  lake.pass(14 * DAY_MS);
  await lake.retain("early");
  expect(sealed(lake, points)).toEqual([0, 1, 2]);
  lake.pass(2 * 3_600_000);
  await lake.retain("late");
  expect([...lake.vault.files.keys()]).toEqual([]);
  const { instances, recoveryPoints, attempts, schedules, pins, locks, scrubs, alerts } = lake;
  for (const table of [instances, recoveryPoints, attempts, schedules, pins, locks, scrubs, alerts]) {
    expect(table.size).toBe(0);
  }
});

test("a deleted instance for which a point was sealed meanwhile is not removed", async ({ expect }) => {
  const { lake, points } = await dailyLake(1);
  const [point = ""] = points;
  const now = lake.deps.clock().getTime();
  const purgeAt = new Date(now - DAY_MS).toISOString();
  await changeInstance(lake, {
    protectionState: "SoftDeleted",
    deletion: { deletedAt: new Date(now - 15 * DAY_MS).toISOString(), purgeAt, activity: "a" },
  });
  const seal = lake.vault.files.get(sealPath(point));
  if (seal === undefined) throw new Error("nothing was sealed");
  const { deps } = lake;
  let looks = 0;
  const instances: typeof deps.instances = {
    ...deps.instances,
    get: async (partition, row) => {
      // The second read is the one before the removal.
      if (++looks === 2) lake.vault.files.set(sealPath("late"), seal);
      return lake.instances.get(partition, row);
    },
  };
  const ref = await lake.requestJob("late", { kind: "retention" });
  expect(await purgeExpiredActivity({ ...deps, instances }, ref)).toEqual({ done: true });
  expect(looks).toBe(2);
  expect(await lake.instances.get(VAULT, "lake")).toBeDefined();
  expect([...lake.vault.files.keys()]).toEqual([sealPath("late")]);
});

test("an instance that is undeleted before its removal is kept", async ({ expect }) => {
  const { lake } = await dailyLake(1);
  const now = lake.deps.clock().getTime();
  const purgeAt = new Date(now - DAY_MS).toISOString();
  const deletion = { deletedAt: new Date(now - 15 * DAY_MS).toISOString(), purgeAt, activity: "a" };
  await changeInstance(lake, { protectionState: "SoftDeleted", deletion });
  const { deps } = lake;
  let looks = 0;
  const instances: typeof deps.instances = {
    ...deps.instances,
    get: async (partition, row) => {
      const stored = await lake.instances.get(partition, row);
      if (++looks !== 2 || stored === undefined) return stored;
      const { deletion: _, ...value } = stored.value;
      return { ...stored, value: { ...value, protectionState: "ProtectionStopped" } };
    },
  };
  const ref = await lake.requestJob("late", { kind: "retention" });
  expect(await purgeExpiredActivity({ ...deps, instances }, ref)).toEqual({ done: true });
  expect(looks).toBe(2);
  expect(await lake.instances.get(VAULT, "lake")).toBeDefined();
});

test("with hardly any time, many executions have the same result", async ({ expect }) => {
  // No execution has time for a whole point.
  const { lake, points } = await dailyLake(10, { tickMs: 100_000 });
  lake.pass(100 * DAY_MS);
  await lake.retain("one");
  expect(sealed(lake, points)).toEqual([9]);
  expect((await lake.job("one")).counts).toMatchObject({ recoveryPointsPurged: 9 });
  expect([...lake.vault.files.keys()].filter((path) => path.startsWith("purges/"))).toEqual([]);
});

test("a point that takes longer than one execution is purged in several, before the next point", async ({ expect }) => {
  const lake = new MemoryLake({
    tickMs: 100_000,
    settings: { segmentSizes: { usual: 2, largest: 4, small: 1 } },
  });
  await lake.protect();
  await keepFor(lake, "P7D");
  await changeInstance(lake, { vaultArmId: VAULT_ID });
  await lake.vaults.put("s", "g|v", { armId: VAULT_ID, name: "v", location: "x", properties: {}, createdAt: "" });
  lake.source.createContainer("raw");
  const points: string[] = [];
  for (let day = 0; day < 3; day++) {
    for (let n = 0; n < 20; n++) lake.source.write("raw", `blob ${n}`, `of day ${day}`);
    points.push(await lake.backup(`backup-${day}`));
  }
  lake.pass(100 * DAY_MS);
  const ref = await lake.requestJob("one", { kind: "retention" });
  await finishPurgesActivity(lake.deps, ref);
  let executions = 0;
  let end = await purgeExpiredActivity(lake.deps, ref);
  for (; !end.done; executions++) {
    end = await purgeExpiredActivity(lake.deps, { ...ref, ...(end.from === undefined ? {} : { from: end.from }) });
  }
  expect(executions).toBeGreaterThan(4);
  expect(sealed(lake, points)).toEqual([2]);
  const paths = [...lake.vault.files.keys()];
  expect(paths.filter((path) => path.startsWith("purges/"))).toEqual([]);
  expect(paths.filter((path) => path.startsWith("data/"))).toHaveLength(20);
  expect((await lake.job("one")).counts).toMatchObject({ recoveryPointsPurged: 2, objectsRemoved: 40 });
});

test("wherever it crashes, the next execution finishes it", async ({ expect }) => {
  const files = ({ vault }: MemoryLake): string[] => [...vault.files.keys()].sort();
  const { lake: calm } = await dailyLake(9);
  await calm.retain("one");
  const died = await crashPoints(
    async () => (await dailyLake(9)).lake,
    (lake) => lake.retain("one"),
    async (lake, where) => {
      await lake.jobs.put(VAULT, "one", { ...(await lake.job("one")), status: "Failed" });
      await lake.retain("two");
      expect(files(lake), where).toEqual(files(calm));
      expect(lake.recoveryPoints.size, where).toBe(calm.recoveryPoints.size);
      expect(lake.locks.size, where).toBe(0);
    },
    3,
  );
  expect(died.length).toBeGreaterThan(40);
});

test("the next backup first finishes a crashed purge", async ({ expect }) => {
  const journals = ({ vault }: MemoryLake) => [...vault.files.keys()].filter((path) => path.startsWith("purges/"));
  let left = 0;
  for (let moment = 20; left < 12; moment += 3) {
    const { lake } = await dailyLake(9);
    lake.crash.arm(moment);
    const died = await lake.retain("one").catch((error: unknown) => error);
    if (!(died instanceof Crash)) throw new Error(`it does not die at moment ${moment}`);
    if (journals(lake).length === 0) continue;
    left += 1;
    await lake.jobs.put(VAULT, "one", { ...(await lake.job("one")), status: "Failed" });
    const backup = await lake.requestBackup("next");
    expect(await finishPurgesActivity(lake.deps, backup)).toEqual({ done: true });
    expect(journals(lake)).toEqual([]);
    await lake.deliverAll(await lake.beginBackup(backup));
    expect(await lake.seal(backup)).toBe("Completed");
  }
  expect.assertions(12 * 3);
});

test("a cancelled retention purges no further point", async ({ expect }) => {
  const { lake, points } = await dailyLake(10);
  const ref = await lake.requestJob("one", { kind: "retention" });
  await cancelJob(
    {
      jobs: lake.jobs,
      orchestrations: { startOnce: noop, raise: noop, terminate: noop, state: async () => undefined },
    },
    ref,
  );
  expect(await purgeExpiredActivity(lake.deps, ref)).toEqual({ done: true });
  expect(sealed(lake, points)).toHaveLength(10);
});

test("a retention and a backup never run at the same time", async ({ expect }) => {
  const { lake } = await dailyLake(10);
  const backup = await lake.requestBackup("at-work");
  await lake.beginBackup(backup);
  expect(await lake.retain("one")).toBe("Failed");
  expect((await lake.job("one")).failure).toMatchObject({ code: "instance/busy" });
});

describe("pins", () => {
  test("a point that a restore reads is kept until the restore has ended", async ({ expect }) => {
    const { lake, points } = await dailyLake(10);
    const restore = await lake.requestRestore("restore", points[0] ?? "");
    const segments = await lake.beginRestore(restore);
    await lake.retain("one");
    expect(sealed(lake, points)).toContain(0);
    expect(sealed(lake, points)).not.toContain(1);
    await lake.restoreSegments(segments);
    expect(await lake.endRestore(restore)).toBe("Completed");
    expect(lake.pins.size).toBe(0);
    await lake.retain("two");
    expect(sealed(lake, points)).not.toContain(0);
  });

  test("a point whose purge has started is not restored", async ({ expect }) => {
    const { lake, points } = await dailyLake(2);
    const [point = ""] = points;
    await lake.vault.create(purgePath(point), new Uint8Array(), { contentType: "application/json" });
    const restore = await lake.requestRestore("restore", point);
    await expect(beginRestoreActivity(lake.deps, restore)).rejects.toMatchObject({ code: "recovery-point/not-found" });
    expect(lake.target.containers.size).toBe(0);
  });

  test("in whatever order their steps run, a point is never both read and purged", async ({ expect }) => {
    const ends = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.nat(25), async (scheduler, head) => {
        const { lake, points } = await dailyLake(3);
        const [point = ""] = points;
        const ref = await lake.requestRestore("restore", point);
        const stepped = <T extends object>(port: T): T =>
          new Proxy(port, {
            get: (target, property) => {
              const member: unknown = Reflect.get(target, property, target);
              if (typeof member !== "function" || property === "list") return member;
              return (...args: unknown[]) =>
                scheduler.schedule(Promise.resolve(String(property))).then(() => member.apply(target, args));
            },
          });
        const vault = stepped(lake.vault);
        const reading = async (): Promise<string> => {
          for (let step = 0; step < head; step++) await scheduler.schedule(Promise.resolve("waits"));
          return beginRestoreActivity({ ...lake.deps, pins: stepped(lake.pins), vault: () => vault }, ref).then(
            () => "reads",
            (error: { code?: string }) => error.code ?? "failed",
          );
        };
        const restore = reading();
        const purge = purgeRecoveryPoint(
          {
            instance: INSTANCE,
            vault,
            manifests: lake.deps.manifests,
            rows: {
              hasDebris: async () => false,
              isPinned: async (id) => {
                await scheduler.schedule(Promise.resolve("isPinned"));
                return (await lake.pins.list(INSTANCE, { prefix: id })).records.length > 0;
              },
              remove: async () => undefined,
            },
          },
          point,
        ).then(({ state }) => state);
        await scheduler.waitFor(Promise.all([restore, purge]));
        const end = `${await restore} ${await purge}`;
        ends.set(end, (ends.get(end) ?? 0) + 1);
        expect(end).not.toBe("reads done");
        expect(lake.vault.files.has(sealPath(point))).toBe((await purge) === "pinned");
      }),
      { numRuns: 200 },
    );
    expect([...ends.keys()].sort()).toEqual(expect.arrayContaining(["reads pinned", "recovery-point/not-found done"]));
  });
});

test("rows of a deleted instance for which time runs out are deleted by the next execution", async ({ expect }) => {
  const { lake } = await dailyLake(1, { tickMs: 1 });
  const now = lake.deps.clock().getTime();
  const purgeAt = new Date(now - DAY_MS).toISOString();
  await changeInstance(lake, {
    protectionState: "SoftDeleted",
    deletion: { deletedAt: new Date(now - 15 * DAY_MS).toISOString(), purgeAt, activity: "a" },
  });
  const { deps } = lake;
  const alerts = Array.from({ length: 50 }, (_, n) => `${"1".repeat(32)}|${n}`);
  const alert = {
    kind: "k",
    severity: "warning",
    instance: "i",
    instanceName: "lake",
    subject: "s",
    message: "m",
  } as const;
  const seen = { raisedAt: purgeAt, lastSeenAt: purgeAt, details: { counts: {}, names: [] } };
  for (const row of alerts) await lake.alerts.put(VAULT, row, { ...alert, ...seen });
  const ref = await lake.requestJob("slow", { kind: "retention" });
  const removeNow = lake.alerts.remove.bind(lake.alerts);
  lake.alerts.remove = (partition, row, etag) => {
    lake.pass(100_000);
    return removeNow(partition, row, etag);
  };
  let executions = 1;
  for (let end = await purgeExpiredActivity(deps, ref); !end.done; executions++) {
    expect(await lake.instances.get(VAULT, "lake")).toBeDefined();
    end = await purgeExpiredActivity(deps, { ...ref, ...(end.from === undefined ? {} : { from: end.from }) });
  }
  expect(executions).toBeGreaterThan(10);
  expect(lake.alerts.size).toBe(0);
  expect(await lake.instances.get(VAULT, "lake")).toBeUndefined();
});
