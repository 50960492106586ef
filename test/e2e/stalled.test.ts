/**
 * @module
 * Whatever is lost on the way, a job comes to its end. Time is moved, so that minutes of standing still pass at once. The host
 * polls and leases as in Azure: what a dead worker has leased comes back after ten minutes.
 */
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, test } from "vitest";
import { type MovableTime, openMovableTime } from "../../local/testing/movable-time.ts";
import { type FaultyProxy, startFaultyProxy } from "../support/faulty-proxy.ts";
import { type Estate, GIVEN_URL, openEstate } from "./support/estate.ts";
import { Scenario } from "./support/scenario.ts";

const MINUTE_MS = 60_000;

let time: MovableTime;
let estate: Estate;
/** Between the app and its tables; the host has its own way to them. */
let tables: FaultyProxy;
/** Where the clock stands. */
let now = Date.parse("2026-03-02T10:00:30.000Z");

beforeAll(async () => {
  if (GIVEN_URL !== undefined) return;
  time = await openMovableTime(new Date(now));
  estate = await openEstate(
    async (azurite) => {
      const { connectionString, tableEndpoint } = azurite.account("vaultstate");
      tables = await startFaultyProxy(new URL(tableEndpoint).origin);
      return { VaultState: connectionString.replace(new URL(tableEndpoint).origin, tables.origin) };
    },
    time,
    ["--production"],
  );
});

afterAll(async () => {
  await estate?.close();
  await tables?.stop();
  await time?.close();
});

/** Moves the clock on, past one tick of the scheduler a minute. */
async function pass(minutes: number): Promise<void> {
  for (let minute = 0; minute < minutes; minute++) {
    now = Math.max(now, time.now().getTime()) + MINUTE_MS;
    await time.moveTo(new Date(now));
  }
}

const QUEUES = ["container-plans", "container-copy", "marker-checks", "container-restore-plans", "container-restore"];

/**
 * Lets host and app die after a while, takes all messages out of all queues, those too that somebody has leased, and starts
 * host and app again.
 *
 * @returns how many messages were lost
 */
async function loseAll(afterMs: number): Promise<number> {
  await setTimeout(afterMs);
  let lost = 0;
  await estate.killAndRestart?.(async () => {
    for (const name of QUEUES) {
      const queue = estate.queues.getQueueClient(name);
      if (!(await queue.exists())) continue;
      lost += (await queue.getProperties()).approximateMessagesCount ?? 0;
      await queue.clearMessages();
    }
  });
  return lost;
}

/** Messages of a queue that somebody works on, or that a dead worker has left. */
async function leasedMessages(name: string): Promise<number> {
  const queue = estate.queues.getQueueClient(name);
  if (!(await queue.exists())) return 0;
  const { approximateMessagesCount = 0 } = await queue.getProperties();
  // Those that can be seen are nobody's.
  const { peekedMessageItems } = await queue.peekMessages({ numberOfMessages: 32 });
  return approximateMessagesCount - peekedMessageItems.length;
}

/** Waits for the end of a job, while the minutes go by. */
async function end(lake: Scenario, job: string): Promise<string> {
  for (let minute = 0; minute < 12; minute++) {
    const { properties } = (await lake.get(job)).body as { properties: { status: string } };
    if (properties.status !== "InProgress") return properties.status;
    await pass(1);
    await setTimeout(1_500);
  }
  return (await lake.wait(job)).properties.status;
}

describe.skipIf(GIVEN_URL !== undefined)("a job comes to its end", () => {
  test("when a backup loses all of its messages, at whatever stage", { timeout: 180_000 }, async ({ expect }) => {
    const lake = await protectedLake(300);
    let lost = 0;
    for (const afterMs of [100, 900]) {
      const job = await lake.startBackup();
      lost += await loseAll(afterMs);
      expect(await end(lake, job), `after ${afterMs} ms`).toMatch(/^Completed/);
      // So that the next one copies everything, too.
      await lake.fill(300);
    }
    expect(lost).toBeGreaterThan(0);
    await restoresWhole(lake, expect);
  });

  test("when a restore loses all of its messages, at whatever stage", { timeout: 180_000 }, async ({ expect }) => {
    const lake = await protectedLake(300);
    await lake.wait(await lake.startBackup());
    const [point = ""] = await lake.recoveryPoints();
    let lost = 0;
    for (const afterMs of [300]) {
      const job = await lake.startRestore(point);
      lost += await loseAll(afterMs);
      expect(await end(lake, job), `after ${afterMs} ms`).toBe("Completed");
      expect(await lake.state("restored")).toEqual(await lake.state("prodlake"));
      await lake.emptyTarget();
    }
    expect(lost).toBeGreaterThan(0);
  });

  test("long before the messages come back that its dead worker has leased for ten minutes", {
    timeout: 120_000,
  }, async ({ expect }) => {
    const lake = await protectedLake(300);
    const job = await lake.startBackup();
    await expect.poll(() => leasedMessages("container-copy"), { timeout: 30_000, interval: 20 }).toBeGreaterThan(0);
    let leased = 0;
    await estate.killAndRestart?.(async () => {
      leased = await leasedMessages("container-copy");
    });
    expect(leased).toBeGreaterThan(0);
    const diedAt = time.now().getTime();
    // It died before its job was looked at for the first time: one look begins the watch, and one sees how far the job is.
    for (let minute = 0; minute < 3; minute++) {
      await pass(1);
      await setTimeout(1_500);
    }
    expect((await lake.wait(job)).properties.status).toBe("Completed");
    // The messages of the dead worker cannot have come back.
    expect(time.now().getTime() - diedAt).toBeLessThan(5 * MINUTE_MS);
    await restoresWhole(lake, expect);
  });

  test("when its worker is frozen for a quarter of an hour, and then goes on beside the next one", {
    timeout: 120_000,
  }, async ({ expect }) => {
    const lake = await protectedLake(300);
    const job = await lake.startBackup();
    await setTimeout(700);
    estate.freeze?.(true);
    now = Math.max(now, time.now().getTime()) + 15 * MINUTE_MS;
    const moved = time.moveTo(new Date(now));
    await setTimeout(500);
    estate.freeze?.(false);
    await moved;
    await pass(3);
    expect(await end(lake, job)).toBe("Completed");
    await restoresWhole(lake, expect);
  });

  test("when the app's tables are away for ten minutes", { timeout: 120_000 }, async ({ expect }) => {
    const lake = await protectedLake(300);
    const job = await lake.startBackup();
    await setTimeout(500);
    tables.fault = () => "reset";
    now = Math.max(now, time.now().getTime()) + 10 * MINUTE_MS;
    const moved = time.moveTo(new Date(now));
    await setTimeout(3_000);
    tables.fault = () => undefined;
    await moved;
    expect(tables.faults.get("reset")).toBeGreaterThan(0);
    expect(await end(lake, job)).toBe("Completed");
    await restoresWhole(lake, expect);
  });

  test("when the host is stopped for a deployment in the middle of its copies", { timeout: 120_000 }, async ({
    expect,
  }) => {
    const lake = await protectedLake(300);
    const job = await lake.startBackup();
    await setTimeout(700);
    await estate.stopAndRestart?.();
    expect(await end(lake, job)).toBe("Completed");
    await restoresWhole(lake, expect);
  });
});

async function protectedLake(blobs: number): Promise<Scenario> {
  const lake = new Scenario(estate, ["raw"]);
  await lake.createContainers();
  await lake.fill(blobs);
  await lake.protect();
  return lake;
}

async function restoresWhole(lake: Scenario, expect: import("vitest").ExpectStatic): Promise<void> {
  const wanted = await lake.state("prodlake");
  const [point = ""] = await lake.recoveryPoints();
  expect((await lake.wait(await lake.startRestore(point))).properties.status).toBe("Completed");
  expect(await lake.state("restored")).toEqual(wanted);
}
