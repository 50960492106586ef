/**
 * @module
 * Requests that delete a document or a container, and arrive when another one has the name.
 */
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite.ts";
import { BlobAccount } from "../../src/azure/blob-account.ts";
import { BlobProtectionFiles } from "../../src/azure/blob-protection-files.ts";
import type { BackupInstance } from "../../src/instances/backup-instance.ts";
import type { VaultRecord } from "../../src/instances/vault-record.ts";
import type { PolicyRecord } from "../../src/policies/policy-record.ts";
import { INSTANCE_FILE, vaultContainerName } from "../../src/vault/names.ts";
import { type RecordingProxy, startRecordingProxy } from "../support/recording-proxy.ts";

let azurite: Azurite;
let wire: RecordingProxy;
/** The code under test, through the proxy, and others, past it. */
let account: BlobAccount;
let others: BlobAccount;
let ids = 0;

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["vault"] });
  const { connectionString, blobEndpoint } = azurite.account("vault");
  wire = await startRecordingProxy(new URL(blobEndpoint).origin);
  const throughWire = connectionString.replace(blobEndpoint, `${wire.origin}/vault`);
  account = new BlobAccount({ kind: "key", connectionString: throughWire }, () => new Date());
  others = new BlobAccount({ kind: "key", connectionString }, () => new Date());
});
afterAll(async () => {
  await wire.stop();
  await azurite.stop();
});
beforeEach(() => {
  ids += 1;
  wire.before = () => Promise.resolve();
});

const CREATED = { properties: {}, createdAt: "2026-01-01T00:00:00.000Z" };

function vaultRecord(): VaultRecord {
  return { armId: `/subscriptions/s/backupVaults/v${ids}`, name: `v${ids}`, location: "westeurope", ...CREATED };
}

function policyRecord(name: string, changes: Partial<PolicyRecord> = {}): PolicyRecord {
  return { armId: `/p/${name}`, name, datasourceTypes: [], retentionRules: [], ...CREATED, ...changes };
}

function instanceRecord(friendlyName = "lake"): BackupInstance {
  return {
    ...{ id: String(ids).padStart(32, "0"), name: "lake", armId: `/i/${ids}`, vaultArmId: "/v", friendlyName },
    datasource: { resourceId: "/s", account: "prodlake", kind: "blobServices" },
    containers: { kind: "chosen", names: ["raw"] },
    ...{ policyName: "daily", protectionState: "ProtectionConfigured", ...CREATED },
  };
}

/** Runs something just before the first request of a kind is carried out. */
function before(isIt: (method: string, url: URL) => boolean, happen: () => Promise<void>): { count: number } {
  const seen = { count: 0 };
  wire.before = async ({ method, url }) => {
    if (isIt(method, url) && seen.count++ === 0) await happen();
  };
  return seen;
}

test("a container that was recreated is not deleted by an earlier request", async ({ expect }) => {
  const { id } = instanceRecord();
  await new BlobProtectionFiles(others).ensure(instanceRecord());
  const container = others.container(vaultContainerName(id));
  const isContainer = (method: string, url: URL) =>
    method === "DELETE" && url.searchParams.get("restype") === "container";
  const seen = before(isContainer, async () => {
    await container.getBlobLeaseClient().breakLease(0);
    await container.delete();
    await new BlobProtectionFiles(others).ensure(instanceRecord("anew"));
  });
  await expect(new BlobProtectionFiles(account).remove(id)).rejects.toThrow();
  expect(seen.count).toBe(1);
  expect((await container.getBlobClient(INSTANCE_FILE).downloadToBuffer()).toString()).toContain("anew");
});

test("a document that was rewritten is not deleted, nor is its container", async ({ expect }) => {
  const { id } = instanceRecord();
  await new BlobProtectionFiles(others).ensure(instanceRecord());
  const isFile = (method: string, url: URL) => method === "DELETE" && url.pathname.endsWith(INSTANCE_FILE);
  before(isFile, () => new BlobProtectionFiles(others).ensure(instanceRecord("anew")));
  const files = new BlobProtectionFiles(account);
  await expect(files.remove(id)).rejects.toMatchObject({ code: "storage/conflict" });
  const container = others.container(vaultContainerName(id));
  expect((await container.getBlobClient(INSTANCE_FILE).downloadToBuffer()).toString()).toContain("anew");
  // Nothing blocks it: a repeated request deletes it.
  wire.before = () => Promise.resolve();
  await files.remove(id);
  expect(await container.exists()).toBe(false);
});

test("a policy's document that was rewritten is not deleted", async ({ expect }) => {
  const vault = vaultRecord();
  const told = new BlobProtectionFiles(others);
  await told.ensureVault(vault);
  await told.ensurePolicy(vault.armId, policyRecord("daily"));
  const anew = policyRecord("daily", { createdAt: "2026-02-02T00:00:00.000Z" });
  const seen = before(
    (method) => method === "DELETE",
    () => told.ensurePolicy(vault.armId, anew),
  );
  const files = new BlobProtectionFiles(account);
  await expect(files.removePolicy(vault.armId, "daily")).rejects.toMatchObject({ code: "storage/conflict" });
  expect(seen.count).toBe(1);
  await files.removePolicy(vault.armId, "daily");
  await files.removePolicy(vault.armId, "daily");
});

test("two concurrent writes of a document both end, and one of the two is stored", async ({ expect }) => {
  const { id } = instanceRecord();
  const isWrite = (method: string, url: URL) => method === "PUT" && url.pathname.endsWith(INSTANCE_FILE);
  const seen = before(isWrite, () => new BlobProtectionFiles(others).ensure(instanceRecord("first")));
  await new BlobProtectionFiles(account).ensure(instanceRecord("second"));
  expect(seen.count).toBe(2);
  const blob = others.container(vaultContainerName(id)).getBlobClient(INSTANCE_FILE);
  expect((await blob.downloadToBuffer()).toString()).toContain("second");
});
