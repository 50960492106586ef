import { test } from "vitest";
import { itemsOf, messageOf, nextLinkOf, refusalOf } from "../../test/support/arm-answers.ts";
import { GROUP_ID, MemoryApp, SUBSCRIPTION, VAULT_ID, vaultBody } from "../../test/support/memory-app.ts";

const LISTED_IN_GROUP = `${GROUP_ID}/providers/Microsoft.DataProtection/backupVaults`;
const LISTED_IN_SUBSCRIPTION = `/subscriptions/${SUBSCRIPTION}/providers/Microsoft.DataProtection/backupVaults`;

test("a PUT creates a vault, and the operation in the response has succeeded", async ({ expect }) => {
  const app = new MemoryApp();
  const made = await app.call("PUT", VAULT_ID, { body: vaultBody() });
  expect(made.status).toBe(201);
  expect(made.headers).toMatchObject({ "retry-after": "10" });
  expect(made.body).toEqual({
    id: VAULT_ID,
    name: "vault1",
    type: "Microsoft.DataProtection/backupVaults",
    location: "westeurope",
    tags: { team: "lakes" },
    properties: {
      storageSettings: [{ datastoreType: "VaultStore", type: "LocallyRedundant" }],
      securitySettings: {
        softDeleteSettings: { state: "On", retentionDurationInDays: 14 },
        immutabilitySettings: { state: "Disabled" },
      },
      provisioningState: "Provisioning",
    },
  });

  const status = await app.call("GET", made.headers["azure-asyncoperation"] ?? "");
  expect(status).toMatchObject({ status: 200, body: { status: "Succeeded", endTime: "2026-03-02T10:00:00.000Z" } });
  const result = await app.call("GET", made.headers["location"] ?? "");
  expect(result).toMatchObject({ status: 200, body: { id: VAULT_ID, properties: { provisioningState: "Succeeded" } } });
  expect((await app.call("GET", VAULT_ID)).body).toEqual(result.body);
});

test("a second PUT changes the vault at once, and keeps its location", async ({ expect }) => {
  const app = new MemoryApp();
  await app.call("PUT", VAULT_ID, { body: vaultBody() });
  const again = await app.call("PUT", VAULT_ID.replace("vault1", "VAULT1"), {
    body: { location: "West Europe", properties: { storageSettings: [] } },
  });
  expect(again.status).toBe(200);
  expect(again.headers).not.toHaveProperty("location");
  expect(again.body).toEqual({
    id: VAULT_ID,
    name: "vault1",
    type: "Microsoft.DataProtection/backupVaults",
    location: "westeurope",
    properties: {
      storageSettings: [],
      securitySettings: {
        softDeleteSettings: { state: "On", retentionDurationInDays: 14 },
        immutabilitySettings: { state: "Disabled" },
      },
      provisioningState: "Succeeded",
    },
  });
  expect(app.tables.vaults.size).toBe(1);
});

test("a vault never moves to another region", async ({ expect }) => {
  const app = new MemoryApp();
  await app.call("PUT", VAULT_ID, { body: vaultBody() });
  const before = app.effects;
  const moved = await app.call("PUT", VAULT_ID, { body: { ...vaultBody(), location: "northeurope" } });
  expect(refusalOf(moved)).toEqual([400, "UserErrorInvalidParameterInRequest", "request/invalid"]);
  expect(app.effects).toBe(before);
});

test.for([
  ["location", { properties: {} }],
  ["location", { location: "west/europe", properties: {} }],
  ["properties", { location: "westeurope" }],
  ["properties", { location: "westeurope", properties: null }],
  ["tags", { location: "westeurope", properties: {}, tags: { a: 1 } }],
  ["properties.storageSettings", { location: "westeurope", properties: { storageSettings: "x" } }],
] as const)("a PUT without a valid '%s' is refused", async ([member, body], { expect }) => {
  const app = new MemoryApp();
  const response = await app.call("PUT", VAULT_ID, { body });
  expect(refusalOf(response)).toEqual([400, "UserErrorInvalidParameterInRequest", "request/invalid"]);
  expect(messageOf(response)).toContain(member);
  expect(app.effects).toBe(0);
});

test("read-only members are ignored in requests, and the rest is returned unchanged", async ({ expect }) => {
  const app = new MemoryApp();
  const properties = { ProvisioningState: "Failed", SecureScore: "Maximum", someDay: { x: null } };
  const { body } = await app.call("PUT", VAULT_ID, { body: { location: "westeurope", properties } });
  expect(body).toMatchObject({ properties: { provisioningState: "Provisioning", someDay: { x: null } } });
  expect(JSON.stringify(body)).not.toContain("ecureScore");
});

test("an unknown vault is not found", async ({ expect }) => {
  const app = new MemoryApp();
  expect(refusalOf(await app.call("GET", VAULT_ID))).toEqual([404, "ResourceNotFound", "vault/not-found"]);
});

test("vaults are listed by group and by subscription, page by page", async ({ expect }) => {
  const app = new MemoryApp();
  const names = Array.from({ length: 103 }, (_, n) => `vault${String(n).padStart(3, "0")}`);
  for (const name of names) await app.call("PUT", `${LISTED_IN_GROUP}/${name}`, { body: vaultBody() });
  const elsewhere = `${LISTED_IN_GROUP.replace("/lakes/", "/lakes2/")}/other`;
  await app.call("PUT", elsewhere, { body: vaultBody() });

  const first = await app.call("GET", LISTED_IN_GROUP, { query: { "api-version": "2025-07-01" } });
  expect(itemsOf(first).map(({ name }) => name)).toEqual(names.slice(0, 100));
  const nextLink = nextLinkOf(first) ?? "";
  expect(nextLink).toMatch(/^http:\/\/localhost:7071\/subscriptions\/.*api-version=2025-07-01/);
  const second = await app.call("GET", nextLink);
  expect(itemsOf(second).map(({ name }) => name)).toEqual(names.slice(100));
  expect(nextLinkOf(second)).toBeUndefined();

  const all: string[] = [];
  let link: string | undefined = LISTED_IN_SUBSCRIPTION;
  while (link !== undefined) {
    const page = await app.call("GET", link);
    all.push(...itemsOf(page).map(({ name }) => name));
    link = nextLinkOf(page);
  }
  expect(all.sort()).toEqual(["other", ...names].sort());
});

test("a skip token of another list, or an invalid one, is refused", async ({ expect }) => {
  const app = new MemoryApp();
  for (let n = 0; n < 101; n++) {
    await app.call("PUT", `${LISTED_IN_GROUP}/vault${n}`, { body: vaultBody() });
  }
  const token = new URL(nextLinkOf(await app.call("GET", LISTED_IN_GROUP)) ?? "").searchParams.get("$skipToken") ?? "";
  const ask = async (path: string, $skipToken: string) => await app.call("GET", path, { query: { $skipToken } });
  expect((await ask(LISTED_IN_GROUP, token)).status).toBe(200);
  for (const [path, $skipToken] of [
    [LISTED_IN_SUBSCRIPTION, token],
    [LISTED_IN_GROUP, "garbage"],
    [LISTED_IN_GROUP, `${token.slice(0, -2)}AA`],
    [LISTED_IN_GROUP, "%%%"],
  ] as const) {
    expect(refusalOf(await ask(path, $skipToken))).toEqual([
      400,
      "UserErrorInvalidParameterInRequest",
      "request/invalid",
    ]);
  }
});
