import { describe, test } from "vitest";
import { itemsOf, messageOf, nextLinkOf, refusalOf } from "../../test/support/arm-answers.ts";
import { accountId, BACKUP_BODY, INSTANCE_ID, MemoryApp, POLICY_ID, VAULT_ID } from "../../test/support/memory-app.ts";
import { vaultKey } from "../instances/vault-record.ts";
import type { Job } from "../jobs/job.ts";
import { NO_TOTALS } from "../jobs/job-totals.ts";
import { jobOrderRow } from "../jobs/request-job.ts";
import { plannedRangeId, workRows } from "../jobs/work.ts";
import { NO_WARNINGS } from "../vault/seal.ts";
import type { ApiResponse } from "./api-call.ts";
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

test("a job is found as soon as it is requested", async ({ expect }) => {
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
      supportedActions: ["Cancel"],
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

describe("a job at work", () => {
  const LATELY = "2026-03-02T10:00:09.000Z";

  async function atWork(): Promise<{ readonly app: MemoryApp; readonly job: Job }> {
    const { app, job } = await withBackup();
    app.now = new Date("2026-03-02T10:00:10.000Z");
    await app.tables.jobs.put(KEY, job.id, { ...job, containers: ["raw", "curated"], warnings: NO_WARNINGS });
    const { work } = app.tables;
    await work.put(job.id, workRows.plan("raw"), { kind: "plan", container: "raw", parts: 2, cuts: [], expected: 100 });
    await work.put(job.id, workRows.plan("curated"), {
      kind: "plan",
      container: "curated",
      parts: 1,
      cuts: [],
      expected: 100,
    });
    await work.put(job.id, workRows.tally("raw", 0, plannedRangeId(0), 0), {
      kind: "tally",
      finished: true,
      split: false,
      totals: { ...NO_TOTALS, listed: 50, copied: 40, copiedBytes: 400, unchanged: 8, warned: 2 },
    });
    await work.put(job.id, workRows.running("raw", plannedRangeId(1), 0), {
      kind: "running",
      totals: { ...NO_TOTALS, listed: 20, copied: 10, copiedBytes: 50 },
      since: job.startedAt,
      notedAt: LATELY,
      objectsPerSecond: 2.5,
      bytesPerSecond: 12.4,
      pressure: {
        width: 8,
        widest: 32,
        halvings: 2,
        last: { code: "storage/throttled", message: "the vault account is busy", at: LATELY },
      },
    });
    return { app, job };
  }

  test("has progress, rate, and throttling", async ({ expect }) => {
    const { app, job } = await atWork();
    const counts = { listed: "70", copied: "50", copiedBytes: "450", unchanged: "8", warned: "2" };
    const pace = { objectsPerSecond: "2.5", bytesPerSecond: "12" };
    expect(await propertiesOf(app, job)).toMatchObject({
      status: "InProgress",
      extendedInfo: {
        additionalDetails: {
          ...counts,
          ...pace,
          timeLeft: "00:00:56.0000000",
          copiesAtOnce: "8 of 32",
          throttlings: "2",
          throttledBy: "storage/throttled: the vault account is busy",
          throttledAt: LATELY,
          warnings: "2",
          containers: "raw,curated",
        },
        dataTransferredInBytes: 450,
        warningDetails: [],
        subTasks: [
          { taskId: 1, taskName: "Copy to the vault", taskStatus: "InProgress", taskProgress: "30%" },
          { taskId: 2, taskName: "curated", taskStatus: "NotStarted", taskProgress: "0%" },
          {
            taskId: 3,
            taskName: "raw",
            taskStatus: "InProgress",
            taskProgress: "60%",
            additionalDetails: { ...counts, ...pace, timeLeft: "00:00:16.0000000" },
          },
        ],
      },
    });
  });

  test("has the status of each container, and warnings where there are some", async ({ expect }) => {
    const { app, job } = await atWork();
    const { work } = app.tables;
    for (const [container, range] of [
      ["raw", 1],
      ["curated", 0],
    ] as const) {
      await work.put(job.id, workRows.tally(container, 0, plannedRangeId(range), 0), {
        kind: "tally",
        finished: true,
        split: false,
        totals: NO_TOTALS,
      });
    }
    expect(await propertiesOf(app, job)).toMatchObject({
      extendedInfo: {
        subTasks: [
          { taskStatus: "InProgress", taskProgress: "100%" },
          { taskName: "curated", taskStatus: "Completed", taskProgress: "100%" },
          { taskName: "raw", taskStatus: "CompletedWithWarnings", taskProgress: "100%" },
        ],
      },
    });
  });

  test("with thousands of containers lists the first of them, and that there are more", async ({ expect }) => {
    const { app, job } = await withBackup();
    const containers = Array.from({ length: 3_000 }, (_, i) => `c${String(i).padStart(5, "0")}`);
    await app.tables.jobs.put(KEY, job.id, { ...job, containers });
    for (const container of containers) {
      await app.tables.work.put(job.id, workRows.plan(container), { kind: "plan", container, parts: 1, cuts: [] });
    }
    const { extendedInfo } = (await propertiesOf(app, job)) as {
      extendedInfo: { additionalDetails: Record<string, string>; subTasks: { taskName: string }[] };
    };
    expect(extendedInfo.additionalDetails["containersListed"]).toBe("the first 100 of 3000");
    expect(extendedInfo.additionalDetails["containersTold"]).toBe("the first 100 of 3000");
    expect(extendedInfo.additionalDetails["containers"]?.split(",")).toEqual(containers.slice(0, 100));
    expect(extendedInfo.subTasks.slice(1).map(({ taskName }) => taskName)).toEqual(containers.slice(0, 100));
  });
});

describe("a cancel", () => {
  const OPERATION = `${VAULT_ID}/operationStatus`;

  async function cancel(app: MemoryApp, job: Job): Promise<ApiResponse> {
    return await app.call("POST", `${JOBS}/${job.id}/cancel`);
  }

  test("is available while the job runs, and stops it", async ({ expect }) => {
    const { app, job } = await withBackup();
    expect(await propertiesOf(app, job)).toMatchObject({ status: "InProgress", supportedActions: ["Cancel"] });
    app.now = new Date("2026-03-02T10:00:20.000Z");
    const { status, headers, body } = await cancel(app, job);
    expect([status, body]).toEqual([202, undefined]);
    expect(headers["azure-asyncoperation"]).toContain(OPERATION);
    expect(app.orchestrations.raised).toEqual([
      { id: `backup-${job.id}`, event: "failed", value: { code: "job/cancelled", message: "the job was cancelled" } },
    ]);
    expect(await propertiesOf(app, job)).toMatchObject({ status: "Cancelling", supportedActions: [] });
    expect((await app.call("GET", headers["azure-asyncoperation"] ?? "")).body).toMatchObject({
      status: "Inprogress",
      startTime: "2026-03-02T10:00:20.000Z",
      properties: { jobId: `${JOBS}/${job.id}` },
    });
    expect((await app.call("GET", headers["location"] ?? "")).status).toBe(202);
  });

  test("has succeeded when the job is cancelled", async ({ expect }) => {
    const { app, job } = await withBackup();
    const { headers } = await cancel(app, job);
    await app.tables.jobs.put(KEY, job.id, { ...job, status: "Cancelled", endedAt: "2026-03-02T10:01:00.000Z" });
    expect((await app.call("GET", headers["azure-asyncoperation"] ?? "")).body).toMatchObject({
      status: "Succeeded",
      endTime: "2026-03-02T10:01:00.000Z",
    });
    expect(await app.call("GET", headers["location"] ?? "")).toMatchObject({
      status: 200,
      body: { objectType: "OperationJobExtendedInfo", jobId: `${JOBS}/${job.id}` },
    });
  });

  test("that came too late to stop anything has failed, and says so", async ({ expect }) => {
    const { app, job } = await withBackup();
    const { headers } = await cancel(app, job);
    await app.tables.jobs.put(KEY, job.id, { ...job, status: "Completed", endedAt: "2026-03-02T10:01:00.000Z" });
    expect((await app.call("GET", headers["azure-asyncoperation"] ?? "")).body).toMatchObject({
      status: "Failed",
      error: { code: "JobNotCancellable" },
    });
    expect(refusalOf(await app.call("GET", headers["location"] ?? ""))).toEqual([
      409,
      "JobNotCancellable",
      "job/not-cancellable",
    ]);
  });

  test("that is repeated is the same operation, and sends the event again", async ({ expect }) => {
    const { app, job } = await withBackup();
    const first = await cancel(app, job);
    app.now = new Date("2026-03-02T10:05:00.000Z");
    const second = await cancel(app, job);
    expect([second.status, second.headers["location"]]).toEqual([202, first.headers["location"]]);
    expect(app.orchestrations.raised).toHaveLength(2);
  });

  test("is not the operation of the backup itself", async ({ expect }) => {
    const { app, job } = await withBackup();
    const { headers } = await cancel(app, job);
    const operations = Object.values(app.tables.operations.dump()).flatMap((rows) => Object.values(rows));
    expect(operations.filter(({ work }) => work.kind === "cancel")).toHaveLength(1);
    const backup = operations.find(({ work }) => work.kind === "job");
    expect(headers["azure-asyncoperation"]).not.toContain(backup?.id);
    expect((await app.call("GET", `${OPERATION}/${backup?.id}`)).body).toMatchObject({ status: "Inprogress" });
    await app.tables.jobs.put(KEY, job.id, { ...job, status: "Cancelled" });
    expect((await app.call("GET", `${OPERATION}/${backup?.id}`)).body).toMatchObject({ status: "Canceled" });
  });

  test("of a job that has ended, or is not found, is refused and changes nothing", async ({ expect }) => {
    const { app, job } = await withBackup();
    await app.tables.jobs.put(KEY, job.id, { ...job, status: "Completed" });
    const before = app.effects;
    const refused = await cancel(app, job);
    expect(refusalOf(refused)).toEqual([409, "JobNotCancellable", "job/not-cancellable"]);
    expect(messageOf(refused)).toContain("status 'Completed'");
    expect(refusalOf(await cancel(app, { ...job, id: "nobody" }))).toEqual([404, "ResourceNotFound", "job/not-found"]);
    const other = VAULT_ID.replace("vault1", "vault2");
    await app.call("PUT", other, { body: { location: "westeurope", properties: {} } });
    const elsewhere = await app.call("POST", `${other}/backupJobs/${job.id}/cancel`);
    expect(refusalOf(elsewhere)[2]).toBe("job/not-found");
    expect((await app.call("GET", `${JOBS}/${job.id}/cancel`)).status).toBe(405);
    expect(app.orchestrations.raised).toEqual([]);
    expect(app.effects - before).toBe(3);
  });
});

test("a job that ended with warnings lists them", async ({ expect }) => {
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
  for (const container of ["raw", "curated"]) {
    await app.tables.work.put(job.id, workRows.container(container), {
      kind: "container",
      container,
      totals: { ...NO_TOTALS, listed: 2, warned: container === "raw" ? 40 : 0 },
    });
  }
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
      subTasks: [
        { taskName: "Copy to the vault", taskStatus: "CompletedWithWarnings", taskProgress: "100%" },
        { taskName: "curated", taskStatus: "Completed", taskProgress: "100%", additionalDetails: { listed: "2" } },
        { taskName: "raw", taskStatus: "CompletedWithWarnings", additionalDetails: { warned: "40" } },
      ],
      warningDetails: [{ resourceName: "raw/old/a", warning: { code: "archived", message: "it is archived" } }],
    },
  });
});

test("a failed job has a reason, who can fix it and what to do", async ({ expect }) => {
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

test("a restore has its recovery point and its target", async ({ expect }) => {
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

  test("skips an abandoned request, and lists no job twice", async ({ expect }) => {
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
