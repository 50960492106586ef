import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { instanceFileOf, policyFileOf, vaultFileOf } from "../../src/instances/protection-documents.ts";
import { vaultKey } from "../../src/instances/vault-record.ts";
import { instanceRowOf, policyRowOf, vaultRowOf } from "../../src/rebuild/decide-rows.ts";
import { decodeInstanceDocument } from "../../src/vault/instance-document.ts";
import { decodePolicyDocument, decodeVaultDocument } from "../../src/vault/vault-document.ts";

/** Documents about vaults, policies and instances as version 1 wrote them, kept forever: every later version reads them. */
const GOLDEN = fileURLToPath(new URL("golden/v1-protection/", import.meta.url));
const ID = "84069ce51cfd51358398aa06d0428cf1";
const VAULT =
  "/subscriptions/0b352192-dcac-4cc7-992e-a96190ccc68c/resourceGroups/lakes/providers/Microsoft.DataProtection/backupVaults/Vault1";
const NOW = new Date("2026-03-01T00:00:00.000Z");

const golden = (path: string): Promise<Uint8Array> => readFile(`${GOLDEN}${path}`);

async function json(path: string): Promise<unknown> {
  return JSON.parse(await readFile(`${GOLDEN}${path}`, "utf8"));
}

test("vault.json is read, and would be written the same", async ({ expect }) => {
  const { partition, row, value } = vaultRowOf(
    vaultKey(VAULT),
    decodeVaultDocument("vault.json", await golden("vault.json")),
  );
  expect([partition, row]).toEqual(["0b352192-dcac-4cc7-992e-a96190ccc68c", "lakes|vault1"]);
  expect(value).toMatchObject({
    armId: VAULT,
    name: "Vault1",
    location: "West Europe",
    tags: { team: "lakes ü" },
    properties: { securitySettings: { immutabilitySettings: { state: "Locked" } } },
  });
  expect(vaultFileOf(value)).toEqual(await json("vault.json"));
});

test("a policy's document is read, and would be written the same", async ({ expect }) => {
  const path = "policies/daily.json";
  const { row, value } = policyRowOf("key", path, decodePolicyDocument(path, await golden(path)));
  expect(row).toBe("daily");
  expect(value).toMatchObject({
    name: "Daily",
    datasourceTypes: ["Microsoft.Storage/storageAccounts/blobServices"],
    backupRule: { name: "BackupDaily", intervals: [{ zone: "Europe/Berlin", every: { unit: "days", count: 1 } }] },
    retentionRules: [{ name: "Default", keep: "P30D" }],
    slotsAfter: "2026-01-03T00:00:00.000Z",
  });
  expect(policyFileOf(value)).toEqual(await json(path));
});

test("instance.json is read, and would be written the same", async ({ expect }) => {
  const file = decodeInstanceDocument("instance.json", await golden("instance.json"));
  const { row, value } = instanceRowOf(ID, file, undefined, NOW);
  expect(row).toBe("prodlake-1");
  expect(value).toMatchObject({
    id: ID,
    vaultArmId: VAULT,
    containers: { kind: "chosen", names: ["raw", "curated"] },
    policyName: "Daily",
    protectionState: "SoftDeleted",
    tags: { team: "lakes" },
    slotsAfter: "2026-01-05T00:00:00.000Z",
    deletion: { deletedAt: "2026-03-01T00:00:00.000Z", purgeAt: "2026-03-31T00:00:00.000Z" },
  });
  expect(instanceFileOf(value)).toEqual(await json("instance.json"));
});

test("an instance.json of before there were policies in it is read, and protects nothing by itself", async ({
  expect,
}) => {
  const file = decodeInstanceDocument("instance.json", await golden("older/instance.json"));
  const { row, value } = instanceRowOf(ID, file, undefined, NOW);
  expect(row).toBe("prodlake-1");
  expect(value).toMatchObject({ id: ID, vaultArmId: VAULT, protectionState: "ProtectionStopped" });
});

test("members that this version does not know are passed over", async ({ expect }) => {
  const more = { ...((await json("instance.json")) as object), ofALaterVersion: { a: 1 } };
  const file = decodeInstanceDocument("instance.json", new TextEncoder().encode(JSON.stringify(more)));
  expect(file).toEqual(await json("instance.json"));
});
