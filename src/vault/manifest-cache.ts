import type { ManifestIndex } from "./manifest-index.ts";
import { readIndex, readSeal } from "./read-manifest.ts";
import type { Seal } from "./seal.ts";
import type { VaultFiles } from "./vault-files.ts";

type Files = Pick<VaultFiles, "read">;

export interface ManifestCacheLimits {
  /** Max seals and indexes. */
  readonly files: number;
  /** Max stored bytes; parsed they take about three times as much. The latest is kept whatever its size. */
  readonly bytes: number;
}

export const MANIFEST_CACHE_LIMITS: ManifestCacheLimits = { files: 256, bytes: 32 * 2 ** 20 };

interface Kept {
  readonly parsed: Promise<unknown>;
  bytes: number;
}

/**
 * Caches the most recently used seals and indexes, parsed and verified, for all workers of a process: many work on the
 * same container and read its index.
 *
 * Seals and indexes never change. A deleted one may still be returned for a while; to check whether a recovery point
 * exists, use `readSeal` of `read-manifest.ts`.
 */
export class ManifestCache {
  readonly #limits: ManifestCacheLimits;
  /** Least recently used first. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(limits: ManifestCacheLimits = MANIFEST_CACHE_LIMITS) {
    this.#limits = limits;
  }

  /**
   * @param instance - id of the backup instance of the files
   * @throws VaultError `recovery-point/not-found`, `format/corrupt`, `format/newer-version`
   */
  readSeal(files: Files, instance: string, recoveryPointId: string): Promise<Seal> {
    return this.#once(`seal|${instance}|${recoveryPointId}`, files, (counted) => readSeal(counted, recoveryPointId));
  }

  /**
   * @returns undefined when the recovery point does not hold the container
   * @throws VaultError `format/missing`, `format/corrupt`, `format/newer-version`
   */
  async readIndex(files: Files, seal: Seal, container: string): Promise<ManifestIndex | undefined> {
    const sealed = seal.containers.find(({ name }) => name === container);
    if (sealed === undefined) return undefined;
    return this.#once(`index|${sealed.index.sha256}`, files, (counted) => readIndex(counted, seal, container));
  }

  #once<T>(key: string, files: Files, read: (counted: Files) => Promise<T>): Promise<T> {
    const there = this.#kept.get(key);
    if (there !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, there);
      return there.parsed as Promise<T>;
    }
    const counted: Files = {
      read: async (path) => {
        const content = await files.read(path);
        this.#grow(key, kept, content?.length ?? 0);
        return content;
      },
    };
    // Deferred, so that `kept` is set when the first bytes are counted.
    const parsed = Promise.resolve().then(() => read(counted));
    const kept: Kept = { parsed, bytes: 0 };
    this.#kept.set(key, kept);
    this.#letGo();
    parsed.catch(() => this.#forget(key, kept));
    return parsed;
  }

  #grow(key: string, kept: Kept, bytes: number): void {
    if (this.#kept.get(key) !== kept) return;
    kept.bytes += bytes;
    this.#bytes += bytes;
    this.#letGo();
  }

  #letGo(): void {
    for (const [key, kept] of this.#kept) {
      const fits = this.#kept.size <= this.#limits.files && this.#bytes <= this.#limits.bytes;
      if (fits || this.#kept.size === 1) return;
      this.#forget(key, kept);
    }
  }

  #forget(key: string, kept: Kept): void {
    if (this.#kept.get(key) !== kept) return;
    this.#kept.delete(key);
    this.#bytes -= kept.bytes;
  }
}
