import { afterAll, beforeAll, test } from "vitest";
import { BACKUP_BODY } from "../../local/demo/arm-bodies.ts";
import { backupInstanceId } from "../../src/instances/backup-instance.ts";
import { vaultContainerName } from "../../src/vault/names.ts";
import { type Estate, openEstate } from "./support/estate.ts";
import { Scenario } from "./support/scenario.ts";

let estate: Estate;

beforeAll(async () => {
  estate = await openEstate();
});

afterAll(async () => {
  await estate?.close();
});

async function protectedLake(blobs: number): Promise<Scenario> {
  const lake = new Scenario(estate, ["raw"]);
  await lake.createContainers();
  await lake.fill(blobs);
  await lake.protect();
  return lake;
}

/** Sends a message as the Functions host encodes them. */
async function send(queue: string, message: object): Promise<void> {
  const client = estate.queues.getQueueClient(queue);
  // A host makes a queue with its first message.
  await client.createIfNotExists();
  await client.sendMessage(Buffer.from(JSON.stringify(message)).toString("base64"));
}

async function waitUntilEmpty(queue: string): Promise<void> {
  const client = estate.queues.getQueueClient(queue);
  while (((await client.getProperties()).approximateMessagesCount ?? 0) > 0) {
    // Each look is a request, and so takes its time.
  }
}

/** All names, sizes and ETags that a lake has in an account: what a repeat must not change. Other tests may be at work there. */
async function fingerprint(lake: Scenario, account: "vault" | "restored"): Promise<string[]> {
  const found: string[] = [];
  const ofVault = vaultContainerName(backupInstanceId(lake.instance));
  for (const container of account === "vault" ? [ofVault] : lake.containers) {
    for await (const { name, properties } of estate.blobs(account).getContainerClient(container).listBlobsFlat()) {
      found.push(`${container}/${name} ${properties.contentLength} ${properties.etag}`);
    }
  }
  return found;
}

/** The key of the vault in messages, read from a message of the app's own. */
async function vaultKeyOf(lake: Scenario): Promise<string> {
  const { vaultKey } = await import("../../src/instances/vault-record.ts");
  return vaultKey(lake.vault);
}

test("a repeated start of a job is the same job and the same operation", async ({ expect }) => {
  const lake = await protectedLake(3);
  const start = async (): Promise<Response> =>
    fetch(`${estate.baseUrl}${lake.instance}/backup?api-version=2026-06-01`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-ms-client-request-id": `start-${lake.id}` },
      body: JSON.stringify(BACKUP_BODY),
    });
  const [one, two] = await Promise.all([start(), start()]);
  expect([one.status, two.status]).toEqual([202, 202]);
  expect(one.headers.get("azure-asyncoperation")).toBe(two.headers.get("azure-asyncoperation"));
  const jobs = (await lake.get(`${lake.vault}/backupJobs`)).body as { value: { name: string }[] };
  expect(jobs.value).toHaveLength(1);
  const [job] = jobs.value;
  await lake.wait(`${lake.vault}/backupJobs/${job?.name}`);
  expect((await start()).status).toBe(202);
  expect(await lake.recoveryPoints()).toHaveLength(1);
});

test("repeated queue messages of a backup and of a restore change nothing", async ({ expect }) => {
  const lake = await protectedLake(20);
  const [container = ""] = lake.containers;
  const vault = await vaultKeyOf(lake);
  const backup = await lake.startBackup();
  const backupJob = backup.split("/").at(-1) ?? "";
  await send("container-copy", { vault, job: backupJob, container, range: "000000", piece: 0 });
  expect((await lake.wait(backup)).properties).toMatchObject({
    status: "Completed",
    extendedInfo: { additionalDetails: { entries: "20" } },
  });
  const [point = ""] = await lake.recoveryPoints();
  const restore = await lake.startRestore(point);
  const restoreJob = restore.split("/").at(-1) ?? "";
  await send("container-restore", { vault, job: restoreJob, container, segment: 0 });
  expect((await lake.wait(restore)).properties.status).toBe("Completed");
  expect(await lake.state("restored")).toEqual(await lake.state("prodlake"));

  expect(await fingerprint(lake, "vault")).not.toEqual([]);
  const before = [await fingerprint(lake, "vault"), await fingerprint(lake, "restored"), await lake.recoveryPoints()];
  await send("container-copy", { vault, job: backupJob, container, range: "000000", piece: 0 });
  await send("marker-checks", { vault, job: backupJob, container, group: 0 });
  await send("container-restore", { vault, job: restoreJob, container, segment: 0 });
  for (const queue of ["container-copy", "marker-checks", "container-restore"]) await waitUntilEmpty(queue);
  expect([await fingerprint(lake, "vault"), await fingerprint(lake, "restored"), await lake.recoveryPoints()]).toEqual(
    before,
  );
});

test("a message that ends in the poison queue fails its job visibly, and the instance is free again", async ({
  expect,
}) => {
  const lake = await protectedLake(1_000);
  const [container = ""] = lake.containers;
  const vault = await vaultKeyOf(lake);
  const backup = await lake.startBackup();
  const job = backup.split("/").at(-1) ?? "";
  await send("container-copy-poison", { vault, job, container, range: 0, piece: 0 });
  expect((await lake.wait(backup)).properties).toMatchObject({
    status: "Failed",
    errorDetails: [{ code: expect.any(String), message: expect.stringContaining("container-copy") }],
  });
  expect(await lake.recoveryPoints()).toEqual([]);
  expect((await lake.wait(await lake.startBackup())).properties.status).toBe("Completed");
});
