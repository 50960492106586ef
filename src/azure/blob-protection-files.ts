import type { ContainerClient } from "@azure/storage-blob";
import { VaultError } from "../foundation/errors.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { instanceFileOf, policyFileOf, vaultFileOf } from "../instances/protection-documents.ts";
import type { ProtectionFiles } from "../instances/protection-files.ts";
import { type VaultRecord, vaultKey } from "../instances/vault-record.ts";
import type { PolicyRecord } from "../policies/policy-record.ts";
import { INSTANCE_FILE, vaultContainerName } from "../vault/names.ts";
import { policyDocumentPath, VAULT_DOCUMENT, vaultFilesContainer } from "../vault/vault-document.ts";
import { encodeDocument } from "../vault/version.ts";
import type { BlobAccount } from "./blob-account.ts";
import { listBlobPages } from "./list-blobs.ts";
import { answerOrNone, ifFound, mapping, type Place, serviceCodeOf, statusOf } from "./map-error.ts";
import type { ListedItem } from "./parse-listing.ts";

const VAULT: Place = { kind: "vault" };

/** Writes documents of vaults, policies and instances to the vault account, and creates their containers. */
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
    await this.#write(containerOf(vault.armId), VAULT_DOCUMENT, vaultFileOf(vault));
  }

  async removeVault(vaultArmId: string): Promise<void> {
    await this.#removeContainer(containerOf(vaultArmId), VAULT_DOCUMENT);
  }

  async ensurePolicy(vaultArmId: string, policy: PolicyRecord): Promise<void> {
    await this.#write(containerOf(vaultArmId), policyDocumentPath(policy.name), policyFileOf(policy));
  }

  async removePolicy(vaultArmId: string, policyName: string): Promise<void> {
    const container = this.#account.container(containerOf(vaultArmId));
    const path = policyDocumentPath(policyName);
    await mapping(VAULT, async () => {
      const etag = await etagOf(container, path);
      if (etag !== undefined) await deleteAsSeen(container, path, etag);
    });
  }

  /** Overwrites only the version that was read: a late request must not undo later writes. */
  async #write(containerName: string, path: string, document: object): Promise<void> {
    const container = this.#account.container(containerName);
    const content = encodeDocument(document);
    await mapping(VAULT, async () => {
      await container.createIfNotExists();
      for (let tried = 0; tried < WRITE_TRIES; tried++) {
        const etag = await etagOf(container, path);
        try {
          await container.getBlockBlobClient(path).upload(content, content.length, {
            blobHTTPHeaders: { blobContentType: "application/json" },
            conditions: etag === undefined ? { ifNoneMatch: "*" } : { ifMatch: etag },
          });
          return;
        } catch (error) {
          if (!isChanged(error)) throw error;
        }
      }
      throw new VaultError("storage/conflict", `'${path}' keeps changing`);
    });
  }

  /**
   * Deletes a container that has only one file. The service has no condition for "still empty", so this uses a lease: a
   * late request, after the container was recreated, has a lease id that is not valid there.
   *
   * @see https://learn.microsoft.com/rest/api/storageservices/delete-container
   */
  async #removeContainer(containerName: string, file: string): Promise<void> {
    const container = this.#account.container(containerName);
    await mapping(VAULT, async () => {
      const etag = await etagOf(container, file);
      const lease = container.getBlobLeaseClient();
      try {
        await lease.acquireLease(LEASE_SECONDS);
      } catch (error) {
        if (statusOf(error) === 404) return;
        if (serviceCodeOf(error) !== "LeaseAlreadyPresent") throw error;
        throw new VaultError("storage/conflict", `container '${containerName}' is being deleted by another request`);
      }
      try {
        const other = await anythingBut(this.#account, containerName, file);
        if (other !== undefined) {
          throw new VaultError(
            "storage/conflict",
            `container '${containerName}' of the vault account still has '${other}'`,
            { hint: "it is deleted when it is empty" },
          );
        }
        if (etag !== undefined) await deleteAsSeen(container, file, etag);
        else if ((await etagOf(container, file)) !== undefined) throw changed(file);
        await container.delete({ conditions: { leaseId: lease.leaseId } });
      } catch (error) {
        // The lease also expires by itself.
        await lease.releaseLease().catch(() => undefined);
        throw error;
      }
    });
  }
}

/** Max attempts to read and write a document while others write it. */
const WRITE_TRIES = 5;

/** Max duration of a lease that expires. */
const LEASE_SECONDS = 60;

/** @returns with quotes; undefined when the file is not found */
function etagOf(container: ContainerClient, path: string): Promise<string | undefined> {
  return ifFound(async () => (await container.getBlobClient(path).getProperties()).etag);
}

function isChanged(error: unknown): boolean {
  const { status, code } = answerOrNone(error);
  return status === 412 || code === "BlobAlreadyExists";
}

function changed(path: string): VaultError {
  return new VaultError("storage/conflict", `'${path}' was changed before it could be deleted`);
}

/** @throws VaultError `storage/conflict` when it was changed meanwhile; skips one that is not found */
async function deleteAsSeen(container: ContainerClient, path: string, etag: string): Promise<void> {
  try {
    await container.deleteBlob(path, { conditions: { ifMatch: etag } });
  } catch (error) {
    const status = statusOf(error);
    if (status === 412) throw changed(path);
    if (status !== 404) throw error;
  }
}

function containerOf(vaultArmId: string): string {
  return vaultFilesContainer(vaultKey(vaultArmId));
}

/** Lists page by page: with a hierarchical namespace there may be empty directories, which do not count. */
async function anythingBut(account: BlobAccount, container: string, file: string): Promise<string | undefined> {
  try {
    for await (const page of listBlobPages(account, container, { include: ["metadata"] })) {
      const other = page.find((item) => item.name !== file && !isDirectory(item));
      if (other !== undefined) return other.name;
    }
  } catch (error) {
    if (serviceCodeOf(error) !== "ContainerNotFound") throw error;
  }
  return undefined;
}

function isDirectory({ metadata, properties }: ListedItem): boolean {
  return metadata?.["hdi_isfolder"] === "true" && properties.contentLength === 0;
}
