/**
 * @module
 * What a vault must be able to do with the blobs of one backup instance. `src/azure` does it with the vault account,
 * tests in memory; one contract suite holds both to the same behaviour.
 */

export interface VaultFile {
  readonly path: string;
  readonly size: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** Changes with every write; opaque. */
  readonly etag: string;
  /** By the clock of the vault account, to the second. */
  readonly writtenAt: Date;
}

/**
 * A file to be removed, with what the decision was made on. It goes only while that still holds: a request that is carried
 * out late must not remove what somebody else has written meanwhile under the same path.
 *
 * - `etag`: this very version, as a listing or a look had it.
 * - `writtenUntil`: whatever was written up to this moment, by the clock of the vault account; for a file of which only a
 *   manifest was read.
 */
export type Removal = { readonly path: string } & (
  | { readonly etag: string; readonly writtenUntil?: never }
  | { readonly writtenUntil: Date; readonly etag?: never }
);

export interface WriteOptions {
  readonly contentType: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The container of one backup instance. Paths are those of `names.ts`. */
export interface VaultFiles {
  read(path: string): Promise<Uint8Array | undefined>;
  /** Writes a file that must not be there yet. @returns whether it was written */
  create(path: string, content: Uint8Array, options: WriteOptions): Promise<boolean>;
  /** Ascending by path, from a path on where there is one. */
  list(prefix: string, from?: string): AsyncIterable<VaultFile>;
}

/** Files removed in one request at most: the most that a blob batch takes. */
export const MAX_REMOVALS = 256;

/** A vault from which files go. */
export interface SweepableVault extends VaultFiles {
  /**
   * Removes files, all in one request; those that are gone are fine. At most {@link MAX_REMOVALS}.
   *
   * @returns paths of files that were not removed, because they are not what the decision was made on any more
   */
  remove(files: readonly Removal[]): Promise<readonly string[]>;
}
