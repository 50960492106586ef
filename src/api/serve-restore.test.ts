import { describe, test } from "vitest";
import { messageOf, refusalOf } from "../../test/support/arm-answers.ts";
import { accountId, INSTANCE_ID, MemoryApp, restoreBody, VAULT_ID } from "../../test/support/memory-app.ts";
import { backupInstanceId } from "../instances/backup-instance.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import { vaultKey } from "../instances/vault-record.ts";

const KEY = vaultKey(VAULT_ID);
const INSTANCE = backupInstanceId(INSTANCE_ID);
const RESTORE = `${INSTANCE_ID}/restore`;
const VALIDATE = `${INSTANCE_ID}/validateRestore`;
const POINT = "a".repeat(32);

async function withPoint(): Promise<MemoryApp> {
  const app = new MemoryApp();
  await app.protect();
  const point: RecoveryPoint = {
    id: POINT,
    sequence: 1,
    instance: INSTANCE,
    job: "job",
    slot: "2026-03-01T02:00:00.000Z",
    time: "2026-03-01T02:00:01.000Z",
    sealedAt: "2026-03-01T02:05:00.000Z",
    tag: "Default",
    policy: "daily",
    containers: ["raw", "curated"],
    entries: 5,
    bytes: 50,
    warnings: 0,
  };
  await app.tables.recoveryPoints.put(INSTANCE, POINT, point);
  return app;
}

function jobsOf(app: MemoryApp) {
  return Object.values(app.tables.jobs.dump()[KEY] ?? {});
}

const whole = restoreBody({ recoveryPoint: POINT });

test("a restore of the whole account writes its job, then starts it", async ({ expect }) => {
  const app = await withPoint();
  const accepted = await app.call("POST", RESTORE, { body: whole });
  expect(accepted.status).toBe(202);
  expect(accepted.headers).toHaveProperty("azure-asyncoperation");
  expect(accepted.headers).toHaveProperty("location");
  const [job] = jobsOf(app);
  expect(job).toMatchObject({
    status: "InProgress",
    requestedBy: "user",
    request: {
      kind: "restore",
      recoveryPoint: POINT,
      target: { resourceId: accountId("restored"), account: "restored", location: "westeurope" },
    },
  });
  expect(job?.request).not.toHaveProperty("containers");
  expect(app.orchestrations.started).toEqual([
    { name: "restore", id: `restore-${job?.id}`, input: { vault: KEY, job: job?.id } },
  ]);
});

test("a restore of whole containers names them once each", async ({ expect }) => {
  const app = await withPoint();
  const body = restoreBody({ recoveryPoint: POINT, containers: ["raw", "raw"] });
  expect((await app.call("POST", RESTORE, { body })).status).toBe(202);
  expect(jobsOf(app)).toMatchObject([{ request: { containers: ["raw"] } }]);
});

test("a restore ignores containers in the target that it does not touch", async ({ expect }) => {
  const app = await withPoint();
  app.accounts.containers.set("restored", ["curated", "other"]);
  const body = restoreBody({ recoveryPoint: POINT, containers: ["raw"] });
  expect((await app.call("POST", RESTORE, { body })).status).toBe(202);
});

test("a repeated restore is the same job, although the first has created its containers", async ({ expect }) => {
  const app = await withPoint();
  const headers = { "x-ms-client-request-id": "one" };
  const first = await app.call("POST", RESTORE, { body: whole, headers });
  app.accounts.containers.set("restored", ["raw", "curated"]);
  const second = await app.call("POST", RESTORE, { body: whole, headers });
  expect(second.status).toBe(202);
  expect(second.headers["location"]).toBe(first.headers["location"]);
  expect(jobsOf(app)).toHaveLength(1);

  const other = await app.call("POST", RESTORE, {
    body: restoreBody({ recoveryPoint: POINT, containers: ["raw"] }),
    headers,
  });
  expect(refusalOf(other)[2]).toBe("restore/target-container-exists");
});

test("validateRestore returns at once and leaves nothing behind", async ({ expect }) => {
  const app = await withPoint();
  const before = app.effects;
  const response = await app.call("POST", VALIDATE, { body: { restoreRequestObject: whole } });
  expect(response).toMatchObject({ status: 200, body: { objectType: "OperationJobExtendedInfo" } });
  expect(app.effects).toBe(before);
});

describe("is refused", () => {
  type Body = ReturnType<typeof restoreBody>;
  const changed = (changes: object): object => ({ ...whole, ...changes });
  const target = (changes: object, body: Body = whole): object => ({
    ...body,
    restoreTargetInfo: { ...body.restoreTargetInfo, ...changes },
  });
  const datasource = (changes: object): object =>
    target({ datasourceInfo: { ...whole.restoreTargetInfo.datasourceInfo, ...changes } });
  const criterion = (changes: object): object =>
    target({
      objectType: "ItemLevelRestoreTargetInfo",
      restoreCriteria: [
        { objectType: "ItemPathBasedRestoreCriteria", itemPath: "raw", isPathRelativeToBackupItem: true, ...changes },
      ],
    });
  const INVALID = [400, "UserErrorInvalidParameterInRequest", "request/invalid"] as const;
  const UNSUPPORTED = [400, "RestoreNotSupported", "restore/unsupported"] as const;
  const OTHER_REGION = [400, "RestoreTargetInOtherRegion", "restore/target-in-other-region"] as const;
  const NO_POINT = [404, "ResourceNotFound", "recovery-point/not-found"] as const;
  const ORIGINAL = [400, "UserErrorOriginalLocationRestoreNotSupported", "restore/target-is-source"] as const;

  test.for([
    ["an unknown recovery point", restoreBody({ recoveryPoint: "b".repeat(32) }), NO_POINT, "recovery point 'bbb"],
    ["what is no recovery point", restoreBody({ recoveryPoint: "../x#" }), NO_POINT, "recovery point '../x#'"],
    [
      "an unknown target account",
      restoreBody({ recoveryPoint: POINT, account: "nolake" }),
      [400, "UserErrorAzureResourceNotFoundByPlugin", "restore/target-account-unknown"],
      "storage account 'nolake' was not found",
    ],
    ["the source account", restoreBody({ recoveryPoint: POINT, account: "prodlake" }), ORIGINAL, "'prodlake'"],
    ["the source account in other letters", datasource({ resourceID: accountId("PRODLAKE") }), ORIGINAL, "'prodlake'"],
    [
      "the source account under another id",
      datasource({ resourceID: accountId("prodlake").replace("/lakes/", "/other/") }),
      ORIGINAL,
      "'prodlake'",
    ],
    ["another region", target({ restoreLocation: "northeurope" }), OTHER_REGION, "'northeurope'"],
    ["an account in another region", datasource({ resourceLocation: "northeurope" }), OTHER_REGION, "'northeurope'"],
    [
      "a container that the point does not hold",
      restoreBody({ recoveryPoint: POINT, containers: ["raw", "lost"] }),
      [400, "UserErrorIncorrectContainersSelectedForOperation", "restore/container-not-in-recovery-point"],
      "does not contain 'lost'",
    ],
    ["prefixes in a container", criterion({ subItemPathPrefix: ["2026/"] }), UNSUPPORTED, "item path prefixes"],
    ["another name", criterion({ renameTo: "raw2" }), UNSUPPORTED, "another name"],
    ["a path below a container", criterion({ itemPath: "raw/2026" }), UNSUPPORTED, "below a container"],
    ["a range of names", criterion({ objectType: "RangeBasedItemLevelRestoreCriteria" }), UNSUPPORTED, "RangeBased"],
    ["an item without a path", criterion({ itemPath: null }), INVALID, "itemPath"],
    [
      "no items",
      target({ objectType: "ItemLevelRestoreTargetInfo", restoreCriteria: [] }),
      INVALID,
      "restoreCriteria is empty",
    ],
    ["files as the target", target({ objectType: "RestoreFilesTargetInfo" }), UNSUPPORTED, "RestoreFilesTargetInfo"],
    ["overwriting", target({ recoveryOption: "Overwrite" }), UNSUPPORTED, "'Overwrite'"],
    [
      "a moment instead of a recovery point",
      changed({ objectType: "AzureBackupRecoveryTimeBasedRestoreRequest", recoveryPointTime: "2026-01-01T00:00:00Z" }),
      UNSUPPORTED,
      "AzureBackupRecoveryTimeBasedRestoreRequest",
    ],
    [
      "rehydration",
      changed({ objectType: "AzureBackupRestoreWithRehydrationRequest" }),
      UNSUPPORTED,
      "AzureBackupRestoreWithRehydrationRequest",
    ],
    ["the archive", changed({ sourceDataStoreType: "ArchiveStore" }), UNSUPPORTED, "'ArchiveStore'"],
    ["another kind of account", datasource({ datasourceType: "OssDB" }), UNSUPPORTED, "'OssDB'"],
    [
      "a hierarchical account for a flat one",
      datasource({ datasourceType: "Microsoft.Storage/storageAccounts/adlsBlobServices" }),
      UNSUPPORTED,
      "adlsBlobServices",
    ],
    ["a target that is no storage account", datasource({ resourceID: "/x" }), INVALID, "'/x' is not the ARM id"],
    ["no target", target({ datasourceInfo: null }), INVALID, "datasourceInfo of the target is missing"],
    ["no recovery point", changed({ recoveryPointId: null }), INVALID, "recoveryPointId is missing"],
    ["no target at all", changed({ restoreTargetInfo: null }), INVALID, "restoreTargetInfo"],
  ] as const)("a restore with %s", async ([, body, refusal, message], { expect }) => {
    const app = await withPoint();
    const before = app.effects;
    for (const [path, sent] of [
      [RESTORE, body],
      [VALIDATE, { restoreRequestObject: body }],
    ] as const) {
      const response = await app.call("POST", path, { body: sent });
      expect(refusalOf(response)).toEqual(refusal);
      expect(messageOf(response)).toContain(message);
    }
    expect(app.effects).toBe(before);
  });

  test("a restore into containers that exist, which are named", async ({ expect }) => {
    const app = await withPoint();
    app.accounts.containers.set("restored", ["curated"]);
    const before = app.effects;
    const response = await app.call("POST", RESTORE, { body: whole });
    expect(refusalOf(response)).toEqual([
      409,
      "UserErrorTargetContainersExistOnAccount",
      "restore/target-container-exists",
    ]);
    expect(messageOf(response)).toContain("'restored' already has 'curated'");
    expect(app.effects).toBe(before);
  });
});
