import type { ContainerListBlobsOptions } from "@azure/storage-blob";
import type { Datasource, ListedBlob, ListOptions } from "../backup/contract.ts";
import type { DatasourceKind } from "../vault/instance-file.ts";
import type { BlobAccount } from "./blob-account.ts";
import { userContainers } from "./containers.ts";
import { LARGEST_PAGE, listedBlob, lookedAtBlob } from "./listed-blobs.ts";
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
    const wanted: ContainerListBlobsOptions = {
      // Accounts with a hierarchical namespace have no tags, and only metadata tells their directories from blobs.
      ...(this.kind === "blobServices" ? { includeTags: true } : { includeMetadata: true }),
      ...(from.name === "" ? {} : { startFrom: from.name }),
    };
    const pages = this.#account.container(container).listBlobsFlat(wanted).byPage({ maxPageSize: pageSize });
    try {
      for await (const page of pages) {
        const blobs = page.segment.blobItems.map((item) => listedBlob(item, this.kind));
        yield from.after && blobs[0]?.name === from.name ? blobs.slice(1) : blobs;
      }
    } catch (error) {
      throw mapError(error, this.#place);
    }
  }

  async look(container: string, name: string): Promise<ListedBlob | undefined> {
    return mapping(this.#place, async () => {
      const blob = this.#account.container(container).getBlobClient(name);
      try {
        const properties = await blob.getProperties();
        const tags = (properties.tagCount ?? 0) > 0 ? (await blob.getTags()).tags : undefined;
        return lookedAtBlob(name, properties, this.kind, tags);
      } catch (error) {
        if (answerOf(error)?.status === 404) return undefined;
        throw error;
      }
    });
  }

  async writeMarker(container: string, name: string, content: string): Promise<void> {
    const bytes = Buffer.from(content, "utf8");
    await mapping(this.#place, () =>
      this.#account
        .container(container)
        .getBlockBlobClient(name)
        .upload(bytes, bytes.length, { blobHTTPHeaders: { blobContentType: "application/json" } }),
    );
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
