import { describe, test } from "vitest";
import { itemsOf, messageOf, refusalOf } from "../../test/support/arm-answers.ts";
import {
  BACKUP_BODY,
  INSTANCE_ID,
  instanceBody,
  MemoryApp,
  POLICY_ID,
  policyBody,
  SUBSCRIPTION,
  VAULT_ID,
  vaultBody,
} from "../../test/support/memory-app.ts";
import { DAY_MS } from "../foundation/durations.ts";
import { backupInstanceId } from "../instances/backup-instance.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import { vaultKey } from "../instances/vault-record.ts";
import { LOCK_ROW } from "../jobs/job-lock.ts";

const KEY = vaultKey(VAULT_ID);
const ROW = "prodlake-prodlake-1";
const DELETED_ID = `${VAULT_ID}/deletedBackupInstances/prodlake-prodlake-1`;

async function protectedApp(security?: object): Promise<MemoryApp> {
  const app = new MemoryApp();
  await app.protect();
  if (security !== undefined) {
    const { status } = await app.call("PATCH", VAULT_ID, { body: { properties: { securitySettings: security } } });
    if (status !== 200) throw new Error(`PATCH: ${status}`);
  }
  return app;
}

async function stateOf(app: MemoryApp): Promise<string | undefined> {
  return (await app.tables.instances.get(KEY, ROW))?.value.protectionState;
}

async function addPoint(app: MemoryApp, id: string, changes: Partial<RecoveryPoint> = {}): Promise<void> {
  const instance = backupInstanceId(INSTANCE_ID);
  await app.tables.recoveryPoints.put(instance, id, {
    id,
    sequence: 1,
    instance,
    job: "j",
    slot: "2026-03-01T02:00:00.000Z",
    time: "2026-03-01T02:00:00.000Z",
    sealedAt: "2026-03-01T02:10:00.000Z",
    tag: "Default",
    policy: "daily",
    containers: ["raw"],
    entries: 1,
    bytes: 1,
    warnings: 0,
    promisedUntil: "2026-03-31T02:00:00.000Z",
    ...changes,
  });
}

describe("stop, pause and resume", () => {
  test.for([
    [["stopProtection"], "ProtectionStopped"],
    [["stopProtection", "stopProtection"], "ProtectionStopped"],
    [["stopProtection", "resumeProtection"], "ProtectionConfigured"],
    [["suspendBackups"], "BackupSchedulesSuspended"],
    [["suspendBackups", "stopProtection"], "ProtectionStopped"],
    [["suspendBackups", "resumeBackups"], "ProtectionConfigured"],
    [["resumeBackups"], "ProtectionConfigured"],
  ] as const)("%s leads to %s, and its document says so too", async ([calls, state], { expect }) => {
    const app = await protectedApp();
    for (const call of calls) {
      const accepted = await app.call("POST", `${INSTANCE_ID}/${call}`);
      expect(accepted.status).toBe(202);
      const monitor = await app.call("GET", accepted.headers["azure-asyncoperation"] ?? "");
      expect(monitor.body).toMatchObject({ status: "Succeeded" });
      expect((await app.call("GET", accepted.headers["location"] ?? "")).status).toBe(200);
    }
    expect((await app.call("GET", INSTANCE_ID)).body).toMatchObject({
      properties: { currentProtectionState: state, protectionStatus: { status: state } },
    });
    const { value } = (await app.tables.instances.get(KEY, ROW)) ?? {};
    expect(app.files.document(value?.id ?? "")).toMatchObject({ protectionState: state });
  });

  test.for([
    [["suspendBackups"], "resumeProtection"],
    [["stopProtection"], "resumeBackups"],
    [["stopProtection"], "suspendBackups"],
  ] as const)("after %s, %s is refused and changes nothing", async ([before, call], { expect }) => {
    const app = await protectedApp();
    for (const one of before) await app.call("POST", `${INSTANCE_ID}/${one}`);
    const effects = app.effects;
    const refused = await app.call("POST", `${INSTANCE_ID}/${call}`);
    expect(refusalOf(refused)).toEqual([409, "OperationNotAllowedInProtectionState", "instance/invalid-state"]);
    expect(app.effects).toBe(effects);
  });

  test("a resumed instance has no slots from the time without protection", async ({ expect }) => {
    const app = await protectedApp();
    await app.call("POST", `${INSTANCE_ID}/suspendBackups`);
    app.now = new Date("2026-04-01T10:00:00.000Z");
    await app.call("POST", `${INSTANCE_ID}/resumeBackups`);
    expect((await app.tables.instances.get(KEY, ROW))?.value.slotsAfter).toBe("2026-04-01T10:00:00.000Z");
  });

  test("no backup on demand while it is suspended or stopped", async ({ expect }) => {
    for (const call of ["suspendBackups", "stopProtection"]) {
      const app = await protectedApp();
      await app.call("POST", `${INSTANCE_ID}/${call}`);
      const refused = await app.call("POST", `${INSTANCE_ID}/backup`, { body: BACKUP_BODY });
      expect(refusalOf(refused)[2]).toBe("instance/not-protected");
    }
    expect.assertions(2);
  });
});

describe("deletion", () => {
  test("a deleted instance is listed among the deleted, until it is undeleted and resumed", async ({ expect }) => {
    const app = await protectedApp({ softDeleteSettings: { state: "On", retentionDurationInDays: 30 } });
    const accepted = await app.call("DELETE", INSTANCE_ID);
    expect(accepted.status).toBe(202);
    expect((await app.call("GET", accepted.headers["azure-asyncoperation"] ?? "")).body).toMatchObject({
      status: "Succeeded",
    });
    expect((await app.call("DELETE", INSTANCE_ID)).status).toBe(204);
    expect(refusalOf(await app.call("GET", INSTANCE_ID))[2]).toBe("instance/not-found");
    expect(itemsOf(await app.call("GET", `${VAULT_ID}/backupInstances`))).toEqual([]);
    expect(itemsOf(await app.call("GET", `${VAULT_ID}/deletedBackupInstances`))).toMatchObject([
      {
        id: DELETED_ID,
        properties: {
          objectType: "DeletedBackupInstance",
          currentProtectionState: "SoftDeleted",
          deletionInfo: {
            deletionTime: "2026-03-02T10:00:00.000Z",
            scheduledPurgeTime: "2026-04-01T10:00:00.000Z",
            deleteActivityID: expect.any(String),
          },
        },
      },
    ]);
    expect((await app.call("GET", DELETED_ID)).status).toBe(200);
    const put = await app.call("PUT", INSTANCE_ID, { body: instanceBody() });
    expect(refusalOf(put)).toEqual([409, "BackupInstanceSoftDeleted", "instance/deleted"]);

    expect((await app.call("POST", `${DELETED_ID}/undelete`)).status).toBe(202);
    expect((await app.call("POST", `${DELETED_ID}/undelete`)).status).toBe(202);
    expect(await stateOf(app)).toBe("ProtectionStopped");
    expect(refusalOf(await app.call("GET", DELETED_ID))[2]).toBe("instance/not-found");
    await app.call("POST", `${INSTANCE_ID}/resumeProtection`);
    expect(await stateOf(app)).toBe("ProtectionConfigured");
  });

  test("it cannot be undeleted when its time is over", async ({ expect }) => {
    const app = await protectedApp();
    await app.call("DELETE", INSTANCE_ID);
    app.now = new Date(app.now.getTime() + 14 * DAY_MS);
    expect(refusalOf(await app.call("POST", `${DELETED_ID}/undelete`))[2]).toBe("instance/not-found");
    expect(itemsOf(await app.call("GET", `${VAULT_ID}/deletedBackupInstances`))).toEqual([]);
    expect(await stateOf(app)).toBe("SoftDeleted");
  });

  test("without soft delete it is purged at once, and listed nowhere", async ({ expect }) => {
    const app = await protectedApp({ softDeleteSettings: { state: "Off" } });
    await app.call("DELETE", INSTANCE_ID);
    expect(itemsOf(await app.call("GET", `${VAULT_ID}/deletedBackupInstances`))).toEqual([]);
    expect((await app.tables.instances.get(KEY, ROW))?.value.deletion).toMatchObject({
      deletedAt: "2026-03-02T10:00:00.000Z",
      purgeAt: "2026-03-02T10:00:00.000Z",
    });
  });

  test("an instance with a running job is not deleted", async ({ expect }) => {
    const app = await protectedApp();
    const { id } = (await app.tables.instances.get(KEY, ROW))?.value ?? { id: "" };
    await app.call("POST", `${INSTANCE_ID}/backup`, { body: BACKUP_BODY });
    const [job] = (await app.tables.jobs.list(KEY)).records;
    await app.tables.locks.put(id, LOCK_ROW, { job: job?.row ?? "", since: "" });
    expect(refusalOf(await app.call("DELETE", INSTANCE_ID))[2]).toBe("instance/busy");
  });

  test("another instance may claim the datasource of a deleted one, which then is not resumed", async ({ expect }) => {
    const app = await protectedApp();
    await app.call("DELETE", INSTANCE_ID);
    const other = INSTANCE_ID.replace(ROW, "other");
    expect((await app.call("PUT", other, { body: instanceBody() })).status).toBe(201);
    await app.call("POST", `${DELETED_ID}/undelete`);
    const resumed = await app.call("POST", `${INSTANCE_ID}/resumeProtection`);
    expect(refusalOf(resumed)[2]).toBe("instance/already-protected");
    expect(await stateOf(app)).toBe("ProtectionStopped");
  });

  test("of two concurrent PUTs for one datasource, one succeeds", async ({ expect }) => {
    const app = await protectedApp();
    app.accounts.containers.set("otherlake", ["raw"]);
    const body = instanceBody({ account: "otherlake", containers: ["raw"] });
    const put = (name: string) => app.call("PUT", INSTANCE_ID.replace(ROW, name), { body });
    const statuses = (await Promise.all([put("one"), put("two"), put("three")])).map(({ status }) => status);
    expect(statuses.sort()).toEqual([201, 409, 409]);
  });
});

describe("the vault", () => {
  test("members that a PATCH does not have stay unchanged", async ({ expect }) => {
    const app = await protectedApp({ softDeleteSettings: { state: "On", retentionDurationInDays: 30 } });
    const patched = await app.call("PATCH", VAULT_ID, {
      body: { tags: { a: "b" }, properties: { securitySettings: { immutabilitySettings: { state: "Unlocked" } } } },
    });
    expect(patched).toMatchObject({
      status: 200,
      body: {
        location: "westeurope",
        tags: { a: "b" },
        properties: {
          storageSettings: [{ type: "LocallyRedundant" }],
          securitySettings: {
            softDeleteSettings: { state: "On", retentionDurationInDays: 30 },
            immutabilitySettings: { state: "Unlocked" },
          },
        },
      },
    });
    const put = await app.call("PUT", VAULT_ID, { body: vaultBody() });
    expect(put.body).toMatchObject({
      properties: { securitySettings: { immutabilitySettings: { state: "Unlocked" } } },
    });
  });

  const LOCKED = { immutabilitySettings: { state: "Locked" } };
  const ALWAYS = { softDeleteSettings: { state: "AlwaysOn", retentionDurationInDays: 60 } };
  test.for([
    [LOCKED, { immutabilitySettings: { state: "Unlocked" } }, "vault/immutable"],
    [LOCKED, { immutabilitySettings: { state: "Disabled" } }, "vault/immutable"],
    [ALWAYS, { softDeleteSettings: { state: "On" } }, "vault/soft-delete-always-on"],
    [ALWAYS, { softDeleteSettings: { state: "Off" } }, "vault/soft-delete-always-on"],
    [ALWAYS, { softDeleteSettings: { retentionDurationInDays: 59 } }, "vault/soft-delete-always-on"],
    [{}, { softDeleteSettings: { retentionDurationInDays: 13 } }, "request/invalid"],
    [{}, { softDeleteSettings: { retentionDurationInDays: 181 } }, "request/invalid"],
    [{}, { softDeleteSettings: { state: "Perhaps" } }, "request/invalid"],
  ] as [object, object, string][])("from %j it cannot change to %j", async ([before, wanted, code], { expect }) => {
    const app = await protectedApp(before);
    const effects = app.effects;
    for (const [method, body] of [
      ["PATCH", { properties: { securitySettings: wanted } }],
      ["PUT", { location: "westeurope", properties: { securitySettings: wanted } }],
    ] as const) {
      expect(refusalOf(await app.call(method, VAULT_ID, { body }))[2]).toBe(code);
    }
    expect(app.effects).toBe(effects);
  });

  test.for([
    [LOCKED, ALWAYS],
    [ALWAYS, { softDeleteSettings: { retentionDurationInDays: 61 } }],
    [{ immutabilitySettings: { state: "Unlocked" } }, { immutabilitySettings: { state: "Disabled" } }],
  ])("from %j it can change to %j", async ([before, wanted], { expect }) => {
    const app = await protectedApp(before);
    const body = { properties: { securitySettings: wanted } };
    expect((await app.call("PATCH", VAULT_ID, { body })).status).toBe(200);
  });

  test("it is deleted with its policies when it has no instance, also no deleted one", async ({ expect }) => {
    const app = await protectedApp();
    expect(refusalOf(await app.call("DELETE", VAULT_ID))).toEqual([409, "VaultNotEmpty", "vault/not-empty"]);
    expect(refusalOf(await app.call("DELETE", POLICY_ID))).toEqual([409, "BackupPolicyInUse", "policy/in-use"]);
    await app.call("DELETE", INSTANCE_ID);
    expect(refusalOf(await app.call("DELETE", VAULT_ID))[2]).toBe("vault/not-empty");
    expect(refusalOf(await app.call("DELETE", POLICY_ID))[2]).toBe("policy/in-use");
    await app.tables.instances.remove(KEY, ROW);
    await app.files.remove(backupInstanceId(INSTANCE_ID));
    const other = POLICY_ID.replace("daily", "other");
    await app.call("PUT", other, { body: policyBody() });
    expect((await app.call("DELETE", other)).status).toBe(200);
    expect((await app.call("DELETE", other)).status).toBe(204);
    expect((await app.call("DELETE", VAULT_ID)).status).toBe(200);
    expect((await app.call("DELETE", VAULT_ID)).status).toBe(204);
    expect(app.tables.policies.size + app.tables.vaults.size).toBe(0);
    expect(app.files.containers.size).toBe(0);
  });
});

describe("when the tables are lost", () => {
  test("a PUT does not reset the settings of a vault", async ({ expect }) => {
    const app = await protectedApp({ immutabilitySettings: { state: "Locked" } });
    for (const { row } of (await app.tables.vaults.list(SUBSCRIPTION)).records) {
      await app.tables.vaults.remove(SUBSCRIPTION, row);
    }
    const body = {
      location: "westeurope",
      properties: { securitySettings: { immutabilitySettings: { state: "Disabled" } } },
    };
    expect(refusalOf(await app.call("PUT", VAULT_ID, { body }))[2]).toBe("vault/immutable");
    expect((await app.call("GET", VAULT_ID)).body).toMatchObject({
      properties: { securitySettings: { immutabilitySettings: { state: "Locked" } } },
    });
  });

  test("nor does one when its document is unreadable", async ({ expect }) => {
    const app = await protectedApp({ immutabilitySettings: { state: "Locked" } });
    for (const { row } of (await app.tables.vaults.list(SUBSCRIPTION)).records) {
      await app.tables.vaults.remove(SUBSCRIPTION, row);
    }
    app.files.write(`vault-${KEY}`, "vault.json", new TextEncoder().encode("{"));
    const effects = app.effects;
    expect(refusalOf(await app.call("PUT", VAULT_ID, { body: vaultBody() }))[2]).toBe("format/corrupt");
    expect(app.effects).toBe(effects);
  });

  test("a vault with instances that have no rows is not deleted", async ({ expect }) => {
    const app = await protectedApp();
    await app.tables.instances.remove(KEY, ROW);
    expect(refusalOf(await app.call("DELETE", VAULT_ID))[2]).toBe("vault/not-empty");
    expect(await stateOf(app)).toBe("ProtectionConfigured");
  });
});

describe("an immutable vault", () => {
  const IMMUTABLE = { immutabilitySettings: { state: "Unlocked" } };

  test("does not delete an instance whose points must be kept, and says until when", async ({ expect }) => {
    const app = await protectedApp(IMMUTABLE);
    await addPoint(app, "p1");
    const refused = await app.call("DELETE", INSTANCE_ID);
    expect(refusalOf(refused)).toEqual([409, "OperationNotAllowedOnImmutableVault", "vault/immutable"]);
    expect(messageOf(refused)).toContain("2026-03-31T02:00:00.000Z");
    expect(await stateOf(app)).toBe("ProtectionConfigured");
    app.now = new Date("2026-04-01T00:00:00.000Z");
    expect((await app.call("DELETE", INSTANCE_ID)).status).toBe(202);
  });

  test("keeps forever points without a rule", async ({ expect }) => {
    const app = await protectedApp(IMMUTABLE);
    await addPoint(app, "p1", { tag: "Nobody's" });
    app.now = new Date("2036-04-01T00:00:00.000Z");
    expect(messageOf(await app.call("DELETE", INSTANCE_ID))).toContain("forever");
  });

  test("accepts longer rules, and none by which a point would expire earlier", async ({ expect }) => {
    const app = await protectedApp();
    await app.call("PUT", POLICY_ID, { body: policyBody({ keep: "P1Y" }) });
    await addPoint(app, "p1");
    await app.call("PATCH", VAULT_ID, { body: { properties: { securitySettings: IMMUTABLE } } });
    const refused = await app.call("PUT", POLICY_ID, { body: policyBody({ keep: "P11M" }) });
    expect(refusalOf(refused)[2]).toBe("vault/immutable");
    expect(messageOf(refused)).toContain("until 2027-03-01T02:00:00.000Z");
    expect((await app.call("PUT", POLICY_ID, { body: policyBody({ keep: "P2Y" }) })).status).toBe(200);
  });

  test("refuses another policy for an instance by which a point would expire earlier", async ({ expect }) => {
    const app = await protectedApp();
    await app.call("PUT", POLICY_ID, { body: policyBody({ keep: "P1Y" }) });
    const shorter = POLICY_ID.replace("daily", "shorter");
    await app.call("PUT", shorter, { body: policyBody({ keep: "P30D" }) });
    await addPoint(app, "p1");
    await app.call("PATCH", VAULT_ID, { body: { properties: { securitySettings: IMMUTABLE } } });
    const body = instanceBody({ policyId: shorter });
    expect(refusalOf(await app.call("PUT", INSTANCE_ID, { body }))[2]).toBe("vault/immutable");
    const asked = { body: { backupInstance: body.properties } };
    expect(refusalOf(await app.call("POST", `${INSTANCE_ID}/validateForModifyBackup`, asked))[2]).toBe(
      "vault/immutable",
    );
    app.now = new Date("2028-04-01T00:00:00.000Z");
    expect((await app.call("POST", `${INSTANCE_ID}/validateForModifyBackup`, asked)).status).toBe(202);
    expect((await app.call("PUT", INSTANCE_ID, { body })).status).toBe(200);
  });
});

describe("retention by hand", () => {
  const PATH = `/api${INSTANCE_ID}/retention`;

  async function withPoints(): Promise<MemoryApp> {
    const app = await protectedApp();
    const instance = backupInstanceId(INSTANCE_ID);
    for (const [n, id] of ["p1", "p2"].entries()) {
      await addPoint(app, id, { sequence: n + 1 });
      const path = `recovery-points/${id}/recovery-point.json`;
      app.files.write(`bi-${instance}`, path, new Uint8Array(), { sequence: String(n + 1) });
    }
    return app;
  }

  test("a dry run lists what would be purged and why the others are kept, and changes nothing", async ({ expect }) => {
    const app = await withPoints();
    app.now = new Date("2026-04-02T00:00:00.000Z");
    const effects = app.effects;
    const { status, body } = await app.call("POST", PATH, { body: { dryRun: true } });
    expect(status).toBe(200);
    expect(body).toEqual({
      recoveryPoints: [
        expect.objectContaining({
          recoveryPointId: "p1",
          action: "purge",
          goes: true,
          because: "kept 30 days by rule 'Default'",
          expiredAt: "2026-03-31T02:00:00.000Z",
          // Its seal is empty: the purge would fail, and the dry run says why.
          purge: { isComplete: false, problem: expect.stringContaining("p1") },
        }),
        expect.objectContaining({
          recoveryPointId: "p2",
          action: "keep",
          goes: false,
          because: "newest recovery point of a protected instance",
        }),
      ],
      removesInstance: false,
    });
    expect(app.effects).toBe(effects);
  });

  test("without it a job purges, the same one when the request is repeated", async ({ expect }) => {
    const app = await withPoints();
    const headers = { "x-ms-client-request-id": "once" };
    const first = await app.call("POST", PATH, { headers });
    const again = await app.call("POST", PATH, { headers });
    expect(first.status).toBe(202);
    expect(again.headers["location"]).toBe(first.headers["location"]);
    const [job, ...others] = itemsOf<{ properties: object }>(await app.call("GET", `${VAULT_ID}/backupJobs`));
    expect(others).toEqual([]);
    expect(job?.properties).toMatchObject({ operation: "Retention", operationCategory: "Management" });
    expect(app.orchestrations.started).toMatchObject([{ name: "retention" }]);
  });
});
