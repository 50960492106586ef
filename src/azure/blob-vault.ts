import type { ContainerClient } from "@azure/storage-blob";
import type { BackupVault, CopyOutcome, SourceVersion } from "../backup/backup-vault.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { vaultContainerName } from "../vault/names.ts";
import type { Removal, SweepableVault, VaultFile, WriteOptions } from "../vault/vault-files.ts";
import type { BlobAccount } from "./blob-account.ts";
import { copyBlob } from "./copy-blob.ts";
import { type BlobPlace, COPY_LIMITS, type CopyLimits, type CopyRequest } from "./copy-request.ts";
import { listBlobPages } from "./list-blobs.ts";
import { quoted, unquoted } from "./listed-blobs.ts";
import { answerOrNone, ifFound, mapError, mapping, type Place, serviceCodeOf, statusOf } from "./map-error.ts";
import { readWhole } from "./read-content.ts";
import { type CopyEnd, copyUntilWhole } from "./settle-copy.ts";

const VAULT: Place = { kind: "vault" };

/** The files of one container in the vault account. */
export class BlobFiles implements SweepableVault {
  protected readonly account: BlobAccount;
  protected readonly containerName: string;
  protected readonly container: ContainerClient;

  constructor(account: BlobAccount, containerName: string) {
    this.account = account;
    this.containerName = containerName;
    this.container = account.container(containerName);
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    return mapping(VAULT, () => readWhole(this.container.getBlobClient(path)));
  }

  async create(path: string, content: Uint8Array, options: WriteOptions): Promise<boolean> {
    return mapping(VAULT, async () => {
      try {
        await this.container.getBlockBlobClient(path).upload(content, content.length, {
          conditions: { ifNoneMatch: "*" },
          blobHTTPHeaders: { blobContentType: options.contentType },
          metadata: { ...options.metadata },
        });
        return true;
      } catch (error) {
        // BlobAlreadyExists (409): "The specified blob already exists."
        // ConditionNotMet (412): "The condition specified using HTTP conditional header(s) is not met."
        // Any other 409, such as ContainerBeingDeleted, does not mean that the file exists.
        const { status, code } = answerOrNone(error);
        if (code === "BlobAlreadyExists" || status === 412) return false;
        throw error;
      }
    });
  }

  async *list(prefix: string, from?: string): AsyncGenerator<VaultFile, void, undefined> {
    try {
      const options = { prefix, include: ["metadata"] as const, ...present({ startFrom: from }) };
      for await (const page of listBlobPages(this.account, this.containerName, options)) {
        for (const { name, properties, metadata } of page) {
          const { contentLength: size = 0, etag, lastModified: writtenAt } = properties;
          yield { path: name, size, metadata: metadata ?? {}, etag: unquoted(etag), writtenAt };
        }
      }
    } catch (error) {
      // A container that is not found has no files yet.
      if (serviceCodeOf(error) === "ContainerNotFound") return;
      throw mapError(error, VAULT);
    }
  }

  async remove(files: readonly Removal[]): Promise<readonly string[]> {
    const [first] = files;
    if (first === undefined) return [];
    // A batch of one costs more than a single request.
    const refused = await mapping(VAULT, () => (files.length === 1 ? this.#removeOne(first) : this.#removeAll(files)));
    const changed: string[] = [];
    for (const path of refused) {
      // A condition also fails when the file is not found.
      if (await mapping(VAULT, () => this.container.getBlobClient(path).exists())) changed.push(path);
    }
    return changed;
  }

  /** @returns the path, when the condition does not hold */
  async #removeOne(file: Removal): Promise<string[]> {
    try {
      await this.container.getBlobClient(file.path).delete({ conditions: conditionOf(file) });
      return [];
    } catch (error) {
      const status = statusOf(error);
      if (status === 404) return [];
      if (status === 412) return [file.path];
      throw error;
    }
  }

  /**
   * Each request within a batch has its own conditions.
   *
   * @returns paths whose condition does not hold
   * @see https://learn.microsoft.com/rest/api/storageservices/blob-batch
   */
  async #removeAll(files: readonly Removal[]): Promise<string[]> {
    const client = this.account.service.getBlobBatchClient();
    const batch = client.createBatch();
    for (const file of files) {
      await batch.deleteBlob(this.container.getBlobClient(file.path), { conditions: conditionOf(file) });
    }
    const { subResponses } = await client.submitBatch(batch);
    const refused: string[] = [];
    for (const [i, file] of files.entries()) {
      const { status, errorCode } = subResponses[i] ?? { status: 0 };
      if (status >= 200 && status < 300) continue;
      if (status === 412) refused.push(file.path);
      else if (errorCode !== "BlobNotFound") {
        throw new VaultError("storage/unavailable", `a file cannot be deleted (${errorCode ?? status})`);
      }
    }
    return refused;
  }
}

function conditionOf(file: Removal): { readonly ifMatch: string } | { readonly ifUnmodifiedSince: Date } {
  return file.etag === undefined ? { ifUnmodifiedSince: file.writtenUntil } : { ifMatch: quoted(file.etag) };
}

/** The files of one backup instance. */
export class BlobVaultFiles extends BlobFiles {
  constructor(account: BlobAccount, instanceId: string) {
    super(account, vaultContainerName(instanceId));
  }
}

/** Max attempts to read and copy a marker while others copy it. */
const MARKER_TRIES = 5;

export interface BlobBackupVaultOptions {
  /** Access tier of objects; absent: the vault account's default. */
  readonly tier?: string;
  readonly limits?: CopyLimits;
}

/** The same, with copies of objects from the account that the instance protects. */
export class BlobBackupVault extends BlobVaultFiles implements BackupVault {
  readonly #source: BlobAccount;
  readonly #sourcePlace: Place;
  readonly #tier: string | undefined;
  readonly #limits: CopyLimits;

  constructor(account: BlobAccount, instanceId: string, source: BlobAccount, options: BlobBackupVaultOptions = {}) {
    super(account, instanceId);
    this.#source = source;
    this.#sourcePlace = { kind: "datasource", account: source.name };
    this.#tier = options.tier;
    this.#limits = options.limits ?? COPY_LIMITS;
  }

  async copyObject(version: SourceVersion, path: string, shouldContinue: () => boolean): Promise<CopyOutcome> {
    const request: CopyRequest = {
      from: this.#sourceBlob(version.container, version.name),
      to: this.#vaultBlob(path),
      size: version.size,
      etag: version.etag,
      shouldContinue,
      ...present({ type: version.type }),
      ...(version.orLater === undefined
        ? {}
        : { orLater: { since: new Date(version.orLater.since), nameOf: version.orLater.pathOf } }),
      ...present({ tier: this.#tier }),
    };
    // The object's name contains its version, so only length and copy status can differ.
    const isWhole = ({ status, size }: CopyEnd): boolean => status === "success" && size === request.size;
    const result = await copyUntilWhole(request, this.#limits, copyBlob, isWhole);
    if (result.kind !== "copied") return result;
    const { wasThere, ...copied } = result;
    return { ...copied, movedBytes: wasThere === true ? 0 : (copied.version?.size ?? version.size) };
  }

  async copyMarker(container: string, name: string, path: string, etag?: string): Promise<CopyOutcome> {
    const [from, to] = [this.#sourceBlob(container, name), this.#vaultBlob(path)];
    for (let tried = 0; tried < MARKER_TRIES; tried++) {
      const over = await this.#etagAt(path);
      // Every marker is far below the size that one request copies.
      const result = await copyBlob({
        ...{ from, to, size: 0, retries: "retrying" },
        ...present({ over, etag }),
      });
      if (result.kind === "copied") return { kind: "copied", movedBytes: 0 };
      if (result.kind !== "exists" && result.kind !== "begun") return result;
      // Another execution has copied it since it was read, or it was rewritten.
    }
    throw new VaultError("storage/conflict", `marker '${path}' cannot be overwritten`);
  }

  /** @returns with quotes; undefined when the file is not found */
  async #etagAt(path: string): Promise<string | undefined> {
    return mapping(VAULT, () => ifFound(async () => (await this.container.getBlobClient(path).getProperties()).etag));
  }

  #sourceBlob(container: string, name: string): BlobPlace {
    return { account: this.#source, container, name, place: this.#sourcePlace };
  }

  #vaultBlob(name: string): BlobPlace {
    return { account: this.account, container: this.containerName, name, place: VAULT };
  }
}
