import type { SweepableVault } from "../vault/vault-files.ts";

/** What the vault account says of one file. */
export interface StoredFile {
  readonly path: string;
  readonly size: number;
  /** Content-MD5, base64; absent where the service has none. */
  readonly md5?: string;
  /** False: it is the target of a copy that is under way or has failed, or it was archived and cannot be read. */
  readonly isWhole: boolean;
  /** The later of its creation and its last change. */
  readonly writtenAt: Date;
  /** Changes with every write; opaque. */
  readonly etag: string;
}

/** The vault as a scrub reads it. */
export interface ScrubVault extends SweepableVault {
  look(path: string): Promise<StoredFile | undefined>;
  /** Ascending by path, from a path on where there is one; a page may be empty. */
  listPages(prefix: string, from?: string): AsyncIterable<readonly StoredFile[]>;
  /** Reads a file piece by piece. @returns undefined when there is none */
  stream(path: string): Promise<AsyncIterable<Uint8Array> | undefined>;
}
