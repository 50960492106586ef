import { VaultError } from "../foundation/errors.ts";
import {
  type BackupInstance,
  instanceFileOf,
  type ProtectionFiles,
  policyFileOf,
  type VaultRecord,
  vaultFileOf,
  vaultKey,
} from "../instances/contract.ts";
import type { PolicyRecord } from "../policies/contract.ts";
import { INSTANCE_FILE, vaultContainerName } from "../vault/names.ts";
import { policyFilePath, VAULT_FILE, vaultFilesContainer } from "../vault/vault-file.ts";
import { encodeDocument } from "../vault/version.ts";
import type { BlobAccount } from "./blob-account.ts";
import { listBlobPages } from "./list-blobs.ts";
import { answerOf, mapping, type Place } from "./map-error.ts";
import type { ListedItem } from "./parse-listing.ts";

const VAULT: Place = { kind: "vault" };

/** Tells the vault account of vaults, policies and instances, and makes their containers. */
export class BlobProtectionFiles implements ProtectionFiles {
  readonly #account: BlobAccount;

  constructor(account: BlobAccount) {
    this.#account = account;
  }

  async ensure(instance: BackupInstance): Promise<void> {
    await this.#write(vaultContainerName(instance.id), INSTANCE_FILE, instanceFileOf(instance));
  }

  async remove(instanceId: string): Promise<void> {
    await this.#removeContainer(vaultContainerName(instanceId), INSTANCE_FILE);
  }

  async ensureVault(vault: VaultRecord): Promise<void> {
    await this.#write(containerOf(vault.armId), VAULT_FILE, vaultFileOf(vault));
  }

  async removeVault(vaultArmId: string): Promise<void> {
    await this.#removeContainer(containerOf(vaultArmId), VAULT_FILE);
  }

  async ensurePolicy(vaultArmId: string, policy: PolicyRecord): Promise<void> {
    await this.#write(containerOf(vaultArmId), policyFilePath(policy.name), policyFileOf(policy));
  }

  async removePolicy(vaultArmId: string, policyName: string): Promise<void> {
    const container = this.#account.container(containerOf(vaultArmId));
    await unlessGone(() => container.deleteBlob(policyFilePath(policyName)));
  }

  async #write(containerName: string, path: string, document: object): Promise<void> {
    const container = this.#account.container(containerName);
    const content = encodeDocument(document);
    await mapping(VAULT, async () => {
      await container.createIfNotExists();
      await container
        .getBlockBlobClient(path)
        .upload(content, content.length, { blobHTTPHeaders: { blobContentType: "application/json" } });
    });
  }

  async #removeContainer(containerName: string, file: string): Promise<void> {
    const container = this.#account.container(containerName);
    const other = await mapping(VAULT, () => anythingBut(this.#account, containerName, file));
    if (other !== undefined) {
      throw new VaultError("storage/conflict", `container '${containerName}' of the vault account holds '${other}'`, {
        hint: "it is removed when it is empty",
      });
    }
    await unlessGone(() => container.deleteBlob(file));
    await unlessGone(() => container.delete());
  }
}

function containerOf(vaultArmId: string): string {
  return vaultFilesContainer(vaultKey(vaultArmId));
}

/** Lists page by page: with a hierarchical namespace there may be empty directories, which hold nothing. */
async function anythingBut(account: BlobAccount, container: string, file: string): Promise<string | undefined> {
  try {
    for await (const page of listBlobPages(account, container, { include: ["metadata"] })) {
      const other = page.find((item) => item.name !== file && !isDirectory(item));
      if (other !== undefined) return other.name;
    }
  } catch (error) {
    if (answerOf(error)?.code !== "ContainerNotFound") throw error;
  }
  return undefined;
}

function isDirectory({ metadata, properties }: ListedItem): boolean {
  return metadata?.["hdi_isfolder"] === "true" && properties.contentLength === 0;
}

async function unlessGone(remove: () => Promise<unknown>): Promise<void> {
  await mapping(VAULT, async () => {
    try {
      await remove();
    } catch (error) {
      if (answerOf(error)?.status !== 404) throw error;
    }
  });
}
