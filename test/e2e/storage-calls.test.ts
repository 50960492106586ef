/**
 * @module
 * Walks all calls to storage accounts that the app makes in the life of an instance, from its vault to its removal, and
 * fails on any that removes or replaces whatever is there. The exceptions stand here, each with its reason.
 */

import { fileURLToPath } from "node:url";
import { TableServiceClient } from "@azure/data-tables";
import { BlobServiceClient } from "@azure/storage-blob";
import { QueueServiceClient } from "@azure/storage-queue";
import { afterAll, beforeAll, test } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite.ts";
import { VAULT_BODY } from "../../local/demo/arm-bodies.ts";
import { openArmClient } from "../../local/demo/arm-client.ts";
import { type MovableTime, openMovableTime } from "../../local/host/testing/movable-time.ts";
import { startTestHost, type TestHost } from "../../local/host/testing/test-host.ts";
import { LOCAL_ACCOUNTS, lakevaultSettings } from "../../local/lakevault.ts";
import { DAY_MS } from "../../src/foundation/durations.ts";
import { backupInstanceId } from "../../src/instances/backup-instance.ts";
import { vaultContainerName } from "../../src/vault/names.ts";
import { type RecordingProxy, startRecordingProxy } from "../support/recording-proxy.ts";
import { walkCalls } from "../support/storage-rules.ts";
import { type Estate, GIVEN_URL } from "./support/estate.ts";
import { Scenario } from "./support/scenario.ts";

const APP = fileURLToPath(new URL("../..", import.meta.url));

let time: MovableTime;
let azurite: Azurite;
let host: TestHost;
let blobs: RecordingProxy;
let tables: RecordingProxy;

beforeAll(async () => {
  time = await openMovableTime(new Date("2026-03-02T10:00:00.000Z"));
  azurite = await startAzurite({ accounts: LOCAL_ACCOUNTS, nodeArguments: [time.nodeArgument] });
  const { blobEndpoint, tableEndpoint } = azurite.account("vault");
  const [blobOrigin, tableOrigin] = [new URL(blobEndpoint).origin, new URL(tableEndpoint).origin];
  blobs = await startRecordingProxy(blobOrigin);
  tables = await startRecordingProxy(tableOrigin);
  // What the host keeps for itself is none of the app's doing.
  const settings = Object.entries(lakevaultSettings(azurite)).map(([name, value]) =>
    name === "AzureWebJobsStorage"
      ? [name, value]
      : [name, value.replaceAll(blobOrigin, blobs.origin).replaceAll(tableOrigin, tables.origin)],
  );
  host = await startTestHost({ app: APP, settings: Object.fromEntries(settings), time });
});

afterAll(async () => {
  await host?.stop();
  await blobs?.stop();
  await tables?.stop();
  await azurite?.stop();
  await time?.close();
});

function estate(): Estate {
  const { connectionString } = azurite.account("vaultstate");
  return {
    baseUrl: host.baseUrl,
    api: openArmClient(host.baseUrl),
    blobs: (account) => BlobServiceClient.fromConnectionString(azurite.account(account).connectionString),
    queues: QueueServiceClient.fromConnectionString(connectionString),
    tables: TableServiceClient.fromConnectionString(connectionString, { allowInsecureConnection: true }),
    ...{ nextLine: undefined, killAndRestart: undefined, stopAndRestart: undefined, freeze: undefined },
    close: async () => undefined,
  };
}

/** Calls that need no condition, and why. Of blobs and containers there is none. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "DELETE row of LakevaultAttempts": "the row is one job's, which has swept all that it left; nobody writes it again",
  "DELETE row of LakevaultDatasources": "an announcement, whose id only this execution has; claims have conditions",
  "DELETE row of LakevaultInstances":
    "the last thing that a removed instance loses, by the one execution of its retention",
  "DELETE row of LakevaultOpenJobs": "the row is one job's, and goes when that has ended; an ended job opens no more",
  "DELETE row of LakevaultPins": "the row is one restore's, and goes when that has ended",
  "DELETE row of LakevaultRecoveryPoints": "the row is made of a seal, which is gone by then, and made again from one",
  "DELETE row of LakevaultSchedules":
    "its instance is being removed, and whoever protects another of the name puts it anew",
  "DELETE row of LakevaultScrubs": "its instance is being removed, and a scrub without its row begins a new round",
  "DELETE row of LakevaultWork": "the row is a note for the eye, or one of a job that has ended",
  "PUT row of LakevaultAttempts": "the row is one job's, and says the same at every try",
  "PUT row of LakevaultDatasources": "an announcement under a new id, which only this execution has",
  "PUT row of LakevaultPins": "the row is one restore's, and says the same at every try",
  "PUT row of LakevaultRecoveryPoints": "the row is made of a seal, which never changes",
  "PUT row of LakevaultSchedules": "it is of an instance that is being made, and has had no backup",
};

test.skipIf(GIVEN_URL !== undefined)(
  "no call removes or replaces what it has not just seen",
  { timeout: 300_000 },
  async ({ expect }) => {
    const lake = new Scenario(estate(), ["raw"]);
    const { api } = lake.estate;
    const [raw = ""] = lake.containers;
    const source = lake.estate.blobs("prodlake").getContainerClient(raw);
    await lake.createContainers();
    await lake.fill(30);
    await source.getAppendBlobClient("log").create();
    await source.getAppendBlobClient("log").appendBlock("line", 4);
    await lake.protect();
    expect((await lake.wait(await lake.startBackup())).properties.status).toBe("Completed");
    for (let n = 0; n < 20; n++) await lake.write(raw, `dir ${n % 7}/${n}/ü+%23.txt`, "changed");
    await source.getAppendBlobClient("log").appendBlock("more", 4);
    expect((await lake.wait(await lake.startBackup())).properties.status).toBe("Completed");
    const [newest = ""] = await lake.recoveryPoints();
    expect((await lake.wait(await lake.startRestore(newest))).properties.status).toBe("Completed");

    // Two files that nobody needs, and points that have expired.
    const container = vaultContainerName(backupInstanceId(lake.instance));
    const vault = lake.estate.blobs("vault").getContainerClient(container);
    for (const name of ["0x1", "0x2"]) await vault.getBlockBlobClient(`data/${raw}/debris/${name}.1`).upload("x", 1);
    await time.moveTo(new Date(time.now().getTime() + 40 * DAY_MS));
    await expect.poll(async () => (await lake.recoveryPoints()).length, { timeout: 60_000 }).toBeGreaterThan(2);
    expect((await lake.wait(await api.startJob(`/api${lake.instance}/scrub`, {}))).properties.status).toBe("Completed");
    expect(await vault.getBlobClient(`data/${raw}/debris/0x1.1`).exists()).toBe(false);
    await expect
      .poll(
        async () => {
          await runTimer("retentionScheduler");
          return lake.recoveryPoints();
        },
        { timeout: 60_000, interval: 1_000 },
      )
      .not.toContain(newest);

    const softDeleteSettings = { state: "Off" };
    await api.run("PUT", lake.vault, {
      ...VAULT_BODY,
      properties: { ...VAULT_BODY.properties, securitySettings: { softDeleteSettings } },
    });
    await api.run("DELETE", lake.instance, undefined);
    await expect
      .poll(
        async () => {
          await time.moveTo(new Date(time.now().getTime() + 2 * 3_600_000));
          await runTimer("retentionScheduler");
          return vault.exists();
        },
        { timeout: 90_000, interval: 2_000 },
      )
      .toBe(false);
    await expect
      .poll(
        () =>
          api.run("DELETE", lake.policy, undefined).then(
            () => true,
            () => false,
          ),
        { timeout: 30_000 },
      )
      .toBe(true);
    await api.run("DELETE", lake.vault, undefined);

    const walked = [walkCalls(blobs.requests, "blob"), walkCalls(tables.requests, "table")];
    expect(blobs.requests.some(({ url }) => url.searchParams.get("comp") === "batch")).toBe(true);
    for (const { guarded } of walked) expect(guarded).toBeGreaterThan(20);
    const found = walked.flatMap(({ unconditional }) => [...unconditional.keys()]).sort();
    expect(found.filter((call) => !Object.hasOwn(EXCEPTIONS, call))).toEqual([]);
    expect(found.length).toBeGreaterThan(8);
  },
);

async function runTimer(name: string): Promise<void> {
  const response = await fetch(`${host.baseUrl}/admin/functions/${name}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  if (response.status !== 202) throw new Error(`${name} could not be run: ${response.status}`);
}
