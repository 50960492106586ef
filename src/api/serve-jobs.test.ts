import { describe, test } from "vitest";
import { itemsOf, nextLinkOf, refusalOf } from "../../test/support/arm-answers.ts";
import { accountId, BACKUP_BODY, INSTANCE_ID, MemoryApp, POLICY_ID, VAULT_ID } from "../../test/support/memory-app.ts";
import { vaultKey } from "../instances/contract.ts";
import { type Job, NO_TOTALS } from "../jobs/contract.ts";
import { jobOrderRow } from "../jobs/request-job.ts";
import { workRows } from "../jobs/work.ts";
import { timeSpan } from "./job-resource.ts";

const KEY = vaultKey(VAULT_ID);
const JOBS = `${VAULT_ID}/backupJobs`;

async function withBackup(): Promise<{ readonly app: MemoryApp; readonly job: Job }> {
  const app = new MemoryApp();
  await app.protect();
  await app.call("POST", `${INSTANCE_ID}/backup`, { body: BACKUP_BODY });
  const [job] = Object.values(app.tables.jobs.dump()[KEY] ?? {});
  if (job === undefined) throw new Error("no job");
  return { app, job };
}

async function propertiesOf(app: MemoryApp, job: Job): Promise<Record<string, unknown>> {
  const { status, body } = await app.call("GET", `${JOBS}/${job.id}`);
  if (status !== 200) throw new Error(`status ${status}`);
  return (body as { properties: Record<string, unknown> }).properties;
}

test("a job can be looked up as soon as it is requested", async ({ expect }) => {
  const { app, job } = await withBackup();
  app.now = new Date("2026-03-02T10:01:30.250Z");
  const { body } = await app.call("GET", `${JOBS}/${job.id.toUpperCase()}`);
  expect(body).toEqual({
    id: `${JOBS}/${job.id}`,
    name: job.id,
    type: "Microsoft.DataProtection/backupVaults/backupJobs",
    properties: {
      activityID: job.id,
      backupInstanceId: INSTANCE_ID,
      backupInstanceFriendlyName: "prodlake",
      dataSourceId: accountId("prodlake"),
      dataSourceLocation: "westeurope",
      dataSourceName: "prodlake",
      dataSourceSetName: "prodlake",
      dataSourceType: "Microsoft.Storage/storageAccounts/blobServices",
      sourceResourceGroup: "lakes",
      sourceSubscriptionID: "0b352192-dcac-4cc7-992e-a96190ccc68c",
      subscriptionId: "0b352192-dcac-4cc7-992e-a96190ccc68c",
      vaultName: "vault1",
      policyId: POLICY_ID,
      policyName: "daily",
      operation: "Backup",
      operationCategory: "Backup",
      isUserTriggered: true,
      progressEnabled: true,
      supportedActions: [],
      status: "InProgress",
      startTime: "2026-03-02T10:00:00.000Z",
      duration: "00:01:30.2500000",
      extendedInfo: {
        additionalDetails: {
          ...Object.fromEntries(Object.keys(NO_TOTALS).map((name) => [name, "0"])),
          policyRuleName: "BackupDaily",
          slot: "2026-03-02T10:00:00.000Z",
        },
        backupInstanceState: "ProtectionConfigured",
        dataTransferredInBytes: 0,
        targetRecoverPoint: {},
        subTasks: [{ taskId: 1, taskName: "Copy to the vault", taskStatus: "InProgress", taskProgress: "0%" }],
      },
    },
  });
});

test("a job at work tells how far it is", async ({ expect }) => {
  const { app, job } = await withBackup();
  const { work } = app.tables;
  await work.put(job.id, workRows.plan("raw"), { kind: "plan", container: "raw", parts: 3 });
  await work.put(job.id, workRows.piece("raw", 0, 0), {
    kind: "piece",
    container: "raw",
    range: 0,
    piece: 0,
    segments: [],
    totals: { ...NO_TOTALS, listed: 7, copied: 4, copiedBytes: 400, unchanged: 3 },
    warnings: { count: 0, first: [] },
    nextSegment: 0,
  });
  await work.put(job.id, workRows.running("raw", 1, 0), {
    kind: "running",
    totals: { ...NO_TOTALS, listed: 2, copied: 1, copiedBytes: 50 },
  });
  expect(await propertiesOf(app, job)).toMatchObject({
    extendedInfo: {
      additionalDetails: { listed: "9", copied: "5", copiedBytes: "450", unchanged: "3" },
      dataTransferredInBytes: 450,
      subTasks: [{ taskProgress: "33%" }],
    },
  });
});

test("a job that ended with warnings names them", async ({ expect }) => {
  const { app, job } = await withBackup();
  await app.tables.jobs.put(KEY, job.id, {
    ...job,
    status: "CompletedWithWarnings",
    endedAt: "2026-03-02T10:02:11.972Z",
    tag: "Default",
    containers: ["raw", "curated"],
    recoveryPoint: { id: "a".repeat(32), sequence: 1, time: "2026-03-02T10:00:01.000Z" },
    totals: { ...NO_TOTALS, listed: 3, copied: 2, copiedBytes: 20 },
    warnings: { count: 40, first: [{ container: "raw", name: "old/a", code: "archived", message: "it is archived" }] },
  });
  expect(await propertiesOf(app, job)).toMatchObject({
    status: "CompletedWithWarnings",
    endTime: "2026-03-02T10:02:11.972Z",
    duration: "00:02:11.9720000",
    extendedInfo: {
      additionalDetails: {
        listed: "3",
        retentionTag: "Default",
        recoveryPointId: "a".repeat(32),
        containers: "raw,curated",
        warnings: "40",
      },
      targetRecoverPoint: { recoveryPointID: "a".repeat(32), recoveryPointTime: "2026-03-02T10:00:01.000Z" },
      subTasks: [{ taskStatus: "CompletedWithWarnings", taskProgress: "100%" }],
      warningDetails: [{ resourceName: "raw/old/a", warning: { code: "archived", message: "it is archived" } }],
    },
  });
});

test("a job that failed says why, who can mend it and what to do", async ({ expect }) => {
  const { app, job } = await withBackup();
  await app.tables.jobs.put(KEY, job.id, {
    ...job,
    status: "Failed",
    endedAt: "2026-03-02T10:02:11.972Z",
    failure: {
      code: "datasource/forbidden",
      message: "the app may not read 'prodlake'",
      hint: "grant it the reader role",
    },
  });
  expect(await propertiesOf(app, job)).toMatchObject({
    status: "Failed",
    errorDetails: [
      {
        code: "UserErrorMissingRequiredPermissions",
        message: "the app may not read 'prodlake'",
        recommendedAction: ["grant it the reader role"],
        isRetryable: false,
        isUserError: false,
        properties: { failureCode: "datasource/forbidden" },
      },
    ],
  });
});

test("a restore tells its recovery point and its target", async ({ expect }) => {
  const { app, job } = await withBackup();
  await app.tables.jobs.put(KEY, job.id, {
    ...job,
    request: {
      kind: "restore",
      recoveryPoint: "a".repeat(32),
      target: { resourceId: accountId("restored"), account: "restored" },
    },
  });
  expect(await propertiesOf(app, job)).toMatchObject({
    operation: "Restore",
    operationCategory: "Restore",
    restoreType: "ALR",
    extendedInfo: {
      sourceRecoverPoint: { recoveryPointID: "a".repeat(32) },
      recoveryDestination: accountId("restored"),
      subTasks: [{ taskName: "Copy to the target" }],
    },
  });
});

test("a job outlives its instance", async ({ expect }) => {
  const { app, job } = await withBackup();
  await app.tables.instances.remove(KEY, job.instanceName);
  expect(await propertiesOf(app, job)).toMatchObject({
    backupInstanceFriendlyName: job.instanceName,
    dataSourceId: "",
  });
  expect(itemsOf(await app.call("GET", JOBS))).toHaveLength(1);
});

describe("the list of jobs", () => {
  test("is newest first, page by page, without their details", async ({ expect }) => {
    const { app, job } = await withBackup();
    const jobs = Array.from({ length: 120 }, (_, n) => ({
      ...job,
      id: `job-${n}`,
      startedAt: new Date(Date.parse(job.startedAt) + (n + 1) * 1_000).toISOString(),
    }));
    for (const one of jobs) {
      await app.tables.jobs.put(KEY, one.id, one);
      await app.tables.jobOrder.put(KEY, jobOrderRow(one), { vault: KEY, job: one.id });
    }
    const first = await app.call("GET", JOBS);
    const second = await app.call("GET", nextLinkOf(first) ?? "");
    expect(nextLinkOf(second)).toBeUndefined();
    expect([...itemsOf(first), ...itemsOf(second)].map(({ name }) => name)).toEqual([
      ...jobs.map(({ id }) => id).reverse(),
      job.id,
    ]);
    expect(JSON.stringify(first.body)).not.toContain("extendedInfo");
  });

  test("passes over a request that was given up, and tells no job twice", async ({ expect }) => {
    const { app, job } = await withBackup();
    const other = { ...job, startedAt: "2026-03-02T09:00:00.000Z" };
    await app.tables.jobOrder.put(KEY, jobOrderRow(other), { vault: KEY, job: job.id });
    await app.tables.jobOrder.put(KEY, jobOrderRow({ ...job, id: "gone" }), { vault: KEY, job: "gone" });
    expect(itemsOf(await app.call("GET", JOBS)).map(({ name }) => name)).toEqual([job.id]);
  });

  test("is of one vault", async ({ expect }) => {
    const { app, job } = await withBackup();
    const other = VAULT_ID.replace("vault1", "vault2");
    await app.call("PUT", other, { body: { location: "westeurope", properties: {} } });
    expect(itemsOf(await app.call("GET", `${other}/backupJobs`))).toEqual([]);
    expect(refusalOf(await app.call("GET", `${other}/backupJobs/${job.id}`))).toEqual([
      404,
      "ResourceNotFound",
      "job/not-found",
    ]);
  });
});

test.for([
  [0, "00:00:00.0000000"],
  [-5, "00:00:00.0000000"],
  [131_972, "00:02:11.9720000"],
  [90_061_001, "1.01:01:01.0010000"],
] as const)("%i ms are the time span %s", ([ms, text], { expect }) => {
  expect(timeSpan(ms)).toBe(text);
});
