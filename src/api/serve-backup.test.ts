import { describe, test } from "vitest";
import { messageOf, refusalOf } from "../../test/support/arm-answers.ts";
import { BACKUP_BODY, INSTANCE_ID, MemoryApp, POLICY_ID, policyBody, VAULT_ID } from "../../test/support/memory-app.ts";
import { backupInstanceId } from "../instances/backup-instance.ts";
import { vaultKey } from "../instances/vault-record.ts";
import { LOCK_ROW } from "../jobs/job-lock.ts";

const KEY = vaultKey(VAULT_ID);
const INSTANCE = backupInstanceId(INSTANCE_ID);
const BACKUP = `${INSTANCE_ID}/backup`;

async function protectedLake(): Promise<MemoryApp> {
  const app = new MemoryApp();
  await app.protect();
  return app;
}

function jobsOf(app: MemoryApp) {
  return Object.values(app.tables.jobs.dump()[KEY] ?? {});
}

test("a backup on demand writes its job, then starts it", async ({ expect }) => {
  const app = await protectedLake();
  const accepted = await app.call("POST", BACKUP, { body: BACKUP_BODY });
  expect(accepted).toMatchObject({ status: 202, headers: { "retry-after": "10" } });
  expect(accepted).not.toHaveProperty("body");

  const [job] = jobsOf(app);
  expect(job).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    vault: KEY,
    instanceName: "prodlake-prodlake-1",
    instance: INSTANCE,
    status: "InProgress",
    requestedBy: "user",
    request: { kind: "backup", slot: "2026-03-02T10:00:00.000Z", rule: "BackupDaily" },
    startedAt: "2026-03-02T10:00:00.000Z",
    policyName: "daily",
  });
  const ref = { vault: KEY, job: job?.id };
  expect(app.orchestrations.started).toEqual([{ name: "backup", id: `backup-${job?.id}`, input: ref }]);
  expect(app.tables.openJobs.dump()).toEqual({ open: { [job?.id ?? ""]: ref } });
});

test("the tag of the request is stored in the job", async ({ expect }) => {
  const app = await protectedLake();
  const body = { backupRuleOptions: { ruleName: "BackupDaily", triggerOption: { retentionTagOverride: "Default" } } };
  expect((await app.call("POST", BACKUP, { body })).status).toBe(202);
  expect(jobsOf(app)).toMatchObject([{ request: { kind: "backup", tag: "Default" } }]);
});

describe("a repeated POST", () => {
  const headers = { "x-ms-client-request-id": "9e6f7f3c-1f0a-4c5e-9a3e-0d4e5f6a7b8c" };

  test("with the caller's request id is the same job and the same operation", async ({ expect }) => {
    const app = await protectedLake();
    const first = await app.call("POST", BACKUP, { body: BACKUP_BODY, headers });
    app.now = new Date("2026-03-02T10:00:05.000Z");
    const second = await app.call("POST", BACKUP, { body: BACKUP_BODY, headers });
    expect(second.status).toBe(202);
    expect(second.headers["location"]).toBe(first.headers["location"]);
    expect(second.headers["azure-asyncoperation"]).toBe(first.headers["azure-asyncoperation"]);
    expect(jobsOf(app)).toHaveLength(1);
    expect(app.tables.jobOrder.size).toBe(1);
    expect(app.orchestrations.started).toHaveLength(1);
  });

  test("is the same job while that job runs, and when another one runs", async ({ expect }) => {
    const app = await protectedLake();
    const first = await app.call("POST", BACKUP, { body: BACKUP_BODY, headers });
    const [job] = jobsOf(app);
    if (job === undefined) throw new Error("no job");
    await app.tables.locks.put(INSTANCE, LOCK_ROW, { job: job.id, since: job.startedAt });
    expect((await app.call("POST", BACKUP, { body: BACKUP_BODY, headers })).headers["location"]).toBe(
      first.headers["location"],
    );

    await app.tables.jobs.put(KEY, job.id, { ...job, status: "Completed", endedAt: job.startedAt });
    await app.tables.jobs.put(KEY, "other", { ...job, id: "other" });
    await app.tables.locks.put(INSTANCE, LOCK_ROW, { job: "other", since: job.startedAt });
    const again = await app.call("POST", BACKUP, { body: BACKUP_BODY, headers });
    expect(again.headers["location"]).toBe(first.headers["location"]);
    expect(app.orchestrations.started).toHaveLength(1);
  });

  test("without one, or with another content, is another job", async ({ expect }) => {
    const app = await protectedLake();
    const tagged = {
      backupRuleOptions: { ruleName: "BackupDaily", triggerOption: { retentionTagOverride: "Default" } },
    };
    await app.call("POST", BACKUP, { body: BACKUP_BODY });
    await app.call("POST", BACKUP, { body: BACKUP_BODY });
    await app.call("POST", BACKUP, { body: BACKUP_BODY, headers });
    await app.call("POST", BACKUP, { body: tagged, headers });
    expect(jobsOf(app)).toHaveLength(4);
  });
});

test("a busy instance refuses another backup until its job has ended", async ({ expect }) => {
  const app = await protectedLake();
  await app.call("POST", BACKUP, { body: BACKUP_BODY });
  const [job] = jobsOf(app);
  if (job === undefined) throw new Error("no job");
  await app.tables.locks.put(INSTANCE, LOCK_ROW, { job: job.id, since: job.startedAt });
  const before = app.effects;
  const refused = await app.call("POST", BACKUP, { body: BACKUP_BODY });
  expect(refusalOf(refused)).toEqual([409, "UserErrorBackupRequestThrottled", "instance/busy"]);
  expect(messageOf(refused)).toContain(job.id);
  expect(app.effects).toBe(before);

  await app.tables.jobs.put(KEY, job.id, { ...job, status: "Failed" });
  expect((await app.call("POST", BACKUP, { body: BACKUP_BODY })).status).toBe(202);
});

const INVALID = [400, "UserErrorInvalidParameterInRequest", "request/invalid"] as const;
test.for([
  ["an unknown rule", { backupRuleOptions: { ruleName: "BackupWeekly" } }, INVALID, "no backup rule 'BackupWeekly'"],
  [
    "an unknown tag",
    { backupRuleOptions: { ruleName: "BackupDaily", triggerOption: { retentionTagOverride: "Yearly" } } },
    INVALID,
    "no retention rule 'Yearly'",
  ],
  ["no rule", { backupRuleOptions: {} }, INVALID, "backupRuleOptions.ruleName"],
  ["nothing", {}, INVALID, "backupRuleOptions"],
] as const)("a POST with %s is refused", async ([, body, refusal, message], { expect }) => {
  const app = await protectedLake();
  const before = app.effects;
  const response = await app.call("POST", BACKUP, { body });
  expect(refusalOf(response)).toEqual(refusal);
  expect(messageOf(response)).toContain(message);
  expect(app.effects).toBe(before);
});

test("an instance that is unknown or not protected is not backed up", async ({ expect }) => {
  const app = await protectedLake();
  const instance = (await app.tables.instances.get(KEY, "prodlake-prodlake-1"))?.value;
  if (instance === undefined) throw new Error("no instance");
  await app.tables.instances.put(KEY, "prodlake-prodlake-1", { ...instance, protectionState: "ProtectionStopped" });
  const before = app.effects;
  expect(refusalOf(await app.call("POST", BACKUP, { body: BACKUP_BODY }))).toEqual([
    409,
    "BackupInstanceNotProtected",
    "instance/not-protected",
  ]);
  const unknown = BACKUP.replace("prodlake-prodlake-1", "unknown");
  expect(refusalOf(await app.call("POST", unknown, { body: BACKUP_BODY }))).toEqual([
    404,
    "ResourceNotFound",
    "instance/not-found",
  ]);
  expect(app.effects).toBe(before);
});

test("under a policy without a schedule any rule name starts a backup", async ({ expect }) => {
  const app = await protectedLake();
  const { properties } = policyBody() as { properties: { policyRules: { objectType: string }[] } };
  const policyRules = properties.policyRules.filter(({ objectType }) => objectType === "AzureRetentionRule");
  const { status } = await app.call("PUT", POLICY_ID, { body: { properties: { ...properties, policyRules } } });
  expect(status).toBe(200);
  const body = { backupRuleOptions: { ruleName: "OnDemand" } };
  expect((await app.call("POST", BACKUP, { body })).status).toBe(202);
});
