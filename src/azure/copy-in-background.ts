/**
 * @module
 * Asynchronous Copy Blob: for append and page blobs, which no other request copies, and for block blobs whose metadata
 * do not fit into request headers. From the vault, where nothing changes, it is started and awaited. From a source it
 * copies a snapshot; see `decide-frozen-copy.ts`.
 *
 * With a hierarchical namespace there are no snapshots. There the copy requires the version at its start, and counts
 * only if the source is still the same after its end.
 * @see https://learn.microsoft.com/rest/api/storageservices/copy-blob
 * @see https://learn.microsoft.com/rest/api/storageservices/snapshot-blob
 */
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { Entry } from "../vault/entry.ts";
import {
  type CopyLimits,
  type CopyRequest,
  type CopyResult,
  newBlobOf,
  ONLY_IF_FREE,
  sourceOf,
  tierAndTags,
} from "./copy-request.ts";
import { decideFrozenCopy, type FoundObject, type FrozenCopySight, staleSnapshots } from "./decide-frozen-copy.ts";
import { listBlobPages } from "./list-blobs.ts";
import { quoted, unquoted } from "./listed-blobs.ts";
import { listSource, metadataOf, unlistedMetadata } from "./listed-source.ts";
import { answerOrNone, ifFound } from "./map-error.ts";
import type { ListedItem } from "./parse-listing.ts";
import { removeSnapshot, SNAPSHOT_MARK, settle, snapshotOf, VERSION_MARK } from "./settle-copy.ts";

/** Max steps of one call; each failed step leaves something for the next to continue from. */
const MAX_STEPS = 10;

/** Max snapshots tried on the condition that nobody writes meanwhile; then one is taken without condition. */
const CONDITIONAL_TRIES = 2;

/** Starts an asynchronous copy and, if the source may change, waits for it. */
export async function copyInBackground(request: CopyRequest, limits: CopyLimits): Promise<CopyResult> {
  const { etag } = request;
  if (etag !== undefined) return new FrozenCopy({ ...request, etag }, limits).run();
  await newBlobOf(request).beginCopyFromURL(await request.from.account.signedUrl(sourceOf(request), request.size), {
    conditions: { ...ONLY_IF_FREE },
    ...labelsOf(request),
  });
  return { kind: "begun" };
}

const BLOB_TYPES: Readonly<Record<string, string>> = { block: "BlockBlob", append: "AppendBlob", page: "PageBlob" };

/** Append and page blobs have no access tier of their own. */
function labelsOf(request: CopyRequest): { readonly tier?: string; readonly tags?: Record<string, string> } {
  const { tier: _, ...tags } = tierAndTags(request);
  return request.type === undefined ? tierAndTags(request) : tags;
}

/** A version that is copied, with its metadata. */
interface Version extends Pick<Entry, "etag" | "size" | "modified"> {
  readonly metadata: Readonly<Record<string, string>>;
}

interface Sight extends FrozenCopySight {
  readonly item: ListedItem | undefined;
}

/** One execution's copy of a blob that may be written to at any time. */
class FrozenCopy {
  readonly #request: CopyRequest & { readonly etag: string };
  readonly #limits: CopyLimits;
  readonly #own = new Set<string>();
  readonly #copied = new Map<string, Version>();
  #conditional = 0;

  constructor(request: CopyRequest & { readonly etag: string }, limits: CopyLimits) {
    this.#request = request;
    this.#limits = limits;
  }

  async run(): Promise<CopyResult> {
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      const sight = await this.#look();
      for (const { id } of staleSnapshots(sight)) await removeSnapshot(this.#request, id);
      const step = decideFrozenCopy(sight);
      if (step.kind === "gone" || step.kind === "changed") return step;
      const result =
        step.kind === "settle"
          ? await this.#settle(step.etag)
          : await this.#copy(sight.item, step.kind === "copy" ? step.snapshot : undefined);
      if (result !== "look again") return result;
    }
    const name = this.#request.from.name;
    throw new VaultError("storage/unavailable", `the copy of '${name}' does not complete`);
  }

  async #look(): Promise<Sight> {
    const { from, to, etag, type, orLater } = this.#request;
    const objects = await this.#objects();
    const snapshots = [];
    let item: ListedItem | undefined;
    for await (const one of listSource(this.#request, true)) {
      if (!one.snapshot) item = one;
      else if (one.metadata?.[SNAPSHOT_MARK] === to.container) {
        const version = one.metadata[VERSION_MARK];
        const takenAt = new Date(one.snapshot);
        snapshots.push({ id: one.snapshot, takenAt, ...present({ etag: version }) });
      }
    }
    const wantedType = BLOB_TYPES[type ?? "block"];
    return {
      wanted: etag,
      now: from.account.now,
      snapshots,
      objects,
      item,
      ...present({ since: orLater?.since }),
      ...(item === undefined
        ? {}
        : { base: { etag: unquoted(item.properties.etag), isSameType: item.properties.blobType === wantedType } }),
    };
  }

  /** Objects of all acceptable versions. */
  async #objects(): Promise<FoundObject[]> {
    const { to, etag, orLater } = this.#request;
    const found: FoundObject[] = [];
    const { prefix, versionIn } = namesOf(to.name, etag, orLater);
    const listing = { prefix, include: ["copy"], retries: "once" } as const;
    for await (const page of listBlobPages(to.account, to.container, listing)) {
      for (const { name, properties } of page) {
        const version = versionIn(name);
        if (version === undefined) continue;
        const snapshot = properties.copySource === undefined ? "" : snapshotOf(properties.copySource);
        const copyStatus = properties.copyStatus ?? "success";
        found.push({ etag: version, copyStatus, ...(snapshot === "" ? {} : { snapshot }) });
      }
    }
    return found;
  }

  #nameOf(etag: string): string {
    const { to, orLater } = this.#request;
    return orLater === undefined ? to.name : orLater.nameOf(etag);
  }

  #into(etag: string): CopyRequest {
    return { ...this.#request, to: { ...this.#request.to, name: this.#nameOf(etag) } };
  }

  async #settle(etag: string): Promise<CopyResult | "look again"> {
    const { etag: wanted, size: wantedSize } = this.#request;
    const request = this.#into(etag);
    const found = await settle(request, this.#limits, async ({ status, size, snapshot }) => {
      if (status !== "success" || (etag === wanted && size !== wantedSize)) return false;
      // Not from a snapshot: complete only if nobody has written to the source since.
      return snapshot !== "" || (await this.#isStill(etag));
    });
    if (found.kind === "pending") return { kind: "unfinished" };
    if (found.kind === "free") return "look again";
    const { md5, size, snapshot } = found.end;
    for (const id of this.#own) if (id !== snapshot) await removeSnapshot(request, id);
    const copied = this.#copied.get(etag);
    // Of a copy by an earlier execution only the time of its snapshot is known.
    const modified = copied?.modified ?? (snapshot ? new Date(snapshot) : request.from.account.now).toISOString();
    return {
      kind: "copied",
      ...present({ md5 }),
      ...(copied === undefined ? { wasThere: true } : {}),
      ...(etag === wanted ? {} : { version: { etag, size, modified } }),
    };
  }

  async #isStill(etag: string): Promise<boolean> {
    const now = await ifFound(() => sourceOf(this.#request).getProperties());
    return now !== undefined && unquoted(now.etag ?? "") === etag;
  }

  /** Takes a snapshot, unless there is one, and starts a copy of it. */
  async #copy(item: ListedItem | undefined, taken: string | undefined): Promise<CopyResult | "look again"> {
    if (item === undefined) return { kind: "gone" };
    const unlisted = unlistedMetadata(item);
    if (unlisted !== undefined) return unlisted;
    const version = versionOf(item);
    if (taken !== undefined) return this.#begin(version, taken);
    const isHot = this.#conditional >= CONDITIONAL_TRIES && this.#request.orLater !== undefined;
    const snapshot = await this.#freeze(isHot ? undefined : version.etag);
    if (snapshot === "no snapshots") return this.#begin(version, undefined);
    if (snapshot === undefined) return "look again";
    if (!isHot) return this.#begin(version, snapshot);
    const frozen = await this.#frozenVersion(snapshot, version);
    if (frozen !== undefined) return this.#begin(frozen, snapshot);
    await this.#drop(snapshot);
    return "look again";
  }

  /** @param etag - absent: any version. @returns undefined when it is another version, or not found */
  async #freeze(etag: string | undefined): Promise<string | "no snapshots" | undefined> {
    const { from, to } = this.#request;
    this.#conditional += 1;
    try {
      const { snapshot } = await sourceOf(this.#request).createSnapshot({
        ...(etag === undefined ? {} : { conditions: { ifMatch: quoted(etag) } }),
        metadata: { [SNAPSHOT_MARK]: to.container, ...(etag === undefined ? {} : { [VERSION_MARK]: etag }) },
      });
      if (snapshot === undefined) throw new Error(`the service returned no id for the snapshot of '${from.name}'`);
      this.#own.add(snapshot);
      return snapshot;
    } catch (error) {
      const { status, code } = answerOrNone(error);
      if (code === "FeatureNotYetSupportedForHierarchicalNamespaceAccounts") return "no snapshots";
      if (status === 404 || status === 412) return undefined;
      throw error;
    }
  }

  /**
   * Content of a snapshot that was taken without a condition. Its metadata are ours, so those of the blob must have
   * been the same before and after. Its own ETag names it: no later version of the blob has it, so the next backup
   * copies it again.
   */
  async #frozenVersion(id: string, before: Version): Promise<Version | undefined> {
    let after: Version | undefined;
    let frozen: Version | undefined;
    for await (const item of listSource(this.#request, true)) {
      if (!item.snapshot) after = versionOf(item);
      else if (item.snapshot === id) frozen = versionOf(item);
    }
    const isSame = after !== undefined && JSON.stringify(after.metadata) === JSON.stringify(before.metadata);
    return isSame && frozen !== undefined ? { ...frozen, metadata: before.metadata } : undefined;
  }

  /** @param snapshot - absent: the blob itself, in accounts without snapshots */
  async #begin(version: Version, snapshot: string | undefined): Promise<CopyResult | "look again"> {
    const source = sourceOf(this.#request);
    const { metadata } = version;
    try {
      const url = await this.#request.from.account.signedUrl(source, version.size, snapshot);
      const blob = this.#request.to.account.writing(metadata, newBlobOf(this.#into(version.etag)));
      await blob.beginCopyFromURL(url, {
        conditions: { ...ONLY_IF_FREE },
        ...(snapshot === undefined ? { sourceConditions: { ifMatch: quoted(version.etag) } } : {}),
        ...(Object.keys(metadata).length === 0 ? {} : { metadata: { ...metadata } }),
        ...labelsOf(this.#request),
      });
    } catch (error) {
      const { status, code } = answerOrNone(error);
      // Another execution was faster; waiting for its copy shows from which snapshot it is.
      if (code === "BlobAlreadyExists" || code === "PendingCopyOperation") return this.#settle(version.etag);
      // Only a refusal proves that no copy was started, so that nothing reads the snapshot.
      if (snapshot !== undefined && status >= 400 && status < 500) await this.#drop(snapshot);
      // The execution that took the snapshot has deleted it; or the source is gone, which the next step finds out.
      if (snapshot !== undefined && status === 404) return "look again";
      throw error;
    }
    this.#copied.set(version.etag, version);
    return this.#settle(version.etag);
  }

  async #drop(snapshot: string): Promise<void> {
    if (this.#own.delete(snapshot)) await removeSnapshot(this.#request, snapshot);
  }
}

interface Names {
  readonly prefix: string;
  /** The version in a name; undefined when it is not the name of an object of the blob. */
  readonly versionIn: (name: string) => string | undefined;
}

/**
 * Name pattern of the objects of a blob; they differ in the ETag alone. ETags of one service have a common beginning,
 * so the prefix excludes most names in a folder with the blob's own name. No ETag has a slash, so a name with one in
 * its place belongs to another blob, such as `log/0x8D/b` beside `log`.
 */
function namesOf(wanted: string, etag: string, orLater: CopyRequest["orLater"]): Names {
  const at = wanted.lastIndexOf(etag);
  if (orLater === undefined || at < 0) {
    return { prefix: wanted, versionIn: (name) => (name === wanted ? etag : undefined) };
  }
  const suffix = wanted.slice(at + etag.length);
  return {
    prefix: wanted.slice(0, at + 2),
    versionIn: (name) => {
      const version = name.slice(at, name.length - suffix.length);
      return !version.includes("/") && orLater.nameOf(version) === name ? version : undefined;
    },
  };
}

function versionOf(item: ListedItem): Version {
  const { etag, contentLength = 0, lastModified } = item.properties;
  return {
    etag: unquoted(etag),
    size: contentLength,
    modified: lastModified.toISOString(),
    metadata: metadataOf(item),
  };
}
