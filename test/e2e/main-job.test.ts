import { afterAll, beforeAll, test } from "vitest";
import { BACKUP_BODY, policyBody, restoreBody } from "../../local/demo/arm-bodies.ts";
import { type Estate, openEstate } from "./support/estate.ts";
import { runTimer } from "./support/run-timer.ts";
import { Scenario } from "./support/scenario.ts";

let estate: Estate;

beforeAll(async () => {
  estate = await openEstate();
});

afterAll(async () => {
  await estate?.close();
});

test("from a policy to restored bytes: each recovery point gives back what was there", async ({ expect }) => {
  const lake = new Scenario(estate);
  const [raw = "", curated = ""] = lake.containers;
  await lake.createContainers();
  await lake.fill(150);
  await lake.protect();
  const before = await lake.state("prodlake");

  const first = await lake.wait(await lake.startBackup());
  expect(first.properties).toMatchObject({
    status: "Completed",
    operation: "Backup",
    isUserTriggered: true,
    extendedInfo: { additionalDetails: { listed: "300", copied: "300", entries: "300" } },
  });

  await lake.write(raw, "dir 0/0/ü+%23.txt", "changed");
  await lake.write(curated, "added", "new");
  await estate.blobs("prodlake").getContainerClient(raw).deleteBlob("dir 1/1/ü+%23.txt");
  const after = await lake.state("prodlake");
  const second = await lake.wait(await lake.startBackup());
  expect(second.properties).toMatchObject({
    status: "Completed",
    extendedInfo: { additionalDetails: { listed: "300", copied: "2", unchanged: "298", removed: "1" } },
  });

  const points = await lake.recoveryPoints();
  expect(points).toHaveLength(2);
  const states = [after, before];
  for (const [i, point] of points.entries()) {
    const restored = await lake.wait(await lake.startRestore(point));
    expect(restored.properties).toMatchObject({ status: "Completed", operation: "Restore" });
    expect(await lake.state("restored")).toEqual(states[i]);
    await lake.emptyTarget();
  }
  expect(await lake.state("prodlake")).toEqual(after);
});

test("a restore of one container brings that one alone", async ({ expect }) => {
  const lake = new Scenario(estate);
  const [raw = "", curated = ""] = lake.containers;
  await lake.createContainers();
  await lake.fill(3);
  await lake.protect();
  await lake.wait(await lake.startBackup());
  const [point = ""] = await lake.recoveryPoints();
  const body = restoreBody(point, "restored", [curated]);
  const job = await lake.wait(await estate.api.startJob(`${lake.instance}/restore`, body));
  expect(job.properties.status).toBe("Completed");
  const target = estate.blobs("restored");
  expect(await target.getContainerClient(curated).exists()).toBe(true);
  expect(await target.getContainerClient(raw).exists()).toBe(false);
});

test("an operation is polled as Azure's are: headers, status, result", async ({ expect }) => {
  const lake = new Scenario(estate);
  await lake.createContainers();
  await lake.protect();
  const accepted = await estate.api.request("POST", `${lake.instance}/backup`, BACKUP_BODY);
  expect(accepted).toMatchObject({ status: 202, body: undefined });
  const monitor = accepted.headers.get("azure-asyncoperation") ?? "";
  const location = accepted.headers.get("location") ?? "";
  for (const url of [monitor, location]) {
    expect(url).toMatch(/^https?:\/\/.+api-version=2026-06-01/);
  }
  expect(Number(accepted.headers.get("retry-after"))).toBeGreaterThanOrEqual(0);

  const begun = (await estate.api.request("GET", monitor)).body as { properties: { jobId: string } };
  await lake.wait(begun.properties.jobId);
  expect((await estate.api.request("GET", monitor)).body).toMatchObject({ status: "Succeeded" });
  expect((await estate.api.request("GET", location)).body).toMatchObject({
    objectType: "OperationJobExtendedInfo",
    jobId: begun.properties.jobId,
  });
  const jobs = (await lake.get(`${lake.vault}/backupJobs`)).body as { value: { id: string }[] };
  expect(jobs.value.map(({ id }) => id)).toEqual([begun.properties.jobId]);
});

test("the scheduler starts a backup that is due, once", async ({ expect }) => {
  const lake = new Scenario(estate);
  await lake.createContainers();
  await lake.fill(2);
  await lake.protect();
  // The instance is younger than the last slot of this policy, so nothing is due; a policy with a slot that has just
  // passed makes it so. The interval starts two seconds after now, and the timer is run by hand until then.
  const slot = new Date(Date.now() + 2_000).toISOString().replace("Z", "+00:00");
  await estate.api.run("PUT", lake.policy, policyBody(`R/${slot}/P1D`));
  const jobs = async (): Promise<{ name: string }[]> =>
    ((await lake.get(`${lake.vault}/backupJobs`)).body as { value: { name: string }[] }).value;
  await expect
    .poll(
      async () => {
        await runTimer(estate, "scheduler");
        return jobs();
      },
      { timeout: 30_000, interval: 500 },
    )
    .toHaveLength(1);
  await runTimer(estate, "scheduler");
  const [job] = await jobs();
  const ended = await lake.wait(`${lake.vault}/backupJobs/${job?.name}`);
  expect(ended.properties).toMatchObject({ status: "Completed", isUserTriggered: false });
  expect(await jobs()).toHaveLength(1);
});
