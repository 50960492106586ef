import { describe, test } from "vitest";
import { itemsOf, messageOf, refusalOf } from "../../test/support/arm-answers.ts";
import {
  accountId,
  INSTANCE_ID,
  type InstanceOptions,
  instanceBody,
  MemoryApp,
  POLICY_ID,
  policyBody,
  VAULT_ID,
} from "../../test/support/memory-app.ts";
import { backupInstanceId } from "../instances/backup-instance.ts";
import { vaultKey } from "../instances/vault-record.ts";

const KEY = vaultKey(VAULT_ID);
const OTHER_ID = INSTANCE_ID.replace("prodlake-prodlake-1", "other");

async function withPolicy(): Promise<MemoryApp> {
  const app = new MemoryApp();
  await app.protect();
  app.accounts.containers.set("otherlake", ["raw", "$web", "$logs"]);
  app.accounts.kinds.set("otherlake", "blobServices");
  app.accounts.containers.set("hnslake", ["raw"]);
  app.accounts.kinds.set("hnslake", "adlsBlobServices");
  return app;
}

/** A body with other datasource parameters. */
function withParameters(parameters: object | null, options: InstanceOptions = {}): object {
  const body = instanceBody(options);
  return {
    properties: {
      ...body.properties,
      policyInfo: {
        policyId: options.policyId ?? POLICY_ID,
        policyParameters: { backupDatasourceParametersList: parameters === null ? null : [parameters] },
      },
    },
  };
}

test("a PUT protects a datasource, and the operation in the response has succeeded", async ({ expect }) => {
  const app = await withPolicy();
  const made = await app.call("PUT", OTHER_ID, { body: instanceBody({ account: "otherlake", containers: ["raw"] }) });
  expect(made).toMatchObject({
    status: 201,
    headers: { "retry-after": "10" },
    body: {
      id: OTHER_ID,
      name: "other",
      type: "Microsoft.DataProtection/backupVaults/backupInstances",
      properties: {
        ...instanceBody({ account: "otherlake", containers: ["raw"] }).properties,
        provisioningState: "Provisioning",
        currentProtectionState: "ConfiguringProtection",
        protectionStatus: { status: "ConfiguringProtection" },
      },
    },
  });
  expect((await app.call("GET", made.headers["azure-asyncoperation"] ?? "")).body).toMatchObject({
    status: "Succeeded",
  });
  const result = await app.call("GET", made.headers["location"] ?? "");
  expect(result).toMatchObject({
    status: 200,
    body: {
      id: OTHER_ID,
      properties: { provisioningState: "Succeeded", currentProtectionState: "ProtectionConfigured" },
    },
  });
  expect((await app.call("GET", OTHER_ID)).body).toEqual(result.body);
  expect(itemsOf(await app.call("GET", `${VAULT_ID}/backupInstances`)).map(({ name }) => name)).toEqual([
    "other",
    "prodlake-prodlake-1",
  ]);
});

test("a protected instance is in the table, in the vault and on the timer's list", async ({ expect }) => {
  const app = await withPolicy();
  const id = backupInstanceId(INSTANCE_ID);
  const stored = (await app.tables.instances.get(KEY, "prodlake-prodlake-1"))?.value;
  expect(stored).toMatchObject({
    id,
    name: "prodlake-prodlake-1",
    armId: INSTANCE_ID,
    vaultArmId: VAULT_ID,
    friendlyName: "prodlake",
    datasource: {
      resourceId: accountId("prodlake"),
      account: "prodlake",
      kind: "blobServices",
      location: "westeurope",
    },
    containers: { kind: "chosen", names: ["raw", "curated"] },
    policyName: "daily",
    protectionState: "ProtectionConfigured",
    createdAt: "2026-03-02T10:00:00.000Z",
  });
  const file = JSON.parse(new TextDecoder().decode(await app.files.read(`bi-${id}`, "instance.json"))) as object;
  expect(file).toMatchObject({ formatVersion: 1, instance: id, vault: VAULT_ID, policy: "daily" });
  expect(file).toMatchObject({ properties: stored?.properties, protectionState: "ProtectionConfigured" });
  expect(app.tables.schedules.dump()).toEqual({
    all: { [`${KEY}|prodlake-prodlake-1`]: { vault: KEY, instanceName: "prodlake-prodlake-1" } },
  });
});

test("a second PUT changes the instance at once, whatever the letter case of its name", async ({ expect }) => {
  const app = await withPolicy();
  app.now = new Date("2026-03-05T00:00:00.000Z");
  const again = await app.call("PUT", INSTANCE_ID.replace("prodlake-prodlake-1", "PRODLAKE-prodlake-1"), {
    body: instanceBody({ containers: ["raw"] }),
  });
  expect(again).toMatchObject({
    status: 200,
    body: { id: INSTANCE_ID, properties: { provisioningState: "Succeeded" } },
  });
  expect(again.headers).not.toHaveProperty("location");
  expect(Object.values(app.tables.instances.dump()[KEY] ?? {})).toMatchObject([
    { name: "prodlake-prodlake-1", containers: { names: ["raw"] }, createdAt: "2026-03-02T10:00:00.000Z" },
  ]);
});

test("requests of Azure's CLI are accepted: other letter case, and nulls", async ({ expect }) => {
  const app = await withPolicy();
  const { resourceID, ...source } = {
    objectType: "Datasource",
    resourceID: accountId("otherlake"),
    datasourceType: "Microsoft.Storage/storageAccounts/blobServices",
    resourceName: null,
    resourceLocation: null,
  };
  const body = {
    properties: {
      objectType: "BackupInstance",
      friendlyName: null,
      dataSourceInfo: { ...source, resourceId: resourceID },
      datasourceSetInfo: null,
      datasourceAuthCredentials: null,
      policyInfo: {
        policyId: POLICY_ID.toLowerCase(),
        policyParameters: {
          dataStoreParametersList: null,
          backupDatasourceParametersList: [
            { objectType: "BlobBackupDatasourceParameters", containersList: ["raw", "$web"] },
          ],
        },
      },
    },
  };
  const { status, body: answer } = await app.call("PUT", OTHER_ID, { body });
  expect(status).toBe(201);
  expect(answer).toMatchObject({
    properties: { friendlyName: "otherlake", dataSourceInfo: { resourceID: accountId("otherlake") } },
  });
  expect((await app.tables.instances.get(KEY, "other"))?.value).toMatchObject({
    policyName: "daily",
    containers: { kind: "chosen", names: ["raw", "$web"] },
  });
});

test("auto protection means all containers except those with an excluded prefix", async ({ expect }) => {
  const app = await withPolicy();
  const parameters = {
    objectType: "BlobBackupDatasourceParametersForAutoProtection",
    autoProtectionSettings: {
      objectType: "BlobBackupRuleBasedAutoProtectionSettings",
      enabled: true,
      rules: [{ objectType: "BlobBackupAutoProtectionRule", mode: "Exclude", type: "Prefix", pattern: "temp-" }],
    },
  };
  const { status } = await app.call("PUT", OTHER_ID, { body: withParameters(parameters, { account: "otherlake" }) });
  expect(status).toBe(201);
  expect((await app.tables.instances.get(KEY, "other"))?.value.containers).toEqual({
    kind: "all",
    excludedPrefixes: ["temp-"],
  });
});

const chosen = (...containersList: string[]): object => ({
  objectType: "BlobBackupDatasourceParameters",
  containersList,
});
const automatic = (settings: object): object => ({
  objectType: "BlobBackupDatasourceParametersForAutoProtection",
  autoProtectionSettings: { objectType: "BlobBackupRuleBasedAutoProtectionSettings", enabled: true, ...settings },
});
const otherlake = (options: InstanceOptions = {}): object =>
  instanceBody({ account: "otherlake", containers: ["raw"], ...options });
const parameters = (given: object | null): object => withParameters(given, { account: "otherlake" });
const changed = (changes: object): object => ({
  properties: { ...instanceBody({ account: "otherlake", containers: ["raw"] }).properties, ...changes },
});

describe("is refused", () => {
  const INVALID = [400, "InvalidBackupInstance", "instance/invalid"] as const;
  const UNKNOWN = [400, "UserErrorAzureResourceNotFoundByPlugin", "datasource/account-unknown"] as const;
  const NO_CONTAINER = [
    400,
    "UserErrorIncorrectContainersSelectedForOperation",
    "datasource/container-not-found",
  ] as const;
  const manyNames = Array.from({ length: 101 }, (_, n) => `c${100 + n}`);

  test.for([
    ["an unknown account", otherlake({ account: "nolake" }), UNKNOWN, "'nolake'"],
    [
      "an unknown account with auto protection",
      withParameters(automatic({}), { account: "nolake" }),
      UNKNOWN,
      "'nolake'",
    ],
    [
      "an account that is of another kind",
      otherlake({ account: "hnslake" }),
      [400, "DatasourceKindMismatch", "datasource/kind-mismatch"],
      "'hnslake' has a hierarchical namespace, so it is not a datasource of kind 'blobServices'",
    ],
    ["a container that does not exist", parameters(chosen("raw", "lost")), NO_CONTAINER, "no container 'lost'"],
    ["no container", parameters(chosen()), INVALID, "no container is chosen"],
    ["a container chosen twice", parameters(chosen("raw", "raw")), INVALID, "'raw' is chosen twice"],
    ["Azure's own container", parameters(chosen("$logs")), INVALID, "'$logs' cannot be protected"],
    ["the root container", parameters(chosen("$root")), INVALID, "'$root' cannot be protected"],
    ["a name that no container has", parameters(chosen("Raw")), INVALID, "'Raw' cannot be protected"],
    ["a name with a path", parameters(chosen("raw/x")), INVALID, "'raw/x' cannot be protected"],
    [
      "101 containers",
      parameters(chosen(...manyNames)),
      [400, "TooManyContainersSelected", "datasource/too-many-containers"],
      "101 containers are chosen, more than 100",
    ],
    ["no datasource parameters", parameters(null), INVALID, "backupDatasourceParametersList needs exactly one entry"],
    [
      "parameters of another kind of datasource",
      parameters({ objectType: "AdlsBlobBackupDatasourceParameters", containersList: ["raw"] }),
      INVALID,
      "does not fit datasources of kind 'blobServices'",
    ],
    ["auto protection that is off", parameters(automatic({ enabled: false })), INVALID, "must be enabled"],
    [
      "auto protection by another rule",
      parameters(automatic({ rules: [{ mode: "Include", type: "Prefix", pattern: "a" }] })),
      INVALID,
      "'Include Prefix a' is not supported",
    ],
    [
      "a datasource of another type",
      otherlake({ datasourceType: "Microsoft.Compute/disks" }),
      INVALID,
      "datasource type 'Microsoft.Compute/disks' is not supported",
    ],
    [
      "a policy for another kind of datasource",
      withParameters(
        { objectType: "AdlsBlobBackupDatasourceParameters", containersList: ["raw"] },
        { account: "otherlake", datasourceType: "Microsoft.Storage/storageAccounts/adlsBlobServices" },
      ),
      INVALID,
      "policy 'daily' is not for datasources of kind 'adlsBlobServices'",
    ],
    [
      "a policy that does not exist",
      otherlake({ policyId: POLICY_ID.replace("daily", "nightly") }),
      [404, "ResourceNotFound", "policy/not-found"],
      "policy 'nightly' was not found",
    ],
    [
      "a policy of another vault",
      otherlake({ policyId: POLICY_ID.replace("vault1", "vault2") }),
      INVALID,
      "not in this vault",
    ],
    ["a policy that is none", otherlake({ policyId: `${POLICY_ID}/x` }), INVALID, "not the ARM id of a policy"],
    [
      "a datasource that is no storage account",
      changed({
        dataSourceInfo: {
          resourceID: "/subscriptions/x",
          datasourceType: "Microsoft.Storage/storageAccounts/blobServices",
        },
      }),
      INVALID,
      "'/subscriptions/x' is not the ARM id of a storage account",
    ],
    ["another objectType", changed({ objectType: "Other" }), INVALID, "objectType is 'Other'"],
    ["no datasource", changed({ dataSourceInfo: null }), INVALID, "properties.dataSourceInfo"],
    ["no policy", changed({ policyInfo: null }), INVALID, "properties.policyInfo"],
  ] as const)("a PUT with %s", async ([, body, refusal, message], { expect }) => {
    const app = await withPolicy();
    const before = app.effects;
    const response = await app.call("PUT", OTHER_ID, { body });
    expect(refusalOf(response)).toEqual(refusal);
    expect(messageOf(response)).toContain(message);
    expect(app.effects).toBe(before);
    expect(refusalOf(await app.call("GET", OTHER_ID))).toEqual([404, "ResourceNotFound", "instance/not-found"]);

    const backupInstance = (body as { properties: object }).properties;
    const validated = await app.call("POST", `${VAULT_ID}/validateForBackup`, { body: { backupInstance } });
    expect(refusalOf(validated).slice(0, 2)).toEqual(refusal.slice(0, 2));
    expect(app.effects).toBe(before);
  });

  test("a datasource that another instance of the vault protects", async ({ expect }) => {
    const app = await withPolicy();
    const before = app.effects;
    const refusal = [409, "DatasourceAlreadyProtected", "instance/already-protected"];
    expect(refusalOf(await app.call("PUT", OTHER_ID, { body: instanceBody() }))).toEqual(refusal);
    const backupInstance = instanceBody().properties;
    const validated = await app.call("POST", `${VAULT_ID}/validateForBackup`, { body: { backupInstance } });
    expect(refusalOf(validated)).toEqual(refusal);
    expect(app.effects).toBe(before);
  });

  test("another datasource under the name of an instance", async ({ expect }) => {
    const app = await withPolicy();
    const before = app.effects;
    const response = await app.call("PUT", INSTANCE_ID, { body: otherlake() });
    expect(refusalOf(response)).toEqual([400, "InvalidBackupInstance", "instance/invalid"]);
    expect(messageOf(response)).toContain("'prodlake-prodlake-1' protects 'prodlake'");
    expect(app.effects).toBe(before);
  });

  test("an instance without its vault", async ({ expect }) => {
    const app = new MemoryApp();
    for (const [method, path] of [
      ["PUT", INSTANCE_ID],
      ["GET", INSTANCE_ID],
      ["GET", `${VAULT_ID}/backupInstances`],
      ["POST", `${VAULT_ID}/validateForBackup`],
    ] as const) {
      const response = await app.call(method, path, { body: instanceBody() });
      expect(refusalOf(response)).toEqual([404, "ResourceNotFound", "vault/not-found"]);
    }
    expect(app.effects).toBe(0);
  });
});

test("the limit of containers is a setting", async ({ expect }) => {
  const app = await withPolicy();
  app.settings = { ...app.settings, maxContainers: 1 };
  const response = await app.call("PUT", INSTANCE_ID, { body: instanceBody() });
  expect(refusalOf(response)).toEqual([400, "TooManyContainersSelected", "datasource/too-many-containers"]);
});

test("one datasource may be protected in two vaults", async ({ expect }) => {
  const app = await withPolicy();
  const move = (path: string): string => path.replace("/vault1", "/vault2");
  await app.call("PUT", move(VAULT_ID), { body: { location: "westeurope", properties: {} } });
  await app.call("PUT", move(POLICY_ID), { body: policyBody() });
  const { status } = await app.call("PUT", move(INSTANCE_ID), { body: instanceBody({ policyId: move(POLICY_ID) }) });
  expect(status).toBe(201);
  expect(app.files.instances).toHaveLength(2);
});

test("validateForBackup returns at once and leaves nothing behind", async ({ expect }) => {
  const app = await withPolicy();
  const before = app.effects;
  const backupInstance = instanceBody({ account: "otherlake", containers: ["raw"] }).properties;
  const response = await app.call("POST", `${VAULT_ID}/validateForBackup`, { body: { backupInstance } });
  expect(response).toMatchObject({ status: 200, body: { objectType: "OperationJobExtendedInfo" } });
  expect(response.headers).not.toHaveProperty("location");
  expect(app.effects).toBe(before);
});

test("a PUT that crashed is completed by its repetition", async ({ expect }) => {
  const app = await withPolicy();
  const body = instanceBody({ account: "otherlake", containers: ["raw"] });
  const { insert } = app.tables.instances;
  app.tables.instances.insert = async () => {
    throw new Error("died");
  };
  expect((await app.call("PUT", OTHER_ID, { body })).status).toBe(500);
  app.tables.instances.insert = insert;
  expect((await app.call("PUT", OTHER_ID, { body })).status).toBe(201);
  expect(app.tables.schedules.size).toBe(2);
  expect(app.files.instances).toHaveLength(2);
});
