import { LRUCache } from "lru-cache";
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

interface Reading {
  readonly files: Files;
  readonly read: (counted: Files) => Promise<Seal | ManifestIndex | undefined>;
}

/**
 * Caches the most recently used seals and indexes, parsed and verified, for all workers of a process: many work on the
 * same container and read its index.
 *
 * Seals and indexes never change. A deleted one may still be returned for a while; to check whether a recovery point
 * exists, use `readSeal` of `read-manifest.ts`.
 */
export class ManifestCache {
  readonly #kept: LRUCache<string, Seal | ManifestIndex, Reading>;

  constructor(limits: ManifestCacheLimits = MANIFEST_CACHE_LIMITS) {
    this.#kept = new LRUCache({
      max: limits.files,
      maxSize: limits.bytes,
      // A read that is pushed out while it is under way still answers those who wait for it.
      ignoreFetchAbort: true,
      fetchMethod: async (_key, _stale, { options, context: { files, read } }) => {
        let bytes = 0;
        const parsed = await read({
          read: async (path) => {
            const content = await files.read(path);
            bytes += content?.length ?? 0;
            return content;
          },
        });
        // What counts for more than all room would not be kept.
        options.size = Math.min(bytes, limits.bytes);
        return parsed;
      },
    });
  }

  /**
   * @param instance - id of the backup instance of the files
   * @throws VaultError `recovery-point/not-found`, `format/corrupt`, `format/newer-version`
   */
  async readSeal(files: Files, instance: string, recoveryPointId: string): Promise<Seal> {
    const read = (counted: Files): Promise<Seal> => readSeal(counted, recoveryPointId);
    const key = `seal|${instance}|${recoveryPointId}`;
    return this.#kept.forceFetch(key, { context: { files, read } }) as Promise<Seal>;
  }

  /**
   * @returns undefined when the recovery point does not hold the container
   * @throws VaultError `format/missing`, `format/corrupt`, `format/newer-version`
   */
  async readIndex(files: Files, seal: Seal, container: string): Promise<ManifestIndex | undefined> {
    const sealed = seal.containers.find(({ name }) => name === container);
    if (sealed === undefined) return undefined;
    const read = (counted: Files): Promise<ManifestIndex | undefined> => readIndex(counted, seal, container);
    const key = `index|${sealed.index.sha256}`;
    return this.#kept.fetch(key, { context: { files, read } }) as Promise<ManifestIndex | undefined>;
  }
}
