/**
 * @module
 * Whatever is lost on the way, a job comes to its end. Time is moved, so that minutes of standing still pass at once.
 */
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, test } from "vitest";
import { GIVEN_URL } from "./support/estate.ts";
import { MovedEstate, restoresWhole } from "./support/moved-estate.ts";
import type { Scenario } from "./support/scenario.ts";

let moved: MovedEstate;

beforeAll(async () => {
  if (GIVEN_URL === undefined) moved = await MovedEstate.open();
});
afterAll(() => moved?.close());

/** So many that a job is at work for a second. */
const BLOBS = 120;

const QUEUES = ["container-plans", "container-copy", "marker-checks", "container-restore-plans", "container-restore"];

async function countBlobs(account: "vault" | "restored", prefix = ""): Promise<number> {
  const blobs = moved.estate.blobs(account);
  let count = 0;
  for await (const { name } of blobs.listContainers()) {
    for await (const _ of blobs.getContainerClient(name).listBlobsFlat({ prefix })) count += 1;
  }
  return count;
}

/** Starts a backup and waits until some of its objects are in the vault. @returns the job */
async function startCopying(lake: Scenario): Promise<string> {
  const before = await countBlobs("vault", "data/");
  const job = await lake.startBackup();
  await until(async () => (await countBlobs("vault", "data/")) >= before + 20);
  return job;
}

/** Waits until a queue holds a message, leased or not. */
async function queued(): Promise<void> {
  await until(async () => (await countMessages()) > 0);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await setTimeout(20);
}

async function countMessages(): Promise<number> {
  let count = 0;
  for (const name of QUEUES) {
    const queue = moved.estate.queues.getQueueClient(name);
    if (await queue.exists()) count += (await queue.getProperties()).approximateMessagesCount ?? 0;
  }
  return count;
}

/**
 * Kills host and app, deletes all messages of all queues, leased ones too, and starts host and app again.
 *
 * @returns how many messages were lost
 */
async function loseAll(): Promise<number> {
  let lost = 0;
  await moved.estate.killAndRestart?.(async () => {
    lost = await countMessages();
    for (const name of QUEUES) await moved.estate.queues.getQueueClient(name).clearMessages();
  });
  return lost;
}

describe.skipIf(GIVEN_URL !== undefined)("a job comes to its end", () => {
  test("when a backup loses all of its messages, at whatever stage", { timeout: 180_000 }, async ({ expect }) => {
    const lake = await moved.protectedLake(BLOBS);
    for (const stage of ["planned", "copying"] as const) {
      const job = stage === "copying" ? await startCopying(lake) : await lake.startBackup();
      if (stage === "planned") await queued();
      expect(await loseAll(), stage).toBeGreaterThan(0);
      expect(await moved.end(lake, job), stage).toMatch(/^Completed/);
      // So that the next one copies everything, too.
      await lake.fill(BLOBS);
    }
    await restoresWhole(lake, expect);
  });

  test("when a restore loses all of its messages, at whatever stage", { timeout: 180_000 }, async ({ expect }) => {
    const lake = await moved.protectedLake(BLOBS);
    await lake.wait(await lake.startBackup());
    const [point = ""] = await lake.recoveryPoints();
    const before = await countBlobs("restored");
    const job = await lake.startRestore(point);
    await until(async () => (await countBlobs("restored")) >= before + 20);
    expect(await loseAll()).toBeGreaterThan(0);
    expect(await moved.end(lake, job)).toBe("Completed");
    expect(await lake.state("restored")).toEqual(await lake.state("prodlake"));
    await lake.emptyTarget();
  });

  test("when its worker is frozen for a quarter of an hour, and then goes on beside the next one", {
    timeout: 120_000,
  }, async ({ expect }) => {
    const lake = await moved.protectedLake(BLOBS);
    const job = await startCopying(lake);
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
    const job = await startCopying(lake);
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
    const job = await startCopying(lake);
    await moved.estate.stopAndRestart?.();
    expect(await moved.end(lake, job)).toBe("Completed");
    await restoresWhole(lake, expect);
  });
});
