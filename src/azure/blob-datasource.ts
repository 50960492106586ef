import type {
  ContainerProperties,
  Datasource,
  ListBlobsOptions,
  ListedBlob,
  SourceMarker,
} from "../backup/datasource.ts";
import { checkKind } from "../instances/datasource-kind.ts";
import type { DatasourceKind } from "../vault/instance-document.ts";
import { SOURCE_MARKER_DIRECTORY } from "../vault/names.ts";
import { accountKind } from "./account-kind.ts";
import type { BlobAccount } from "./blob-account.ts";
import { containersWithProperties, userContainers } from "./containers.ts";
import { type ListPagesOptions, listBlobPages } from "./list-blobs.ts";
import { listedBlob, lookedAtBlob, MAX_PAGE_SIZE, quoted, unquoted } from "./listed-blobs.ts";
import { answerOrNone, mapError, mapping, type Place, statusOf } from "./map-error.ts";
import type { ListedItem } from "./parse-listing.ts";

/** A protected storage account, read through its blob endpoint. */
export class BlobDatasource implements Datasource {
  readonly kind: DatasourceKind;
  readonly #account: BlobAccount;
  readonly #place: Place;

  constructor(account: BlobAccount, kind: DatasourceKind) {
    this.kind = kind;
    this.#account = account;
    this.#place = { kind: "datasource", account: account.name };
  }

  async actualKind(): Promise<DatasourceKind | undefined> {
    return accountKind(this.#account);
  }

  async containerExists(container: string): Promise<boolean> {
    return mapping(this.#place, () => this.#account.container(container).exists());
  }

  async listContainers(): Promise<string[]> {
    return mapping(this.#place, () => userContainers(this.#account));
  }

  async describeContainers(): Promise<ContainerProperties[]> {
    return mapping(this.#place, () => containersWithProperties(this.#account));
  }

  async *listPages(
    container: string,
    options: ListBlobsOptions,
  ): AsyncGenerator<readonly ListedBlob[], void, undefined> {
    const { from, pageSize = MAX_PAGE_SIZE } = options;
    try {
      for await (const page of this.#pages(container, { startFrom: from.name, pageSize })) {
        // Only accounts with a hierarchical namespace have directories. Restored as a blob, one would become a file.
        if (page.some(isDirectory)) checkKind({ account: this.#account.name, kind: this.kind }, "adlsBlobServices");
        const blobs = page.map((item) => listedBlob(item, this.kind));
        yield from.after && blobs[0]?.name === from.name ? blobs.slice(1) : blobs;
      }
    } catch (error) {
      throw mapError(error, { ...this.#place, container });
    }
  }

  /**
   * Accounts with a hierarchical namespace have no tags, and only metadata distinguish their directories from blobs. If
   * there are tags after all, because the kind of the account was unknown, they are requested too.
   */
  async *#pages(container: string, options: ListPagesOptions): AsyncGenerator<readonly ListedItem[], void, undefined> {
    const include = this.kind === "blobServices" ? ["tags" as const] : ["metadata" as const];
    for await (const page of listBlobPages(this.#account, container, { ...options, include })) {
      const [first] = page;
      if (this.kind === "adlsBlobServices" && first !== undefined && page.some(hasTags)) {
        const both = { ...options, startFrom: first.name, include: ["metadata", "tags"] as const };
        yield* listBlobPages(this.#account, container, both);
        return;
      }
      yield page;
    }
  }

  async look(container: string, name: string): Promise<ListedBlob | undefined> {
    return mapping({ ...this.#place, container, blob: name }, async () => {
      const blob = this.#account.container(container).getBlobClient(name);
      try {
        const properties = await blob.getProperties();
        const tags = (properties.tagCount ?? 0) > 0 ? await this.#tagsOf(container, name) : undefined;
        return lookedAtBlob(name, properties, this.kind, tags);
      } catch (error) {
        const { status, code } = answerOrNone(error);
        if (status === 404 && code !== "ContainerNotFound") return undefined;
        throw error;
      }
    });
  }

  /** From a listing, whose XML is parsed exactly. */
  async #tagsOf(container: string, name: string): Promise<ListedItem["tags"]> {
    const options = { prefix: name, include: ["tags"] as const, pageSize: 1 };
    for await (const [first] of listBlobPages(this.#account, container, options)) {
      if (first !== undefined) return first.name === name ? first.tags : undefined;
    }
    return undefined;
  }

  async writeMarker(container: string, name: string, content: string): Promise<string> {
    const bytes = Buffer.from(content, "utf8");
    const marker = this.#account.container(container).getBlockBlobClient(name);
    return mapping({ ...this.#place, container, blob: name }, async () => {
      try {
        const { etag } = await marker.upload(bytes, bytes.length, {
          blobHTTPHeaders: { blobContentType: "application/json" },
          conditions: { ifNoneMatch: "*" },
        });
        return unquoted(etag ?? "");
      } catch (error) {
        // BlobAlreadyExists; or that a policy forbids changes of the blob.
        const { status, code } = answerOrNone(error);
        const isThere = status === 412 || /^Blob(AlreadyExists|ImmutableDueTo)/.test(code);
        if (!isThere) throw error;
        return unquoted((await marker.getProperties()).etag ?? "");
      }
    });
  }

  async listMarkers(container: string, prefix: string): Promise<SourceMarker[]> {
    return mapping({ ...this.#place, container }, async () => {
      const { value: page = [] } = await listBlobPages(this.#account, container, { prefix }).next();
      return page.map(({ name, properties: { etag, lastModified } }) => ({
        name,
        etag: unquoted(etag),
        writtenAt: lastModified,
      }));
    });
  }

  async removeMarker(
    container: string,
    { name, etag }: Pick<SourceMarker, "name" | "etag">,
  ): Promise<"removed" | "kept"> {
    return mapping({ ...this.#place, container, blob: name }, async () => {
      const marker = this.#account.container(container).getBlobClient(name);
      try {
        await marker.delete({ deleteSnapshots: "include", conditions: { ifMatch: quoted(etag) } });
        return "removed";
      } catch (error) {
        const { status, code } = answerOrNone(error);
        if (status === 404) return "removed";
        // Also the answer for a marker that is not found.
        if (status === 412) return (await marker.exists()) ? "kept" : "removed";
        // A policy or a legal hold: retries do not help.
        if (status === 409 && code !== "ContainerBeingDeleted") return "kept";
        throw error;
      }
    });
  }

  /** The service does not delete a directory that is not empty (409 `DirectoryIsNotEmpty`). */
  async removeMarkerDirectory(container: string): Promise<void> {
    if (this.kind !== "adlsBlobServices") return;
    await mapping({ ...this.#place, container, blob: SOURCE_MARKER_DIRECTORY }, async () => {
      const directory = this.#account.container(container).getBlobClient(SOURCE_MARKER_DIRECTORY);
      try {
        const { metadata, contentLength, etag } = await directory.getProperties();
        if (metadata?.["hdi_isfolder"] !== "true" || contentLength !== 0) return;
        await directory.delete({ conditions: { ifMatch: etag ?? "" } });
      } catch (error) {
        const status = statusOf(error);
        if (status !== 404 && status !== 409 && status !== 412) throw error;
      }
    });
  }
}

function hasTags({ properties }: ListedItem): boolean {
  return (properties.tagCount ?? 0) > 0;
}

/** Only accounts with a hierarchical namespace return `ResourceType`. */
function isDirectory({ properties }: ListedItem): boolean {
  return properties.resourceType === "directory";
}
