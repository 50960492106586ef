import { test } from "vitest";
import { itemsOf, messageOf, refusalOf } from "../../test/support/arm-answers.ts";
import { MemoryApp, POLICY_ID, policyBody, VAULT_ID, vaultBody } from "../../test/support/memory-app.ts";

async function withVault(): Promise<MemoryApp> {
  const app = new MemoryApp();
  await app.call("PUT", VAULT_ID, { body: vaultBody() });
  return app;
}

test("a PUT creates a policy at once, and returns it unchanged", async ({ expect }) => {
  const app = await withVault();
  const put = await app.call("PUT", POLICY_ID, { body: policyBody() });
  expect(put).toMatchObject({
    status: 200,
    body: { id: POLICY_ID, name: "daily", type: "Microsoft.DataProtection/backupVaults/backupPolicies" },
  });
  expect(put.body).toMatchObject(policyBody());
  expect(put.headers).not.toHaveProperty("azure-asyncoperation");
  expect((await app.call("GET", POLICY_ID)).body).toEqual(put.body);
  expect(itemsOf(await app.call("GET", `${VAULT_ID}/backupPolicies`))).toEqual([put.body]);
});

test("a second PUT changes the policy", async ({ expect }) => {
  const app = await withVault();
  await app.call("PUT", POLICY_ID, { body: policyBody() });
  await app.call("PUT", POLICY_ID.replace("daily", "DAILY"), { body: policyBody({ keep: "P7D" }) });
  expect(Object.values(app.tables.policies.dump()).flatMap((rows) => Object.values(rows))).toMatchObject([
    { name: "daily", retentionRules: [{ name: "Default", keep: "P7D" }] },
  ]);
});

test("a schedule may have several starts, by day, week, hour or minute", async ({ expect }) => {
  const app = await withVault();
  const intervals = ["P1D", "P1W", "PT4H", "PT15M"].map((period) => `R/2026-01-01T02:00:00+05:30/${period}`);
  const body = policyBody({ intervals, timeZone: "India Standard Time" });
  const put = await app.call("PUT", POLICY_ID, { body });
  expect(put).toMatchObject({ status: 200, body });
  expect((await app.call("GET", POLICY_ID)).body).toEqual(put.body);
  const [stored] = Object.values(app.tables.policies.dump()).flatMap((rows) => Object.values(rows));
  expect(stored?.backupRule?.intervals.map(({ every }) => every)).toEqual([
    { unit: "days", count: 1 },
    { unit: "weeks", count: 1 },
    { unit: "hours", count: 4 },
    { unit: "minutes", count: 15 },
  ]);
});

test("a changed schedule has no slots up to the change; another change keeps them", async ({ expect }) => {
  const app = await withVault();
  const stored = () => Object.values(app.tables.policies.dump()).flatMap((rows) => Object.values(rows))[0];
  await app.call("PUT", POLICY_ID, { body: policyBody() });
  await app.call("PUT", POLICY_ID, { body: policyBody({ keep: "P7D" }) });
  expect(stored()).not.toHaveProperty("slotsAfter");
  const noon = { intervals: ["R/2026-01-01T12:00:00Z/P1D"] };
  app.now = new Date("2026-05-01T08:00:00Z");
  await app.call("PUT", POLICY_ID, { body: policyBody(noon) });
  app.now = new Date("2026-06-01T08:00:00Z");
  await app.call("PUT", POLICY_ID, { body: policyBody({ ...noon, keep: "P9D" }) });
  expect(stored()).toMatchObject({ slotsAfter: "2026-05-01T08:00:00.000Z", retentionRules: [{ keep: "P9D" }] });
});

test("datasource types of a policy cannot be removed, because instances depend on them", async ({ expect }) => {
  const app = await withVault();
  await app.call("PUT", POLICY_ID, { body: policyBody() });
  const before = app.effects;
  const changed = await app.call("PUT", POLICY_ID, {
    body: policyBody({ datasourceType: "Microsoft.Storage/storageAccounts/adlsBlobServices" }),
  });
  expect(refusalOf(changed)).toEqual([400, "InvalidBackupPolicy", "policy/invalid"]);
  expect(app.effects).toBe(before);
});

test.for([
  ["a broken schedule", policyBody({ intervals: ["every night"] }), "repeating time interval 'every night'"],
  ["a schedule of ten minutes", policyBody({ intervals: ["R/2026-01-01T02:00:00Z/PT10M"] }), "shorter than PT15M"],
  ["a monthly schedule", policyBody({ intervals: ["R/2026-01-01T02:00:00Z/P1M"] }), "period is of months or years"],
  ["a schedule of no time", policyBody({ intervals: ["R/2026-01-01T02:00:00Z/P0D"] }), "period is zero"],
  ["an unknown time zone", policyBody({ timeZone: "Middle-earth" }), "unknown time zone 'Middle-earth'"],
  ["a retention of eleven years", policyBody({ keep: "P11Y" }), "keeps for 'P11Y'"],
  ["a foreign datasource", policyBody({ datasourceType: "OssDB" }), "datasource type 'OssDB' is not supported"],
  ["no rules", { properties: { objectType: "BackupPolicy", datasourceTypes: ["x"] } }, "properties.policyRules"],
  ["no properties", {}, "properties"],
] as const)("a policy with %s is refused", async ([, body, message], { expect }) => {
  const app = await withVault();
  const before = app.effects;
  const response = await app.call("PUT", POLICY_ID, { body });
  expect(refusalOf(response)).toEqual([400, "InvalidBackupPolicy", "policy/invalid"]);
  expect(messageOf(response)).toContain(message);
  expect(app.effects).toBe(before);
  expect(refusalOf(await app.call("GET", POLICY_ID))).toEqual([404, "ResourceNotFound", "policy/not-found"]);
});

test("without its vault a policy can be neither put nor found", async ({ expect }) => {
  const app = new MemoryApp();
  for (const [method, path] of [
    ["PUT", POLICY_ID],
    ["GET", POLICY_ID],
    ["GET", `${VAULT_ID}/backupPolicies`],
  ] as const) {
    const response = await app.call(method, path, { body: policyBody() });
    expect(refusalOf(response)).toEqual([404, "ResourceNotFound", "vault/not-found"]);
  }
  expect(app.effects).toBe(0);
});
