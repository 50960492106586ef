import { afterAll, beforeAll, test } from "vitest";
import { BACKUP_BODY } from "../../local/demo/arm-bodies.ts";
import { type MovableTime, openMovableTime } from "../../local/host/testing/movable-time.ts";
import { DAY_MS, HOUR_MS } from "../../src/foundation/durations.ts";
import { backupInstanceId } from "../../src/instances/backup-instance.ts";
import { vaultContainerName } from "../../src/vault/names.ts";
import { type Estate, GIVEN_URL, openEstate } from "./support/estate.ts";
import { runTimer } from "./support/run-timer.ts";
import { Scenario } from "./support/scenario.ts";

let time: MovableTime;
let estate: Estate;

beforeAll(async () => {
  time = await openMovableTime(new Date("2026-03-02T10:00:00.000Z"));
  // The first scrub of an instance comes on a day made of its id, which may be one that a test moves past.
  estate = await openEstate({ VaultScrubDays: "3650" }, time);
});

afterAll(async () => {
  await estate?.close();
  await time?.close();
});

interface ListedJob {
  readonly properties: { readonly operation: string; readonly status: string };
}

async function jobsOf(lake: Scenario): Promise<string[]> {
  const { value } = (await lake.get(`${lake.vault}/backupJobs`)).body as { readonly value: readonly ListedJob[] };
  return value.map(({ properties: { operation, status } }) => `${operation} ${status}`);
}

async function protectedLake(): Promise<Scenario> {
  const lake = new Scenario(estate, ["raw"]);
  await lake.createContainers();
  await lake.fill(20);
  await lake.protect();
  return lake;
}

const here = test.skipIf(GIVEN_URL !== undefined);

here("a paused instance starts nothing, and goes on incrementally when it is resumed", async ({ expect }) => {
  const lake = await protectedLake();
  await lake.wait(await lake.startBackup());
  await estate.api.run("POST", `${lake.instance}/suspendBackups`, undefined);
  expect((await lake.get(lake.instance)).body).toMatchObject({
    properties: { currentProtectionState: "BackupSchedulesSuspended" },
  });
  await expect(lake.startBackup()).rejects.toMatchObject({ status: 409 });
  await time.moveTo(new Date(time.now().getTime() + 2 * DAY_MS));
  await runTimer(estate, "scheduler");
  expect(await jobsOf(lake)).toEqual(["Backup Completed"]);

  await estate.api.run("POST", `${lake.instance}/resumeBackups`, undefined);
  await lake.write(lake.containers[0] ?? "", "added", "while it was paused");
  const ended = await lake.wait(await lake.startBackup());
  expect(ended.properties).toMatchObject({
    status: "Completed",
    extendedInfo: { additionalDetails: { listed: "21", copied: "1", unchanged: "20" } },
  });
  await estate.api.run("POST", `${lake.instance}/stopProtection`, undefined);
  expect(await jobsOf(lake)).toHaveLength(2);
});

here("a scrub finds the object that is gone, marks its points and tells it", async ({ expect }) => {
  const lake = await protectedLake();
  await lake.wait(await lake.startBackup());
  await lake.write(lake.containers[0] ?? "", "added", "later");
  await lake.wait(await lake.startBackup());
  const vault = estate.blobs("vault").getContainerClient(vaultContainerName(backupInstanceId(lake.instance)));
  for await (const { name } of vault.listBlobsFlat({ prefix: `data/${lake.containers[0]}/added/` })) {
    await vault.deleteBlob(name);
  }
  const scrub = await estate.api.startJob(`/api${lake.instance}/scrub`, {});
  expect((await lake.wait(scrub)).properties).toMatchObject({
    status: "Completed",
    operation: "Scrub",
    extendedInfo: { additionalDetails: { missing: "1", objects: "21", debris: "0" } },
  });
  expect((await lake.get(`/api${lake.vault}/alerts`)).body).toMatchObject({
    value: [{ severity: "critical", details: { counts: { missing: 1 } } }],
  });
  const { value } = (await lake.get(`${lake.instance}/recoveryPoints`)).body as { value: { properties: object }[] };
  expect(value.map(({ properties }) => properties)).toMatchObject([
    { recoveryPointState: "Partial" },
    { recoveryPointState: "Completed" },
  ]);
});

here("a deleted instance can be undeleted; when its time is over nothing of it is left", async ({ expect }) => {
  const lake = await protectedLake();
  await lake.wait(await lake.startBackup());
  const container = estate.blobs("vault").getContainerClient(vaultContainerName(backupInstanceId(lake.instance)));
  const deleted = `${lake.instance.replace("/backupInstances/", "/deletedBackupInstances/")}`;

  await estate.api.run("DELETE", lake.instance, undefined);
  await expect(lake.get(lake.instance)).rejects.toMatchObject({ status: 404 });
  await estate.api.run("POST", `${deleted}/undelete`, undefined);
  await estate.api.run("POST", `${lake.instance}/resumeProtection`, undefined);
  const again = await lake.wait(await lake.startBackup());
  expect(again.properties).toMatchObject({ extendedInfo: { additionalDetails: { copied: "0", unchanged: "20" } } });

  await estate.api.run("DELETE", lake.instance, undefined);
  await time.moveTo(new Date(time.now().getTime() + 14 * DAY_MS + 2 * HOUR_MS));
  await runTimer(estate, "retentionScheduler");
  await expect.poll(() => container.exists(), { timeout: 60_000, interval: 500 }).toBe(false);
  await expect(lake.get(deleted)).rejects.toMatchObject({ status: 404 });

  await estate.api.run("PUT", lake.instance, lake.instanceBody());
  const anew = await lake.wait(await estate.api.startJob(`${lake.instance}/backup`, BACKUP_BODY));
  expect(anew.properties).toMatchObject({
    status: "Completed",
    extendedInfo: { additionalDetails: { copied: "20" } },
  });
  expect(await lake.recoveryPoints()).toHaveLength(1);
});
