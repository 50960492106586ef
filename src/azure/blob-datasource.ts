import type { Datasource, ListedBlob, ListOptions } from "../backup/contract.ts";
import type { DatasourceKind } from "../vault/instance-file.ts";
import type { BlobAccount } from "./blob-account.ts";
import { userContainers } from "./containers.ts";
import { listBlobPages } from "./list-blobs.ts";
import { LARGEST_PAGE, listedBlob, lookedAtBlob, unquoted } from "./listed-blobs.ts";
import { answerOf, mapError, mapping, type Place } from "./map-error.ts";

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

  async containerExists(container: string): Promise<boolean> {
    return mapping(this.#place, () => this.#account.container(container).exists());
  }

  async listContainers(): Promise<string[]> {
    return mapping(this.#place, () => userContainers(this.#account));
  }

  async *listPages(container: string, options: ListOptions): AsyncGenerator<readonly ListedBlob[], void, undefined> {
    const { from, pageSize = LARGEST_PAGE } = options;
    const pages = listBlobPages(this.#account, container, {
      // Accounts with a hierarchical namespace have no tags, and only metadata tells their directories from blobs.
      include: [this.kind === "blobServices" ? "tags" : "metadata"],
      startFrom: from.name,
      pageSize,
    });
    try {
      for await (const page of pages) {
        const blobs = page.map((item) => listedBlob(item, this.kind));
        yield from.after && blobs[0]?.name === from.name ? blobs.slice(1) : blobs;
      }
    } catch (error) {
      throw mapError(error, { ...this.#place, container });
    }
  }

  async look(container: string, name: string): Promise<ListedBlob | undefined> {
    return mapping({ ...this.#place, container, blob: name }, async () => {
      const blob = this.#account.container(container).getBlobClient(name);
      try {
        const properties = await blob.getProperties();
        const tags = (properties.tagCount ?? 0) > 0 ? (await blob.getTags()).tags : undefined;
        return lookedAtBlob(name, properties, this.kind, tags);
      } catch (error) {
        const answer = answerOf(error);
        if (answer?.status === 404 && answer.code !== "ContainerNotFound") return undefined;
        throw error;
      }
    });
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
        // BlobAlreadyExists; or, where the blob may not be changed, that it may not.
        const { status, code = "" } = answerOf(error) ?? {};
        const isThere = status === 412 || /^Blob(AlreadyExists|ImmutableDueTo)/.test(code);
        if (!isThere) throw error;
        return unquoted((await marker.getProperties()).etag ?? "");
      }
    });
  }

  async removeMarker(container: string, name: string): Promise<void> {
    await mapping(this.#place, async () => {
      try {
        await this.#account.container(container).getBlobClient(name).delete({ deleteSnapshots: "include" });
      } catch (error) {
        if (answerOf(error)?.status !== 404) throw error;
      }
    });
  }
}
