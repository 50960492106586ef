import { RestError } from "@azure/storage-blob";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { ScrubVault, StoredFile } from "../scrub/scrub-vault.ts";
import { BlobVaultFiles } from "./blob-vault.ts";
import { cleanError } from "./clean-error.ts";
import { listBlobPages } from "./list-blobs.ts";
import { md5Of, unquoted } from "./listed-blobs.ts";
import { ifFound, mapError, mapping, type Place, serviceCodeOf, statusOf } from "./map-error.ts";
import { readPart } from "./read-content.ts";
import { ANSWER_CUT } from "./request-retries.ts";

const VAULT: Place = { kind: "vault" };

/**
 * Max bytes per request. A request that moves content times out when it takes far too long, so a large object is read
 * in several requests.
 */
const RANGE_BYTES = 32 * 2 ** 20;

/** The files of one backup instance, for a scrub. */
export class BlobScrubVault extends BlobVaultFiles implements ScrubVault {
  async look(path: string): Promise<StoredFile | undefined> {
    return mapping(VAULT, async () => {
      const properties = await ifFound(() => this.container.getBlobClient(path).getProperties());
      return properties && storedFile(path, properties);
    });
  }

  async *listPages(prefix: string, from?: string): AsyncGenerator<readonly StoredFile[], void, undefined> {
    try {
      const options = { prefix, include: ["copy"] as const, ...present({ startFrom: from }) };
      for await (const page of listBlobPages(this.account, this.containerName, options)) {
        yield page.map(({ name, properties }) => storedFile(name, properties));
      }
    } catch (error) {
      // An instance without a container has no files yet.
      if (serviceCodeOf(error) === "ContainerNotFound") return;
      throw mapError(error, VAULT);
    }
  }

  async stream(path: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const file = await mapping(VAULT, async () => {
      const properties = await ifFound(() => this.container.getBlobClient(path).getProperties());
      if (properties === undefined) return undefined;
      const { etag = "*", contentLength } = properties;
      // If it counted as empty, an undamaged object would count as altered.
      if (contentLength === undefined) throw new RestError(`'${path}' came without its length`, { code: ANSWER_CUT });
      return { etag, size: contentLength };
    });
    return file && this.#ranges(path, file);
  }

  /** All ranges are of one version: an object that is overwritten meanwhile is read again by the next attempt. */
  async *#ranges(
    path: string,
    { etag, size }: { readonly etag: string; readonly size: number },
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const blob = this.container.getBlobClient(path);
    try {
      for (let from = 0; from < size; from += RANGE_BYTES) {
        const length = Math.min(RANGE_BYTES, size - from);
        yield* readPart(blob, { etag, from, length, signal: (bytes) => this.account.whileMoving(bytes) });
      }
    } catch (error) {
      // "The condition specified using HTTP conditional header(s) is not met."
      if (statusOf(error) !== 412) throw mapError(error, VAULT);
      throw new VaultError("storage/conflict", `'${path}' was overwritten while it was read`, {
        cause: cleanError(error),
      });
    }
  }
}

/** Properties that a listing and a single request share. */
interface Properties {
  readonly contentLength?: number | undefined;
  readonly contentMD5?: Uint8Array | undefined;
  readonly copyStatus?: string | undefined;
  readonly accessTier?: string | undefined;
  readonly createdOn?: Date | undefined;
  readonly lastModified?: Date | undefined;
  readonly etag?: string | undefined;
}

function storedFile(path: string, p: Properties): StoredFile {
  return {
    path,
    size: p.contentLength ?? 0,
    ...md5Of(p.contentMD5),
    // It may have been moved to the archive tier, from which a restore cannot read.
    isWhole: (p.copyStatus === undefined || p.copyStatus === "success") && p.accessTier !== "Archive",
    writtenAt: new Date(Math.max(p.createdOn?.getTime() ?? 0, p.lastModified?.getTime() ?? 0)),
    etag: unquoted(p.etag ?? ""),
  };
}
