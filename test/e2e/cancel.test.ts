import { setTimeout } from "node:timers/promises";
import type { ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, test } from "vitest";
import { BACKUP_BODY } from "../../local/demo/arm-bodies.ts";
import type { ArmJob } from "../../local/demo/arm-client.ts";
import { mapBounded } from "../../src/foundation/bounded-pool.ts";
import { type Estate, GIVEN_URL, openEstate } from "./support/estate.ts";
import { Scenario } from "./support/scenario.ts";

let estate: Estate;
let lake: Scenario;

/** So many that most have not begun when the first are at work: a worker looks whether it is wanted before it begins. */
const CONTAINERS = 16;
const BLOBS_EACH = 20;
const BLOBS = CONTAINERS * BLOBS_EACH;

beforeAll(async () => {
  // One copy at a time, so that a job is at work for seconds.
  estate = await openEstate({ VaultCopyWidth: "1" });
  lake = new Scenario(
    estate,
    Array.from({ length: CONTAINERS }, (_, i) => `c${String(i).padStart(3, "0")}`),
  );
  await lake.createContainers();
  await lake.fill(BLOBS_EACH);
  await lake.protect();
});

afterAll(async () => {
  await estate?.close();
});

test.skipIf(GIVEN_URL !== undefined)(
  "a running backup is cancelled: its workers stop, nothing of it is left at the source, and the next uses its copies",
  { timeout: 300_000 },
  async ({ expect }) => {
    const backup = await lake.startBackup();
    const cancelled = await lake.cancelAtWork(backup);
    expect(cancelled.properties).toMatchObject({
      status: "Cancelled",
      supportedActions: [],
      errorDetails: [{ code: "OperationCanceled", properties: { failureCode: "job/cancelled" } }],
    });
    expect(await lake.recoveryPoints()).toEqual([]);
    // A job has ended before its markers go.
    await expect.poll(() => count("prodlake", ".lakevault/"), { timeout: 30_000 }).toBe(0);
    await expect(estate.api.request("POST", `${backup}/cancel`)).rejects.toMatchObject({ code: "JobNotCancellable" });

    await waitForWorkers("container-copy");
    const objects = await countObjects();
    expect(objects).toBeGreaterThan(0);
    expect(objects).toBeLessThan(BLOBS);

    const next = await lake.wait(await lake.startBackup());
    expect(next.properties.status).toBe("Completed");
    expect([detail(next, "entries"), detail(next, "copied")]).toEqual([BLOBS, BLOBS]);
    // What was there already is counted, and moved no byte.
    expect(detail(next, "copiedBytes")).toBeGreaterThan(0);
    expect(detail(next, "copiedBytes")).toBeLessThanOrEqual(detail(next, "bytes") - detail(cancelled, "copiedBytes"));
    expect(await countObjects()).toBe(BLOBS);
    expect(await lake.recoveryPoints()).toHaveLength(1);
  },
);

test.skipIf(GIVEN_URL !== undefined)(
  "a running restore is cancelled: its target stays as it is and the job says so, and another restore is whole",
  { timeout: 300_000 },
  async ({ expect }) => {
    const [point = await backUp()] = await lake.recoveryPoints();
    const cancelled = await lake.cancelAtWork(await lake.startRestore(point));
    expect(cancelled.properties).toMatchObject({
      status: "Cancelled",
      operation: "Restore",
      errorDetails: [{ recommendedAction: [expect.stringContaining("stay in account 'restored'")] }],
    });
    await waitForWorkers("container-restore");
    const restored = await count("restored");
    expect(restored).toBeGreaterThan(0);
    expect(restored).toBeLessThan(BLOBS);

    await expect(lake.startRestore(point)).rejects.toMatchObject({ code: "UserErrorTargetContainersExistOnAccount" });
    await lake.emptyTarget();
    const next = await lake.wait(await lake.startRestore(point));
    expect(next.properties.status).toBe("Completed");
    expect(await count("restored")).toBe(BLOBS);
  },
);

test("a job that was requested this moment can be cancelled, and its instance is free at once", async ({ expect }) => {
  const backup = await lake.startBackup();
  await estate.api.run("POST", `${backup}/cancel`, undefined);
  expect(((await lake.get(backup)).body as ArmJob).properties.status).toBe("Cancelled");
  const accepted = await estate.api.request("POST", `${lake.instance}/backup`, BACKUP_BODY);
  expect(accepted.status).toBe(202);
});

async function backUp(): Promise<string> {
  await lake.wait(await lake.startBackup());
  const [point] = await lake.recoveryPoints();
  if (point === undefined) throw new Error("the backup left no recovery point");
  return point;
}

function detail(job: ArmJob, name: string): number {
  return Number(job.properties.extendedInfo?.additionalDetails?.[name]);
}

async function countObjects(): Promise<number> {
  const vault = estate.blobs("vault");
  for await (const { name } of vault.listContainers({ prefix: "bi-" })) {
    return countBlobs(vault.getContainerClient(name), "data/");
  }
  throw new Error("the vault holds no backup instance");
}

/** Counts the blobs of the lake's containers in an account. */
async function count(account: "prodlake" | "restored", prefix = ""): Promise<number> {
  const client = estate.blobs(account);
  const counts = await mapBounded(lake.containers, 8, (name) => countBlobs(client.getContainerClient(name), prefix));
  return counts.reduce((sum, blobs) => sum + blobs, 0);
}

async function countBlobs(container: ContainerClient, prefix: string): Promise<number> {
  let blobs = 0;
  for await (const _ of container.listBlobsFlat({ prefix })) blobs += 1;
  return blobs;
}

/** Waits until no worker has a message of a queue: it is removed when its worker is done with it. */
async function waitForWorkers(queue: string): Promise<void> {
  const client = estate.queues.getQueueClient(queue);
  while (((await client.getProperties()).approximateMessagesCount ?? 0) > 0) await setTimeout(100);
}
