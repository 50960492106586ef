import { describe, test } from "vitest";
import { refusalOf } from "../../test/support/arm-answers.ts";
import {
  BACKUP_BODY,
  GROUP_ID,
  INSTANCE_ID,
  MemoryApp,
  SUBSCRIPTION,
  VAULT_ID,
  vaultBody,
} from "../../test/support/memory-app.ts";
import { vaultKey } from "../instances/vault-record.ts";
import type { Job } from "../jobs/job.ts";

const KEY = vaultKey(VAULT_ID);
const PROVIDER = "providers/Microsoft.DataProtection";
const LOCATION = `/subscriptions/${SUBSCRIPTION}/${PROVIDER}/locations/westeurope`;

interface Polled {
  readonly app: MemoryApp;
  readonly job: Job;
  readonly id: string;
  readonly statusUrl: string;
  readonly resultUrl: string;
  readonly end: (changes: Partial<Job>) => Promise<void>;
}

async function backup(): Promise<Polled> {
  const app = new MemoryApp();
  await app.protect();
  const { headers } = await app.call("POST", `${INSTANCE_ID}/backup`, { body: BACKUP_BODY });
  const [job] = Object.values(app.tables.jobs.dump()[KEY] ?? {});
  if (job === undefined) throw new Error("no job");
  const statusUrl = headers["azure-asyncoperation"] ?? "";
  return {
    app,
    job,
    id: new URL(statusUrl).pathname.split("/").at(-1) ?? "",
    statusUrl,
    resultUrl: headers["location"] ?? "",
    end: async (changes) => {
      await app.tables.jobs.put(KEY, job.id, { ...job, endedAt: "2026-03-02T10:05:00.000Z", ...changes });
    },
  };
}

test("polling addresses are absolute: the status under the vault, a job's result under the location", async ({
  expect,
}) => {
  const { statusUrl, resultUrl, id } = await backup();
  expect(statusUrl).toBe(`http://localhost:7071${VAULT_ID}/operationStatus/${id}?api-version=2026-06-01`);
  expect(resultUrl).toBe(`http://localhost:7071${LOCATION}/operationResults/${id}?api-version=2026-06-01`);
});

test("an operation has the status of its job, and ends with it", async ({ expect }) => {
  const { app, job, id, statusUrl, resultUrl, end } = await backup();
  const jobId = `${VAULT_ID}/backupJobs/${job.id}`;
  const info = { objectType: "OperationJobExtendedInfo", jobId };
  expect(await app.call("GET", statusUrl)).toMatchObject({
    status: 200,
    body: {
      id: `${VAULT_ID}/operationStatus/${id}`,
      name: id,
      status: "Inprogress",
      startTime: "2026-03-02T10:00:00.000Z",
      endTime: "0001-01-01T00:00:00Z",
      properties: info,
    },
  });
  const waiting = await app.call("GET", resultUrl);
  expect(waiting).toMatchObject({
    status: 202,
    headers: { "azure-asyncoperation": statusUrl, location: resultUrl, "retry-after": "10" },
  });
  expect(waiting).not.toHaveProperty("body");

  await end({ status: "Completed" });
  expect(await app.call("GET", statusUrl)).toMatchObject({
    status: 200,
    body: { status: "Succeeded", endTime: "2026-03-02T10:05:00.000Z", properties: info },
  });
  expect(await app.call("GET", resultUrl)).toMatchObject({ status: 200, body: info });
});

test("a backup with warnings has succeeded", async ({ expect }) => {
  const { app, statusUrl, end } = await backup();
  await end({ status: "CompletedWithWarnings" });
  expect((await app.call("GET", statusUrl)).body).toMatchObject({ status: "Succeeded" });
});

test.for([
  [
    "a failed job",
    { status: "Failed", failure: { code: "storage/throttled", message: "busy" } },
    "Failed",
    409,
    "ServerBusy",
  ],
  [
    "a job that failed because of its caller",
    { status: "Failed", failure: { code: "restore/target-container-exists", message: "there" } },
    "Failed",
    409,
    "UserErrorTargetContainersExistOnAccount",
  ],
  ["a job without a reason", { status: "Failed" }, "Failed", 409, "InternalServerError"],
  [
    "a cancelled job",
    { status: "Cancelled", failure: { code: "job/cancelled", message: "stopped" } },
    "Canceled",
    409,
    "OperationCanceled",
  ],
] as const)(
  "the status of %s is returned with 200, its result as a permanent failure",
  async ([, changes, status, resultStatus, code], { expect }) => {
    const { app, statusUrl, resultUrl, end } = await backup();
    await end(changes as Partial<Job>);
    expect(await app.call("GET", statusUrl)).toMatchObject({ status: 200, body: { status, error: { code } } });
    const result = await app.call("GET", resultUrl);
    expect(refusalOf(result).slice(0, 2)).toEqual([resultStatus, code]);
    expect(app.failedCalls).toEqual([]);
  },
);

describe("an operation", () => {
  test("is found by each of its paths", async ({ expect }) => {
    const { app, id } = await backup();
    for (const path of [
      `${LOCATION}/operationStatus/${id}`,
      `${LOCATION.replace("westeurope", "West%20Europe")}/operationStatus/${id}`,
      `${GROUP_ID}/${PROVIDER}/operationStatus/${id}`,
      `${VAULT_ID}/operationStatus/${id}`,
    ]) {
      expect([path, (await app.call("GET", path)).status]).toEqual([path, 200]);
    }
    for (const path of [LOCATION, VAULT_ID, INSTANCE_ID]) {
      const { status, headers } = await app.call("GET", `${path}/operationResults/${id}`);
      expect(status).toBe(202);
      expect(headers["location"]).toBe(`http://localhost:7071${path}/operationResults/${id}?api-version=2026-06-01`);
    }
  });

  test("is found by no other path", async ({ expect }) => {
    const { app, id } = await backup();
    await app.call("PUT", VAULT_ID.replace("vault1", "vault2"), { body: vaultBody() });
    for (const path of [
      `${LOCATION.replace("westeurope", "northeurope")}/operationStatus/${id}`,
      `${GROUP_ID.replace("lakes", "other")}/${PROVIDER}/operationStatus/${id}`,
      `${VAULT_ID.replace("vault1", "vault2")}/operationStatus/${id}`,
      `${VAULT_ID.replace(SUBSCRIPTION, SUBSCRIPTION.replace("0b", "0c"))}/operationStatus/${id}`,
      `${INSTANCE_ID}2/operationResults/${id}`,
      `${VAULT_ID}/operationStatus/unknown`,
      `${VAULT_ID}/operationResults/unknown`,
    ]) {
      expect([path, ...refusalOf(await app.call("GET", path))]).toEqual([
        path,
        404,
        "ResourceNotFound",
        "operation/not-found",
      ]);
    }
  });
});

test("the Retry-After of operations is a setting", async ({ expect }) => {
  const app = new MemoryApp();
  app.settings = { ...app.settings, retryAfterSeconds: 0 };
  expect((await app.call("PUT", VAULT_ID, { body: vaultBody() })).headers).toMatchObject({ "retry-after": "0" });
});
