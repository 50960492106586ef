/**
 * @module
 * The blobs of an in-memory storage service: versions with ETags, snapshots, blocks, asynchronous copies that end on
 * command, and conditions. It has the parts of Blob Storage that the adapters in `src/azure` use.
 */
import { createHash } from "node:crypto";

export interface CopyState {
  readonly id: string;
  readonly status: "pending" | "success" | "failed" | "aborted";
  /** As returned by the service, without a SAS. */
  readonly source: string;
}

export interface StoredBlob {
  readonly type: "BlockBlob" | "AppendBlob" | "PageBlob";
  readonly content: Buffer;
  readonly etag: string;
  readonly modified: Date;
  readonly created: Date;
  readonly contentType: string;
  readonly md5?: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly copy?: CopyState;
  readonly snapshots: ReadonlyMap<string, StoredBlob>;
}

/** Error response of the service. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string) {
    super(`${status} ${code}`);
    this.status = status;
    this.code = code;
  }
}

export interface Conditions {
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly ifUnmodifiedSince?: string | undefined;
}

interface Container {
  readonly blobs: Map<string, StoredBlob>;
  /** Uncommitted blocks, by blob and id. */
  readonly staged: Map<string, Map<string, Buffer>>;
  readonly metadata: Readonly<Record<string, string>>;
}

interface PendingCopy {
  readonly to: readonly [account: string, container: string, blob: string];
  readonly id: string;
  readonly from: URL;
}

export class StoredBlobs {
  readonly #containers = new Map<string, Container>();
  readonly #pending: PendingCopy[] = [];
  /** Refuses snapshots, like an account with a hierarchical namespace. */
  hasSnapshots = true;
  #ticks = 0;
  #now = Date.parse("2026-01-01T00:00:00Z");

  /** The clock advances one second with each operation. */
  tick(): Date {
    this.#now += 1_000;
    return new Date(this.#now);
  }

  get now(): Date {
    return new Date(this.#now);
  }

  containersOf(account: string): string[] {
    const prefix = `${account}/`;
    return [...this.#containers.keys()].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
  }

  createContainer(account: string, name: string, metadata: Readonly<Record<string, string>> = {}): void {
    const key = `${account}/${name}`;
    if (this.#containers.has(key)) throw new Refusal(409, "ContainerAlreadyExists");
    this.#containers.set(key, { blobs: new Map(), staged: new Map(), metadata });
  }

  setContainerMetadata(account: string, name: string, metadata: Readonly<Record<string, string>>): void {
    const before = this.container(account, name);
    this.#containers.set(`${account}/${name}`, { ...before, metadata });
  }

  container(account: string, name: string): Container {
    const found = this.#containers.get(`${account}/${name}`);
    if (found === undefined) throw new Refusal(404, "ContainerNotFound");
    return found;
  }

  find(account: string, container: string, name: string, snapshot?: string): StoredBlob {
    const base = this.container(account, container).blobs.get(name);
    const found = snapshot === undefined ? base : base?.snapshots.get(snapshot);
    if (found === undefined) throw new Refusal(404, "BlobNotFound");
    return found;
  }

  /** Writes a version; overwrites if the conditions allow it. */
  put(
    account: string,
    container: string,
    name: string,
    blob: Partial<StoredBlob> & Pick<StoredBlob, "content">,
    conditions: Conditions = {},
  ): StoredBlob {
    const { blobs, staged } = this.container(account, container);
    const before = blobs.get(name);
    check(before, conditions, "write");
    if (before?.copy?.status === "pending") throw new Refusal(409, "PendingCopyOperation");
    const modified = this.tick();
    const after: StoredBlob = {
      type: "BlockBlob",
      contentType: "application/octet-stream",
      metadata: {},
      snapshots: before?.snapshots ?? new Map(),
      created: before?.created ?? modified,
      ...blob,
      etag: this.#newEtag(),
      modified,
    };
    blobs.set(name, after);
    staged.delete(name);
    return after;
  }

  setMetadata(
    account: string,
    container: string,
    name: string,
    metadata: Readonly<Record<string, string>>,
    conditions: Conditions,
  ): StoredBlob {
    const before = this.find(account, container, name);
    check(before, conditions, "write");
    const after = { ...before, metadata, etag: this.#newEtag(), modified: this.tick() };
    this.container(account, container).blobs.set(name, after);
    return after;
  }

  remove(account: string, container: string, name: string, snapshot: string | undefined, conditions: Conditions): void {
    const base = this.find(account, container, name, snapshot);
    check(base, conditions, "write");
    const { blobs } = this.container(account, container);
    if (snapshot !== undefined) {
      const owner = this.find(account, container, name);
      blobs.set(name, { ...owner, snapshots: new Map([...owner.snapshots].filter(([id]) => id !== snapshot)) });
      return;
    }
    if (base.copy?.status === "pending") throw new Refusal(409, "PendingCopyOperation");
    if (base.snapshots.size > 0) throw new Refusal(409, "SnapshotsPresent");
    blobs.delete(name);
  }

  /** A snapshot with its own metadata has its own ETag, too. */
  snapshot(
    account: string,
    container: string,
    name: string,
    metadata: Readonly<Record<string, string>>,
    conditions: Conditions,
  ): { readonly id: string; readonly blob: StoredBlob } {
    if (!this.hasSnapshots) throw new Refusal(409, "FeatureNotYetSupportedForHierarchicalNamespaceAccounts");
    const base = this.find(account, container, name);
    check(base, conditions, "write");
    const taken = this.tick();
    const own = Object.keys(metadata).length > 0;
    const blob = {
      ...base,
      snapshots: new Map(),
      ...(own ? { metadata, etag: this.#newEtag(), modified: taken } : {}),
    };
    const id = taken.toISOString().replace("Z", "0000Z");
    this.container(account, container).blobs.set(name, {
      ...base,
      snapshots: new Map([...base.snapshots, [id, blob]]),
    });
    return { id, blob };
  }

  /** Source of a copy: the account of a path-style URL, its container and blob, and optionally a snapshot. */
  source(url: URL): StoredBlob {
    const [, account = "", container = "", ...rest] = url.pathname.split("/");
    const name = decodeURIComponent(rest.join("/"));
    return this.find(account, container, name, url.searchParams.get("snapshot") ?? undefined);
  }

  beginCopy(
    account: string,
    container: string,
    name: string,
    from: URL,
    metadata: Readonly<Record<string, string>>,
    conditions: Conditions,
  ): StoredBlob {
    const source = this.source(from);
    const snapshot = from.searchParams.get("snapshot");
    const told = `${from.origin}${from.pathname}${snapshot === null ? "" : `?snapshot=${encodeURIComponent(snapshot)}`}`;
    const id = `copy-${this.#ticks}`;
    const own = Object.keys(metadata).length > 0;
    const begun = this.put(
      account,
      container,
      name,
      {
        type: source.type,
        content: Buffer.alloc(0),
        contentType: source.contentType,
        metadata: own ? metadata : source.metadata,
        copy: { id, status: "pending", source: told },
      },
      conditions,
    );
    this.#pending.push({ to: [account, container, name], id, from });
    return begun;
  }

  get pendingCopies(): number {
    return this.#pending.length;
  }

  /** Ends one running copy: as requested, or as failed when its source is gone. */
  endCopy(at: number, wanted: "success" | "failed" | "aborted"): void {
    const [copy] = this.#pending.splice(at, 1);
    if (copy === undefined) return;
    const [account, container, name] = copy.to;
    const { blobs } = this.container(account, container);
    const begun = blobs.get(name);
    if (begun?.copy?.id !== copy.id) return;
    let source: StoredBlob | undefined;
    try {
      source = this.source(copy.from);
    } catch {
      source = undefined;
    }
    const status = source === undefined && wanted === "success" ? "failed" : wanted;
    const content = status === "success" && source !== undefined ? source.content : Buffer.alloc(0);
    const etag = this.#newEtag();
    blobs.set(name, { ...begun, content, etag, modified: this.tick(), copy: { ...begun.copy, status } });
  }

  #newEtag(): string {
    this.#ticks += 1;
    return `0x8D${this.#ticks.toString(16).toUpperCase().padStart(12, "0")}`;
  }
}

/** @throws Refusal 409 `BlobAlreadyExists`, 412 `ConditionNotMet` */
export function check(
  blob: StoredBlob | undefined,
  { ifMatch, ifNoneMatch, ifUnmodifiedSince }: Conditions,
  kind: "write" | "read",
): void {
  if (ifNoneMatch === "*" && blob !== undefined) throw new Refusal(409, "BlobAlreadyExists");
  const unquoted = ifMatch?.replaceAll('"', "");
  if (unquoted !== undefined && unquoted !== "*" && blob?.etag !== unquoted) throw new Refusal(412, "ConditionNotMet");
  const isNewer = ifUnmodifiedSince !== undefined && blob !== undefined && blob.modified > new Date(ifUnmodifiedSince);
  if (isNewer && kind === "write") throw new Refusal(412, "ConditionNotMet");
}

export function md5Of(content: Buffer): string {
  return createHash("md5").update(content).digest("base64");
}
