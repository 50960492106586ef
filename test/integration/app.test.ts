import { afterAll, beforeAll, test } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite.ts";
import { LOCAL_ACCOUNTS, lakevaultSettings } from "../../local/lakevault.ts";
import { type App, composeApp } from "../../src/app/app.ts";
import { readConfig } from "../../src/app/config.ts";
import type { BackupInstance } from "../../src/instances/backup-instance.ts";
import { instanceFileOf } from "../../src/instances/protection-documents.ts";
import { decodeInstanceDocument } from "../../src/vault/instance-document.ts";
import { INSTANCE_FILE } from "../../src/vault/names.ts";

let azurite: Azurite;
let app: App;

beforeAll(async () => {
  azurite = await startAzurite({ accounts: [...LOCAL_ACCOUNTS] });
  app = composeApp(readConfig(lakevaultSettings(azurite)), () => new Date());
});
afterAll(() => azurite.stop());

const INSTANCE: BackupInstance = {
  id: "0123456789abcdef0123456789abcdef",
  name: "lake",
  armId: "/subscriptions/s/backupInstances/lake",
  vaultArmId: "/subscriptions/s/backupVaults/v",
  friendlyName: "prodlake",
  datasource: { resourceId: "/subscriptions/s/storageAccounts/prodlake", account: "prodlake", kind: "blobServices" },
  containers: { kind: "chosen", names: ["raw"] },
  policyName: "daily",
  protectionState: "ProtectionConfigured",
  properties: { objectType: "BackupInstance" },
  createdAt: "2026-01-01T00:00:00.000Z",
};

test("the vault account describes an instance by itself, and is updated", async ({ expect }) => {
  await app.files.ensure({ ...INSTANCE, friendlyName: "before" });
  await app.files.ensure(INSTANCE);
  const content = await app.vault(INSTANCE.id).read(INSTANCE_FILE);
  expect(decodeInstanceDocument(INSTANCE_FILE, content ?? new Uint8Array())).toEqual(instanceFileOf(INSTANCE));
});

test("an instance is copied from its datasource into the vault, and restored to another account", async ({
  expect,
}) => {
  await app.files.ensure(INSTANCE);
  const datasource = app.datasource(INSTANCE);
  expect(await app.accounts.containerExists("prodlake", "raw")).toBe(false);
  const request = { kind: "restore", recoveryPoint: "r", target: { resourceId: "", account: "prodlake" } } as const;
  // The source can be any writable container, so a restore target creates one.
  await app.target(request, INSTANCE.id).createContainer("raw", "job");
  await datasource.writeMarker("raw", "data.txt", "content");
  expect(await app.accounts.listContainers("prodlake")).toEqual(["raw"]);
  const blob = await datasource.look("raw", "data.txt");
  if (blob === undefined) throw new Error("the blob is not there");

  const { name, etag, size } = blob;
  const vault = app.backupVault(INSTANCE);
  const copied = await vault.copyObject({ container: "raw", name, etag, size }, "data/raw/1", () => true);
  expect(copied).toMatchObject({ kind: "copied" });
  const target = app.target({ ...request, target: { resourceId: "", account: "restored" } }, INSTANCE.id);
  expect(await target.createContainer("raw", "job")).toBe("ours");
  const { effectiveTier: _, ...entry } = blob;
  expect(await target.copyObject("data/raw/1", "raw", { ...entry, birth: 1 }, () => true)).toEqual({ kind: "copied" });
});

test("accounts that are not listed are unknown, with the caller's own message", async ({ expect }) => {
  await expect(app.accounts.listContainers("elsewhere")).rejects.toMatchObject({ code: "datasource/account-unknown" });
  const datasource = { ...INSTANCE.datasource, account: "elsewhere" };
  expect(() => app.datasource({ ...INSTANCE, datasource })).toThrow(
    expect.objectContaining({ code: "datasource/account-unknown" }),
  );
  const target = { resourceId: "", account: "elsewhere" };
  expect(() => app.target({ kind: "restore", recoveryPoint: "r", target }, INSTANCE.id)).toThrow(
    expect.objectContaining({ code: "restore/target-account-unknown" }),
  );
});

test("state outlives the app", async ({ expect }) => {
  await app.instances.put("vault", "lake", INSTANCE);
  const next = composeApp(readConfig(lakevaultSettings(azurite)), () => new Date());
  expect((await next.instances.get("vault", "lake"))?.value).toEqual(INSTANCE);
});
