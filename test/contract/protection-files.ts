/**
 * @module The documents of vaults, policies and instances in the vault account, and how a rebuild reads them: the same
 *   in memory and in Blob Storage.
 */
import { describe, test } from "vitest";
import { type BackupInstance, backupInstanceId } from "../../src/instances/backup-instance.ts";
import { instanceFileOf, policyFileOf, vaultFileOf } from "../../src/instances/protection-documents.ts";
import type { ProtectionFiles } from "../../src/instances/protection-files.ts";
import { type VaultRecord, vaultKey } from "../../src/instances/vault-record.ts";
import type { PolicyRecord } from "../../src/policies/policy-record.ts";
import type { VaultAccount } from "../../src/rebuild/rebuild-request.ts";
import { decodeInstanceDocument } from "../../src/vault/instance-document.ts";
import { INSTANCE_FILE, vaultContainerName } from "../../src/vault/names.ts";
import {
  decodePolicyDocument,
  decodeVaultDocument,
  policyDocumentPath,
  VAULT_DOCUMENT,
  vaultFilesContainer,
} from "../../src/vault/vault-document.ts";

/** A vault account for a test; several may share one, with names of their own. */
export interface ProtectionEstate {
  readonly files: ProtectionFiles;
  readonly account: VaultAccount;
  /** Part of names, unique to this estate. */
  readonly name: string;
  /** Writes any file into an existing container. */
  write(container: string, path: string, content: string): Promise<void>;
}

function vaultOf({ name }: ProtectionEstate): VaultRecord {
  return {
    armId: `/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/${name}`,
    name,
    location: "westeurope",
    tags: { team: "ü" },
    properties: { securitySettings: { immutabilitySettings: { state: "Locked" } } },
    createdAt: "2026-01-01T00:00:00.000Z",
  };
}

function policyOf(vault: VaultRecord, name: string): PolicyRecord {
  return {
    armId: `${vault.armId}/backupPolicies/${name}`,
    name,
    datasourceTypes: [],
    properties: { objectType: "BackupPolicy" },
    retentionRules: [],
    createdAt: "2026-01-01T00:00:00.000Z",
  };
}

function instanceOf(vault: VaultRecord, name: string): BackupInstance {
  const armId = `${vault.armId}/backupInstances/${name}`;
  return {
    id: backupInstanceId(armId),
    name,
    armId,
    vaultArmId: vault.armId,
    friendlyName: name,
    datasource: { resourceId: "/subscriptions/s/storageAccounts/prodlake", account: "prodlake", kind: "blobServices" },
    containers: { kind: "chosen", names: ["raw"] },
    policyName: "daily",
    protectionState: "ProtectionConfigured",
    properties: { objectType: "BackupInstance" },
    createdAt: "2026-01-01T00:00:00.000Z",
  };
}

async function flat<T>(found: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of found) all.push(one);
  return all;
}

/** @param open - returns an estate at each call, new or with a name of its own */
export function protectionFilesContract(kind: string, open: () => Promise<ProtectionEstate>): void {
  describe(`${kind} as documents of the vault account`, () => {
    test("keeps the newest document of a vault, its policies and its instances", async ({ expect }) => {
      const estate = await open();
      const vault = vaultOf(estate);
      const policy = policyOf(vault, "Daily");
      const instance = instanceOf(vault, "lake");
      const { files, account } = estate;
      // In no order, because a vault of an older version has no document before its policy has one.
      await files.ensurePolicy(vault.armId.toUpperCase(), policy);
      await files.ensureVault({ ...vault, tags: { team: "before" } });
      await files.ensureVault(vault);
      await files.ensure({ ...instance, friendlyName: "before" });
      await files.ensure(instance);

      const told = account.files(vaultFilesContainer(vaultKey(vault.armId)));
      const read = async (path: string) => (await told.read(path)) ?? new Uint8Array();
      expect(decodeVaultDocument(VAULT_DOCUMENT, await read(VAULT_DOCUMENT))).toEqual(vaultFileOf(vault));
      const path = policyDocumentPath("DAILY");
      expect(decodePolicyDocument(path, await read(path))).toEqual(policyFileOf(policy));
      expect((await flat(told.list("policies/"))).map((file) => file.path)).toEqual([path]);
      const content = await account.files(vaultContainerName(instance.id)).read(INSTANCE_FILE);
      expect(decodeInstanceDocument(INSTANCE_FILE, content ?? new Uint8Array())).toEqual(instanceFileOf(instance));
    });

    test("lists containers by prefix, ascending", async ({ expect }) => {
      const { files, account, ...estate } = await open();
      const vault = vaultOf({ files, account, ...estate });
      const instances = ["a", "b", "c"].map((name) => instanceOf(vault, name));
      await files.ensureVault(vault);
      for (const instance of instances) await files.ensure(instance);
      const found = await flat(account.containers("bi-"));
      expect(found).toEqual(expect.arrayContaining(instances.map(({ id }) => vaultContainerName(id))));
      expect(found).toEqual(found.toSorted());
      expect(await flat(account.containers("vault-"))).toContain(vaultFilesContainer(vaultKey(vault.armId)));
      expect(await flat(account.containers(`bi-${instances[0]?.id}`))).toHaveLength(1);
    });

    test("has nothing to read in a container that does not exist", async ({ expect }) => {
      const { account } = await open();
      expect(await account.files("bi-none").read(INSTANCE_FILE)).toBeUndefined();
      expect(await flat(account.files("bi-none").list(""))).toEqual([]);
    });

    test("deletes a policy, a vault and an instance, and a second time without effect", async ({ expect }) => {
      const estate = await open();
      const vault = vaultOf(estate);
      const instance = instanceOf(vault, "lake");
      const { files, account } = estate;
      await files.ensureVault(vault);
      await files.ensurePolicy(vault.armId, policyOf(vault, "Daily"));
      await files.ensure(instance);
      for (let time = 1; time <= 2; time++) {
        await files.removePolicy(vault.armId, "daily");
        await files.removeVault(vault.armId);
        await files.remove(instance.id);
      }
      for (const name of [vaultFilesContainer(vaultKey(vault.armId)), vaultContainerName(instance.id)]) {
        expect(await flat(account.containers(name))).toEqual([]);
      }
    });

    test("keeps everything of a vault or an instance that has anything else", async ({ expect }) => {
      const estate = await open();
      const vault = vaultOf(estate);
      const instance = instanceOf(vault, "lake");
      const { files, account } = estate;
      await files.ensureVault(vault);
      await files.ensurePolicy(vault.armId, policyOf(vault, "Daily"));
      await files.ensure(instance);
      const container = vaultContainerName(instance.id);
      await estate.write(container, "recovery-points/p/recovery-point.json", "{}");
      const refused = expect.objectContaining({ code: "storage/conflict" });
      await expect(files.removeVault(vault.armId)).rejects.toEqual(refused);
      await expect(files.remove(instance.id)).rejects.toEqual(refused);
      expect(await account.files(vaultFilesContainer(vaultKey(vault.armId))).read(VAULT_DOCUMENT)).toBeDefined();
      expect(await account.files(container).read(INSTANCE_FILE)).toBeDefined();
    });
  });
}
