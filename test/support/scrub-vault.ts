import { createHash } from "node:crypto";
import type { ScrubVault, StoredFile } from "../../src/scrub/scrub-vault.ts";
import type { Removal, VaultFile, WriteOptions } from "../../src/vault/vault-files.ts";
import { type MemoryVault, stampOf } from "./memory-account.ts";

const LONG_AGO = new Date("2026-01-01T00:00:00.000Z");

/** An in-memory vault for a scrub. Its files are as old as the tests' world, except for given ones. */
export class MemoryScrubVault implements ScrubVault {
  readonly #vault: MemoryVault;
  readonly #pageSize: number;
  /** When files were written, by path. */
  readonly writtenAt = new Map<string, Date>();
  /** Files with an unfinished copy. */
  readonly halfCopied = new Set<string>();

  constructor(vault: MemoryVault, pageSize = 5_000) {
    this.#vault = vault;
    this.#pageSize = pageSize;
  }

  read(path: string): Promise<Uint8Array | undefined> {
    return this.#vault.read(path);
  }

  create(path: string, content: Uint8Array, options: WriteOptions): Promise<boolean> {
    return this.#vault.create(path, content, options);
  }

  list(prefix: string, from?: string): AsyncIterable<VaultFile> {
    return this.#vault.list(prefix, from);
  }

  remove(files: readonly Removal[]): Promise<readonly string[]> {
    return this.#vault.remove(files);
  }

  async look(path: string): Promise<StoredFile | undefined> {
    const file = this.#vault.files.get(path);
    if (file === undefined) return undefined;
    return {
      path,
      size: file.content.length,
      md5: file.claimedMd5 ?? createHash("md5").update(file.content, "latin1").digest("base64"),
      isWhole: !this.halfCopied.has(path),
      writtenAt: this.writtenAt.get(path) ?? LONG_AGO,
      etag: stampOf(file).etag,
    };
  }

  async *listPages(prefix: string, from = ""): AsyncGenerator<readonly StoredFile[]> {
    let paths = [...this.#vault.files.keys()].filter((path) => path.startsWith(prefix) && path >= from).sort();
    for (; paths.length > 0; paths = paths.slice(this.#pageSize)) {
      const page = await Promise.all(paths.slice(0, this.#pageSize).map((path) => this.look(path)));
      yield page.filter((file) => file !== undefined);
    }
  }

  async stream(path: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const content = await this.read(path);
    return content && pieces(content);
  }
}

async function* pieces(content: Uint8Array): AsyncGenerator<Uint8Array> {
  const middle = Math.ceil(content.length / 2);
  yield content.subarray(0, middle);
  yield content.subarray(middle);
}
