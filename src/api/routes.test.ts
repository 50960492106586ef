import { describe, test } from "vitest";
import {
  BACKUP_BODY,
  INSTANCE_ID,
  instanceBody,
  MemoryApp,
  POLICY_ID,
  policyBody,
  restoreBody,
  SUBSCRIPTION,
  VAULT_ID,
  vaultBody,
} from "../../test/support/memory-app.ts";
import {
  missingContract,
  PublishedContract,
  publishedExample,
  publishedPolicy,
} from "../../test/support/published-contract.ts";
import { backupInstanceId } from "../instances/backup-instance.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import { vaultKey } from "../instances/vault-record.ts";
import type { Job } from "../jobs/job.ts";
import { NO_TOTALS } from "../jobs/job-totals.ts";
import { plannedRangeId, workRows } from "../jobs/work.ts";
import type { ApiResponse } from "./api-call.ts";

const KEY = vaultKey(VAULT_ID);

test("the published description is present, or its tests are skipped for a stated reason", ({ expect, skip }) => {
  skip(missingContract !== undefined, missingContract);
  expect(new PublishedContract().problems("CloudError", { error: { code: "x", unknown: 1 } })).toEqual([
    "/error/unknown is not declared",
  ]);
  expect(new PublishedContract().problems("AzureBackupJobResource", { properties: {} })).toContain(
    "/properties must have required property 'status'",
  );
});

/** Writes rows of a running job, so that its resource has all members. */
async function putWork(app: MemoryApp, job: Job): Promise<void> {
  const { work } = app.tables;
  await work.put(job.id, workRows.plan("raw"), { kind: "plan", container: "raw", parts: 1, cuts: [], expected: 9 });
  await work.put(job.id, workRows.running("raw", plannedRangeId(0), 0), {
    kind: "running",
    totals: { ...NO_TOTALS, listed: 2, copied: 1 },
    since: job.startedAt,
    notedAt: job.startedAt,
    objectsPerSecond: 1,
    bytesPerSecond: 1,
    pressure: {
      width: 1,
      widest: 2,
      halvings: 1,
      last: { code: "storage/throttled", message: "busy", at: job.startedAt },
    },
  });
}

describe.skipIf(missingContract !== undefined)("the published contract", () => {
  /** Asks for everything that the API can answer, in all states, and names the schema of each answer. */
  async function* answers(): AsyncGenerator<readonly [string, string, ApiResponse]> {
    const app = new MemoryApp();
    const get = async (name: string, path: string) => [name, path, await app.call("GET", path)] as const;
    const put = async (name: string, path: string, body: unknown) =>
      [name, `PUT ${path}`, await app.call("PUT", path, { body })] as const;

    yield await get("CloudError", VAULT_ID);
    yield await put("BackupVaultResource", VAULT_ID, vaultBody());
    yield await put("BackupVaultResource", VAULT_ID, vaultBody());
    yield await get(
      "BackupVaultResourceList",
      `/subscriptions/${SUBSCRIPTION}/providers/Microsoft.DataProtection/backupVaults`,
    );
    yield await put("BaseBackupPolicyResource", POLICY_ID, policyBody());
    yield await get("BaseBackupPolicyResourceList", `${VAULT_ID}/backupPolicies`);
    const made = await app.call("PUT", INSTANCE_ID, { body: instanceBody() });
    yield ["BackupInstanceResource", "PUT instance", made];
    yield await get("OperationResource", made.headers["azure-asyncoperation"] ?? "");
    yield await get("BackupInstanceResource", made.headers["location"] ?? "");
    yield await put("BackupInstanceResource", INSTANCE_ID, instanceBody());
    yield await get("BackupInstanceResourceList", `${VAULT_ID}/backupInstances`);
    yield await get("CommonOperationListResult", "/providers/Microsoft.DataProtection/operations");

    const accepted = await app.call("POST", `${INSTANCE_ID}/backup`, { body: BACKUP_BODY });
    const [statusUrl = "", resultUrl = ""] = [accepted.headers["azure-asyncoperation"], accepted.headers["location"]];
    const [job] = Object.values(app.tables.jobs.dump()[KEY] ?? {});
    if (job === undefined) throw new Error("no job");
    const jobPath = `${VAULT_ID}/backupJobs/${job.id}`;
    yield await get("OperationResource", statusUrl);
    yield await get("AzureBackupJobResource", jobPath);
    yield await get("AzureBackupJobResourceList", `${VAULT_ID}/backupJobs`);

    await putWork(app, job);
    yield await get("AzureBackupJobResource", jobPath);
    const cancelled = await app.call("POST", `${jobPath}/cancel`);
    yield await get("OperationResource", cancelled.headers["azure-asyncoperation"] ?? "");
    yield await get("AzureBackupJobResource", jobPath);

    const point: RecoveryPoint = {
      id: "a".repeat(32),
      sequence: 1,
      instance: backupInstanceId(INSTANCE_ID),
      job: job.id,
      slot: job.startedAt,
      time: job.startedAt,
      sealedAt: job.startedAt,
      tag: "Default",
      policy: "daily",
      containers: ["raw"],
      entries: 1,
      bytes: 1,
      warnings: 1,
    };
    await app.tables.recoveryPoints.put(point.instance, point.id, point);
    yield await get("AzureBackupRecoveryPointResource", `${INSTANCE_ID}/recoveryPoints/${point.id}`);
    yield await get("AzureBackupRecoveryPointResourceList", `${INSTANCE_ID}/recoveryPoints`);

    const ended = { ...job, endedAt: "2026-03-02T11:00:00.000Z", tag: "Default", containers: ["raw"] };
    await app.tables.jobs.put(KEY, job.id, {
      ...ended,
      status: "CompletedWithWarnings",
      totals: { ...NO_TOTALS, copied: 1 },
      recoveryPoint: { id: point.id, sequence: 1, time: point.time },
      warnings: { count: 1, first: [{ container: "raw", name: "a", code: "archived", message: "archived" }] },
    });
    yield await get("OperationResource", statusUrl);
    yield await get("OperationJobExtendedInfo", resultUrl);
    yield await get("AzureBackupJobResource", jobPath);
    yield await get("CloudError", cancelled.headers["location"] ?? "");
    yield ["CloudError", "cancel", await app.call("POST", `${jobPath}/cancel`)];

    await app.tables.jobs.put(KEY, job.id, {
      ...ended,
      status: "Failed",
      failure: { code: "storage/unavailable", message: "gone", hint: "wait" },
      request: {
        kind: "restore",
        recoveryPoint: point.id,
        target: { resourceId: "/x", account: "restored" },
        containers: ["raw"],
      },
    });
    yield await get("OperationResource", statusUrl);
    yield await get("CloudError", resultUrl);
    yield await get("AzureBackupJobResource", jobPath);

    const validate = { restoreRequestObject: restoreBody({ recoveryPoint: point.id }) };
    yield [
      "OperationJobExtendedInfo",
      "validateRestore",
      await app.call("POST", `${INSTANCE_ID}/validateRestore`, { body: validate }),
    ];
    yield* lifeAnswers(app);
  }

  /** The same for the life of an instance and its vault. */
  async function* lifeAnswers(app: MemoryApp): AsyncGenerator<readonly [string, string, ApiResponse]> {
    const ask = async (name: string, method: string, path: string, body?: unknown) =>
      [name, `${method} ${path}`, await app.call(method, path, { body })] as const;
    const security = { immutabilitySettings: { state: "Disabled" }, softDeleteSettings: { state: "On" } };
    yield await ask("BackupVaultResource", "PATCH", VAULT_ID, { properties: { securitySettings: security } });
    const stopped = await app.call("POST", `${INSTANCE_ID}/stopProtection`);
    yield await ask("OperationResource", "GET", stopped.headers["azure-asyncoperation"] ?? "");
    yield await ask("OperationJobExtendedInfo", "GET", stopped.headers["location"] ?? "");
    yield await ask("BackupInstanceResource", "GET", INSTANCE_ID);
    yield await ask("CloudError", "POST", `${INSTANCE_ID}/resumeBackups`);
    for (const kind of ["retention", "scrub"]) {
      const accepted = await app.call("POST", `/api${INSTANCE_ID}/${kind}`);
      yield await ask("OperationResource", "GET", accepted.headers["azure-asyncoperation"] ?? "");
    }
    const jobs = Object.values(app.tables.jobs.dump()[KEY] ?? {});
    for (const { id, request } of jobs) {
      if (request.kind !== "retention" && request.kind !== "scrub") continue;
      await app.tables.jobs.put(KEY, id, {
        ...(jobs.find((job) => job.id === id) as Job),
        status: "Completed",
        endedAt: "2026-03-02T11:00:00.000Z",
        counts: { recoveryPointsPurged: 1 },
      });
      yield await ask("AzureBackupJobResource", "GET", `${VAULT_ID}/backupJobs/${id}`);
    }
    await app.call("DELETE", INSTANCE_ID);
    const deleted = `${VAULT_ID}/deletedBackupInstances`;
    yield await ask("DeletedBackupInstanceResourceList", "GET", deleted);
    yield await ask("DeletedBackupInstanceResource", "GET", `${deleted}/prodlake-prodlake-1`);
  }

  test("is matched by every response, without undeclared members", async ({ expect }) => {
    const contract = new PublishedContract();
    let asked = 0;
    for await (const [definition, what, { body }] of answers()) {
      expect([what, ...contract.problems(definition, body)]).toEqual([what]);
      asked += 1;
    }
    expect(asked).toBe(40);
  });

  test("allows the bodies that these tests send", ({ expect }) => {
    const contract = new PublishedContract();
    const restore = restoreBody({ recoveryPoint: "x", containers: ["raw"] });
    expect(contract.problems("BackupVaultResource", vaultBody())).toEqual([]);
    expect(contract.problems("BaseBackupPolicyResource", policyBody())).toEqual([]);
    expect(contract.problems("BackupInstanceResource", instanceBody())).toEqual([]);
    expect(contract.problems("TriggerBackupRequest", BACKUP_BODY)).toEqual([]);
    expect(contract.problems("AzureBackupRestoreRequest__any", restore)).toEqual([]);
  });
});

describe.skipIf(missingContract !== undefined)("Microsoft's own bodies are understood:", () => {
  const ADLS = "Microsoft.Storage/storageAccounts/adlsBlobServices";
  const BLOB = "Microsoft.Storage/storageAccounts/blobServices";

  test.for([
    ["AzureBlob.defaultPolicy.put-body.json", BLOB, "days"],
    ["AzureDataLakeStorage.defaultPolicy.put-body.json", ADLS, "weeks"],
  ] as const)("policy %s", async ([file, datasourceType, unit], { expect }) => {
    const app = new MemoryApp();
    await app.call("PUT", VAULT_ID, { body: vaultBody() });
    const body = publishedPolicy(file);
    const put = await app.call("PUT", POLICY_ID, { body });
    expect(put).toMatchObject({ status: 200, body: body as object });
    expect((await app.tables.policies.get(KEY, "daily"))?.value).toMatchObject({
      datasourceTypes: [datasourceType],
      backupRule: {
        intervals: [{ every: { unit, count: 1 }, zone: "UTC" }],
        tagging: [{ tag: "Default", isDefault: true }],
      },
      retentionRules: [{ name: "Default", keep: "P7D" }],
    });
  });

  const FOLDER = "BackupInstanceOperations";
  test.for([
    [
      `${FOLDER}/PutBackupInstance_ADLSBlobBackupDatasourceParameters.json`,
      ADLS,
      { kind: "chosen", names: ["container1"] },
    ],
    [
      `${FOLDER}/PutBackupInstance_BlobBackupAutoProtection.json`,
      BLOB,
      { kind: "all", excludedPrefixes: ["temp-", "test-"] },
    ],
    [
      `2026-03-01/${FOLDER}/PutBackupInstance_ADLSBlobBackupAutoProtection.json`,
      ADLS,
      { kind: "all", excludedPrefixes: ["temp-", "test-"] },
    ],
  ] as const)("instance %s", async ([file, datasourceType, containers], { expect }) => {
    const { parameters } = publishedExample(file);
    const { subscriptionId, resourceGroupName, vaultName, backupInstanceName } = parameters;
    const vaultId = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroupName}/providers/Microsoft.DataProtection/backupVaults/${vaultName}`;
    const body = parameters["parameters"] as {
      properties: { policyInfo: { policyId: string }; dataSourceInfo: { resourceName: string } };
    };
    const app = new MemoryApp();
    const { policyInfo, dataSourceInfo } = body.properties;
    app.accounts.containers.set(dataSourceInfo.resourceName, ["container1"]);
    await app.call("PUT", vaultId, { body: { ...vaultBody(), location: "centraluseuap" } });
    await app.call("PUT", policyInfo.policyId, { body: policyBody({ datasourceType }) });

    const put = await app.call("PUT", `${vaultId}/backupInstances/${backupInstanceName}`, { body });
    expect(put).toMatchObject({ status: 201, body: { properties: body.properties } });
    const stored = (await app.tables.instances.get(vaultKey(vaultId), String(backupInstanceName)))?.value;
    expect(stored?.containers).toEqual(containers);
  });

  test("vault PutBackupVault.json", async ({ expect }) => {
    const body = publishedExample("VaultCRUD/PutBackupVault.json").parameters["parameters"];
    const put = await new MemoryApp().call("PUT", VAULT_ID, { body });
    expect(put).toMatchObject({ status: 201, body: body as object });
  });

  test("backup TriggerBackup.json", async ({ expect }) => {
    const { parameters } = publishedExample(`${FOLDER}/TriggerBackup.json`);
    const app = new MemoryApp();
    await app.protect();
    const { status, body } = await app.call("POST", `${INSTANCE_ID}/backup`, { body: parameters["parameters"] });
    // Parsed correctly; only the rule that it names is not in this policy.
    expect(status).toBe(400);
    expect(JSON.stringify(body)).toContain("has no backup rule 'BackupWeekly'");
  });
});
