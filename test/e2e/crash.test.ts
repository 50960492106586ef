import { setTimeout } from "node:timers/promises";
import type { ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, test } from "vitest";
import { type Estate, GIVEN_URL, openEstate } from "./support/estate.ts";
import { Scenario } from "./support/scenario.ts";

let estate: Estate;

beforeAll(async () => {
  // Few copies at a time, so that a job is at work for seconds.
  estate = await openEstate({ VaultCopyWidth: "4" });
});

afterAll(async () => {
  await estate?.close();
});

const BLOBS = 500;
/** With so many arrived a job is in the middle of its work. */
const ARRIVED = 80;

test.skipIf(GIVEN_URL !== undefined)(
  "a host that is killed in the middle of a backup and again in the middle of a restore loses nothing",
  { timeout: 300_000 },
  async ({ expect }) => {
    const lake = new Scenario(estate, ["raw"]);
    const [raw = ""] = lake.containers;
    await lake.createContainers();
    await lake.fill(BLOBS);
    await lake.protect();
    const wanted = await lake.state("prodlake");

    const backup = await lake.startBackup();
    const objects = await waitForBlobs(await vaultContainer(), "data/");
    expect(objects).toBeLessThan(BLOBS);
    await estate.killAndRestart?.();
    expect((await lake.wait(backup)).properties).toMatchObject({
      status: "Completed",
      extendedInfo: { additionalDetails: { entries: String(BLOBS) } },
    });

    const [point = ""] = await lake.recoveryPoints();
    const restore = await lake.startRestore(point);
    const restored = await waitForBlobs(estate.blobs("restored").getContainerClient(raw));
    expect(restored).toBeLessThan(BLOBS);
    await estate.killAndRestart?.();
    expect((await lake.wait(restore)).properties.status).toBe("Completed");
    expect(await lake.state("restored")).toEqual(wanted);
  },
);

/** The only backup instance's container in the vault account. */
async function vaultContainer(): Promise<ContainerClient> {
  const vault = estate.blobs("vault");
  for await (const { name } of vault.listContainers({ prefix: "bi-" })) return vault.getContainerClient(name);
  throw new Error("the vault holds no backup instance");
}

/** Waits until a good number of blobs have arrived. @returns how many there were */
async function waitForBlobs(container: ContainerClient, prefix = ""): Promise<number> {
  for (;;) {
    let count = 0;
    try {
      for await (const _ of container.listBlobsFlat({ prefix })) count += 1;
    } catch (error) {
      if ((error as { statusCode?: number }).statusCode !== 404) throw error;
    }
    if (count >= ARRIVED) return count;
    await setTimeout(50);
  }
}
