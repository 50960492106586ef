import type { SweepableVault } from "../vault/vault-files.ts";

/** Properties of one file in the vault account. */
export interface StoredFile {
  readonly path: string;
  readonly size: number;
  /** Content-MD5, base64; absent where the service has none. */
  readonly md5?: string;
  /** False: its copy is running or has failed, or it was archived and cannot be read. */
  readonly isWhole: boolean;
  /** Later of creation time and Last-Modified. */
  readonly writtenAt: Date;
  /** Changes with every write; opaque. */
  readonly etag: string;
}

/** Operations on the vault for a scrub. */
export interface ScrubVault extends SweepableVault {
  look(path: string): Promise<StoredFile | undefined>;
  /** Ascending by path, starting at an optional path; a page may be empty. */
  listPages(prefix: string, from?: string): AsyncIterable<readonly StoredFile[]>;
  /** Reads a file in chunks. @returns undefined when it is not found */
  stream(path: string): Promise<AsyncIterable<Uint8Array> | undefined>;
}
