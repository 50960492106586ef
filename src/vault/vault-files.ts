/**
 * @module
 * Operations on the blobs of one backup instance in the vault account. `src/azure` implements them with Azure, tests in
 * memory; one contract suite checks both.
 */

export interface VaultFile {
  readonly path: string;
  readonly size: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** Changes with every write; opaque. */
  readonly etag: string;
  /** Last modified, by the clock of the vault account, to the second. */
  readonly writtenAt: Date;
}

/**
 * A file to delete, with the condition of the decision. A late request must not delete what another writer has since
 * stored under the same path.
 *
 * - `etag`: only this version, as it was listed or read.
 * - `writtenUntil`: only if last modified up to this time, by the clock of the vault account; for a file that is known
 *   from a manifest only.
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
  /** Creates a file. @returns false when it already exists */
  create(path: string, content: Uint8Array, options: WriteOptions): Promise<boolean>;
  /** Ascending by path, starting at an optional path. */
  list(prefix: string, from?: string): AsyncIterable<VaultFile>;
}

/** Max files per delete request: the limit of a blob batch. */
export const MAX_REMOVALS = 256;

/** A vault with deletes. */
export interface SweepableVault extends VaultFiles {
  /**
   * Deletes files, all in one request; skips those that are not found. At most {@link MAX_REMOVALS}.
   *
   * @returns paths of files that were not deleted, because they have changed since the decision
   */
  remove(files: readonly Removal[]): Promise<readonly string[]>;
}
