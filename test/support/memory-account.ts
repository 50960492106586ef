/**
 * @module
 * An in-memory storage account, with the datasource, vault and restore target on it, following the services' rules:
 * listings ascend, every write creates a new ETag, copies are conditional on the source's ETag and never overwrite.
 */
import { createHash } from "node:crypto";
import type { BackupVault, CopyOutcome, SourceVersion } from "../../src/backup/backup-vault.ts";
import type {
  ContainerProperties,
  Datasource,
  ListBlobsOptions,
  ListedBlob,
  SourceMarker,
} from "../../src/backup/datasource.ts";
import { VaultError } from "../../src/foundation/errors.ts";
import type {
  ContainerOwner,
  Refusal,
  RestoredBlob,
  RestoreOutcome,
  RestoreTarget,
  SealedProperties,
} from "../../src/restore/restore-target.ts";
import type { Entry } from "../../src/vault/entry.ts";
import type { DatasourceKind } from "../../src/vault/instance-document.ts";
import { nameComparator } from "../../src/vault/listing-order.ts";
import { isSourceMarker, ROOT_CONTAINER } from "../../src/vault/names.ts";
import type { Removal, SweepableVault, VaultFile, WriteOptions } from "../../src/vault/vault-files.ts";

export interface MemoryBlob {
  readonly content: string;
  /** As set by its writer; absent: that of the content. A copy has its own. */
  readonly claimedMd5?: string;
  readonly etag: string;
  readonly modified: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly tier?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Absent: block blob. Copies of the other types compute no MD5. */
  readonly type?: "append" | "page";
}

export class MemoryAccount {
  readonly containers = new Map<string, Map<string, MemoryBlob>>();
  /** Reported kind of the account; absent: unknown. */
  kind?: DatasourceKind;
  readonly owners = new Map<string, string>();
  /** Metadata and access level of containers. */
  readonly properties = new Map<string, Omit<ContainerProperties, "container">>();
  /** Containers under an immutability policy: markers cannot be deleted. */
  readonly immutable = new Set<string>();
  #writes = 0;

  container(name: string): Map<string, MemoryBlob> {
    const found = this.containers.get(name);
    if (found === undefined) {
      throw new VaultError("datasource/container-not-found", `container '${name}' of the account was not found`);
    }
    return found;
  }

  createContainer(name: string): Map<string, MemoryBlob> {
    const created = new Map<string, MemoryBlob>();
    this.containers.set(name, created);
    return created;
  }

  /** Writes a blob as a new version. */
  write(container: string, name: string, content: string, fields: Partial<MemoryBlob> = {}): MemoryBlob {
    // Azurite accepts such a name, the service does not.
    if (container === ROOT_CONTAINER && name.includes("/")) throw new Error(`'${name}' is no name in ${container}`);
    this.#writes += 1;
    const blob = { content, modified: "2026-01-01T00:00:00.000Z", ...fields, etag: fields.etag ?? `0x${this.#writes}` };
    this.container(container).set(name, blob);
    return blob;
  }
}

function md5Of(content: string): string {
  return createHash("md5").update(content).digest("base64");
}

function listed(name: string, blob: MemoryBlob): ListedBlob {
  return {
    name,
    etag: blob.etag,
    size: blob.content.length,
    modified: blob.modified,
    md5: blob.claimedMd5 ?? md5Of(blob.content),
    ...(blob.tier === undefined ? {} : { tier: blob.tier }),
    ...(blob.tags === undefined ? {} : { tags: { ...blob.tags } }),
    ...(blob.type === undefined ? {} : { type: blob.type }),
    effectiveTier: blob.tier ?? "Hot",
  };
}

export class MemoryDatasource implements Datasource {
  readonly kind: DatasourceKind;
  readonly account: MemoryAccount;
  readonly pageSize: number;

  constructor(account: MemoryAccount, options: { readonly kind?: DatasourceKind; readonly pageSize?: number } = {}) {
    this.account = account;
    this.kind = options.kind ?? "blobServices";
    this.pageSize = options.pageSize ?? 5_000;
  }

  async actualKind(): Promise<DatasourceKind | undefined> {
    return this.account.kind;
  }

  async containerExists(container: string): Promise<boolean> {
    return this.account.containers.has(container);
  }

  async describeContainers(): Promise<ContainerProperties[]> {
    return [...this.account.properties].map(([container, properties]) => ({ container, ...properties }));
  }

  async listContainers(): Promise<string[]> {
    return [...this.account.containers.keys()].sort();
  }

  async *listPages(
    container: string,
    { from, pageSize = this.pageSize }: ListBlobsOptions,
  ): AsyncGenerator<readonly ListedBlob[]> {
    const compare = nameComparator(this.kind === "blobServices" ? "utf-16" : "path");
    const isWanted = (name: string): boolean =>
      from.after ? compare(name, from.name) > 0 : compare(name, from.name) >= 0;
    let after: string | undefined;
    for (;;) {
      // Each page reads the account's current state, like a real listing.
      const names = [...this.account.container(container).keys()]
        .filter((name) => (after === undefined ? isWanted(name) : compare(name, after) > 0))
        .sort(compare)
        .slice(0, Math.min(pageSize, this.pageSize));
      yield names.map((name) => listed(name, this.account.container(container).get(name) as MemoryBlob));
      after = names.at(-1);
      if (names.length < Math.min(pageSize, this.pageSize)) return;
    }
  }

  async look(container: string, name: string): Promise<ListedBlob | undefined> {
    const blob = this.account.container(container).get(name);
    return blob === undefined ? undefined : listed(name, blob);
  }

  async writeMarker(container: string, name: string, content: string): Promise<string> {
    return (this.account.container(container).get(name) ?? this.account.write(container, name, content)).etag;
  }

  async listMarkers(container: string, prefix: string): Promise<SourceMarker[]> {
    return [...this.account.container(container)]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, { etag, modified }]) => ({ name, etag, writtenAt: new Date(modified) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async removeMarker(container: string, { name, etag }: SourceMarker): Promise<"removed" | "kept"> {
    const blobs = this.account.container(container);
    const blob = blobs.get(name);
    if (blob === undefined) return "removed";
    if (blob.etag !== etag || this.account.immutable.has(container)) return "kept";
    blobs.delete(name);
    return "removed";
  }

  async removeMarkerDirectory(): Promise<void> {}
}

export class MemoryVault implements BackupVault, SweepableVault {
  readonly files = new Map<string, MemoryBlob>();
  readonly source: MemoryAccount;
  /** Written objects and files, in order. */
  readonly written: string[] = [];
  /** Names that are copied in parts, while there is time. */
  readonly inBlocks = new Set<string>();
  readonly #begun = new Set<string>();
  /** Whether the service computes and returns the MD5 of a copied block blob. */
  answersMd5 = true;
  /** Unreadable names. */
  readonly unreadable = new Set<string>();

  constructor(source: MemoryAccount) {
    this.source = source;
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const file = this.files.get(path);
    return file === undefined ? undefined : Buffer.from(file.content, "latin1");
  }

  async create(path: string, content: Uint8Array, options: WriteOptions): Promise<boolean> {
    if (this.files.has(path)) return false;
    this.#put(path, {
      ...emptyBlob,
      content: Buffer.from(content).toString("latin1"),
      metadata: options.metadata ?? {},
    });
    return true;
  }

  async *list(prefix: string, from = ""): AsyncGenerator<VaultFile> {
    for (const path of [...this.files.keys()].filter((name) => name.startsWith(prefix) && name >= from).sort()) {
      const file = this.files.get(path);
      if (file === undefined) continue;
      yield { path, size: file.content.length, metadata: file.metadata ?? {}, ...stampOf(file) };
    }
  }

  async remove(files: readonly Removal[]): Promise<readonly string[]> {
    const changed: string[] = [];
    for (const { path, etag, writtenUntil } of files) {
      const file = this.files.get(path);
      if (file === undefined) continue;
      const stamp = stampOf(file);
      const holds = etag === undefined ? stamp.writtenAt <= writtenUntil : stamp.etag === etag;
      if (holds) this.files.delete(path);
      else changed.push(path);
    }
    return changed;
  }

  async copyObject(version: SourceVersion, path: string, shouldContinue: () => boolean): Promise<CopyOutcome> {
    // Always copies the first parts, so that the next attempt completes.
    if (this.inBlocks.has(version.name) && !this.#begun.has(path) && !shouldContinue()) {
      this.#begun.add(path);
      return { kind: "unfinished" };
    }
    const blob = this.source.container(version.container).get(version.name);
    if (this.unreadable.has(version.name)) return { kind: "unreadable", code: "archived", message: "archived" };
    if (blob === undefined) return { kind: "gone" };
    if (blob.etag !== version.etag) return { kind: "changed" };
    const md5 = this.answersMd5 && blob.type === undefined ? { md5: md5Of(blob.content) } : {};
    if (this.files.has(path)) return { kind: "copied", movedBytes: 0, ...md5 };
    this.#put(path, blob);
    return { kind: "copied", movedBytes: blob.content.length, ...md5 };
  }

  async copyMarker(container: string, name: string, path: string, etag?: string): Promise<CopyOutcome> {
    const blob = this.source.container(container).get(name);
    if (blob === undefined) return { kind: "gone" };
    if (etag !== undefined && blob.etag !== etag) return { kind: "changed" };
    if (!isSourceMarker(container, { name })) throw new Error(`'${name}' is no marker`);
    this.#put(path, blob);
    return { kind: "copied", movedBytes: blob.content.length };
  }

  #put(path: string, blob: MemoryBlob): void {
    // Each write is a new version, even a copy of the same blob.
    const file = { ...blob };
    this.written.push(path);
    stampOf(file, new Date(LONG_AGO.getTime() + this.written.length * 10_000));
    this.files.set(path, file);
  }
}

const LONG_AGO = new Date("2026-01-01T00:00:00.000Z");

type Stamp = Pick<VaultFile, "etag" | "writtenAt">;

const stamps = new WeakMap<MemoryBlob, Stamp>();
let stamped = 0;

/**
 * ETag and time of a file of a vault; files that a test adds directly get them when they are first read. Writes are ten
 * seconds apart, so that no two have the same second.
 */
export function stampOf(file: MemoryBlob, writtenAt = LONG_AGO): Stamp {
  const known = stamps.get(file);
  if (known !== undefined) return known;
  stamped += 1;
  const stamp = { etag: `0xF${stamped}`, writtenAt };
  stamps.set(file, stamp);
  return stamp;
}

const emptyBlob: MemoryBlob = { content: "", etag: "0x0", modified: "2026-01-01T00:00:00.000Z" };

export class MemoryTarget implements RestoreTarget {
  allowsPublicAccess = true;
  readonly account: MemoryAccount;
  readonly vault: MemoryVault;
  readonly pageSize: number;

  constructor(account: MemoryAccount, vault: MemoryVault, pageSize = 5_000) {
    this.account = account;
    this.vault = vault;
    this.pageSize = pageSize;
  }

  async look(container: string, jobId: string): Promise<ContainerOwner | undefined> {
    if (!this.account.containers.has(container)) return undefined;
    return this.account.owners.get(container) === jobId ? "ours" : "foreign";
  }

  async createContainer(container: string, jobId: string): Promise<ContainerOwner> {
    if (!this.account.containers.has(container)) {
      this.account.createContainer(container);
      this.account.owners.set(container, jobId);
    }
    return (await this.look(container, jobId)) ?? "foreign";
  }

  async finishContainer(container: string, jobId: string, properties: SealedProperties): Promise<readonly Refusal[]> {
    if ((await this.look(container, jobId)) !== "ours") return [];
    const { metadata, publicAccess } = properties;
    this.account.properties.set(container, {
      ...(metadata === undefined ? {} : { metadata }),
      ...(publicAccess === undefined || !this.allowsPublicAccess ? {} : { publicAccess }),
    });
    this.account.owners.delete(container);
    if (publicAccess === undefined || this.allowsPublicAccess) return [];
    return [{ code: "public-access-not-permitted", message: `it was '${publicAccess}'` }];
  }

  async copyObject(objectPath: string, container: string, entry: Entry): Promise<RestoreOutcome> {
    const object = this.vault.files.get(objectPath);
    if (object === undefined) return { kind: "missing" };
    if (this.account.container(container).has(entry.name)) return { kind: "exists" };
    const { metadata, content, claimedMd5 } = object;
    this.account.write(container, entry.name, content, {
      ...(claimedMd5 === undefined ? {} : { claimedMd5 }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(entry.tags === undefined ? {} : { tags: entry.tags }),
      ...(entry.tier === undefined ? {} : { tier: entry.tier }),
    });
    return { kind: "copied" };
  }

  async *listPages(container: string, from: string): AsyncGenerator<readonly RestoredBlob[]> {
    if (!this.account.containers.has(container)) throw new VaultError("datasource/container-not-found", container);
    const names = [...this.account.container(container).keys()].filter((name) => name >= from).sort();
    for (let i = 0; i < names.length; i += this.pageSize) {
      yield names.slice(i, i + this.pageSize).map((name) => {
        const { content, claimedMd5 } = this.account.container(container).get(name) as MemoryBlob;
        return { name, size: content.length, md5: claimedMd5 ?? md5Of(content), isWhole: true };
      });
    }
  }

  async contentMd5(container: string, name: string): Promise<string> {
    return md5Of((this.account.container(container).get(name) as MemoryBlob).content);
  }
}
