/**
 * @module
 * Whatever is lost on the way, a job comes to its end. Time is moved, so that minutes of standing still pass at once.
 */
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, test } from "vitest";
import { GIVEN_URL } from "./support/estate.ts";
import { MovedEstate, restoresWhole } from "./support/moved-estate.ts";

let moved: MovedEstate;

beforeAll(async () => {
  if (GIVEN_URL === undefined) moved = await MovedEstate.open();
});
afterAll(() => moved?.close());

/** So many that a job is at work for a second. */
const BLOBS = 120;

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
  await moved.estate.killAndRestart?.(async () => {
    for (const name of QUEUES) {
      const queue = moved.estate.queues.getQueueClient(name);
      if (!(await queue.exists())) continue;
      lost += (await queue.getProperties()).approximateMessagesCount ?? 0;
      await queue.clearMessages();
    }
  });
  return lost;
}

describe.skipIf(GIVEN_URL !== undefined)("a job comes to its end", () => {
  test("when a backup loses all of its messages, at whatever stage", { timeout: 180_000 }, async ({ expect }) => {
    const lake = await moved.protectedLake(BLOBS);
    let lost = 0;
    for (const afterMs of [100, 900]) {
      const job = await lake.startBackup();
      lost += await loseAll(afterMs);
      expect(await moved.end(lake, job), `after ${afterMs} ms`).toMatch(/^Completed/);
      // So that the next one copies everything, too.
      await lake.fill(BLOBS);
    }
    expect(lost).toBeGreaterThan(0);
    await restoresWhole(lake, expect);
  });

  test("when a restore loses all of its messages, at whatever stage", { timeout: 180_000 }, async ({ expect }) => {
    const lake = await moved.protectedLake(BLOBS);
    await lake.wait(await lake.startBackup());
    const [point = ""] = await lake.recoveryPoints();
    let lost = 0;
    for (const afterMs of [300]) {
      const job = await lake.startRestore(point);
      lost += await loseAll(afterMs);
      expect(await moved.end(lake, job), `after ${afterMs} ms`).toBe("Completed");
      expect(await lake.state("restored")).toEqual(await lake.state("prodlake"));
      await lake.emptyTarget();
    }
    expect(lost).toBeGreaterThan(0);
  });

  test("when its worker is frozen for a quarter of an hour, and then goes on beside the next one", {
    timeout: 120_000,
  }, async ({ expect }) => {
    const lake = await moved.protectedLake(BLOBS);
    const job = await lake.startBackup();
    await setTimeout(700);
    moved.estate.freeze?.(true);
    const leapt = moved.leap(15);
    await setTimeout(500);
    moved.estate.freeze?.(false);
    await leapt;
    await moved.pass(3);
    expect(await moved.end(lake, job)).toBe("Completed");
    await restoresWhole(lake, expect);
  });

  test("when the app's tables are away for ten minutes", { timeout: 120_000 }, async ({ expect }) => {
    const lake = await moved.protectedLake(BLOBS);
    const job = await lake.startBackup();
    await setTimeout(500);
    moved.tables.fault = () => "reset";
    const leapt = moved.leap(10);
    await setTimeout(3_000);
    moved.tables.fault = () => undefined;
    await leapt;
    expect(moved.tables.faults.get("reset")).toBeGreaterThan(0);
    expect(await moved.end(lake, job)).toBe("Completed");
    await restoresWhole(lake, expect);
  });

  test("when the host is stopped for a deployment in the middle of its copies", { timeout: 120_000 }, async ({
    expect,
  }) => {
    const lake = await moved.protectedLake(BLOBS);
    const job = await lake.startBackup();
    await setTimeout(700);
    await moved.estate.stopAndRestart?.();
    expect(await moved.end(lake, job)).toBe("Completed");
    await restoresWhole(lake, expect);
  });
});
