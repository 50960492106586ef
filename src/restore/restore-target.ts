/**
 * @module
 * What a restore needs of the target account and of the vault.
 */

import type { Entry } from "../vault/entry.ts";
import type { Seal, Warning } from "../vault/seal.ts";
import type { VaultFiles } from "../vault/vault-files.ts";

/** One blob in a listing of the target. */
export interface RestoredBlob {
  readonly name: string;
  readonly size: number;
  /** Base64. */
  readonly md5?: string;
  /** False while an asynchronous copy into it is running, or after one was aborted. */
  readonly isWhole: boolean;
}

export type RestoreOutcome =
  | { readonly kind: "copied" }
  /** A blob with this name exists; the caller compares it with the entry. */
  | { readonly kind: "exists" }
  /** Out of time; the next attempt uses what was copied so far. */
  | { readonly kind: "unfinished" }
  /** The object is not in the vault. */
  | { readonly kind: "missing" }
  /** The object is in the vault, but cannot be read in its present state. */
  | { readonly kind: "unreadable"; readonly message: string };

/** What a container had besides its blobs. */
export type SealedProperties = Pick<Seal["containers"][number], "metadata" | "publicAccess">;

/** A property that the target refused, for its warning. */
export type Refusal = Pick<Warning, "code" | "message">;

/** Who created a container of the target: this job, or anyone else. */
export type ContainerOwner = "ours" | "foreign";

/** The storage account that a restore writes to. */
export interface RestoreTarget {
  /** @returns undefined when the container does not exist */
  look(container: string, jobId: string): Promise<ContainerOwner | undefined>;
  /** Creates a container with the mark of the job, unless it exists. @returns who created it */
  createContainer(container: string, jobId: string): Promise<ContainerOwner>;
  /**
   * Gives a container that this job created the properties of the source's, in place of the mark of the job. One
   * without the mark is not changed: it was finished before. Safe to run twice.
   *
   * @returns what the target refused
   * @throws VaultError `storage/conflict` (retryable) when another execution finishes it at this moment
   */
  finishContainer(container: string, jobId: string, properties: SealedProperties): Promise<readonly Refusal[]>;
  /**
   * Copies one object of the vault to a new blob, server-side, with its properties and metadata, and with the entry's
   * tags and tier. Never overwrites a whole blob; one that an earlier attempt left incomplete is replaced. An entry of
   * type `directory` has no object: it becomes a directory.
   *
   * @param shouldContinue - called between the parts of a large copy; once it returns false, the copy stops
   * @throws VaultError `storage/throttled`, `storage/unavailable` (retryable), `datasource/forbidden`
   */
  copyObject(
    objectPath: string,
    container: string,
    entry: Entry,
    shouldContinue: () => boolean,
  ): Promise<RestoreOutcome>;
  /** Pages in listing order, starting at a name. */
  listPages(container: string, from: string): AsyncIterable<readonly RestoredBlob[]>;
  /** Reads all of one version of an existing blob. @returns the MD5 of its content, base64 */
  contentMd5(container: string, name: string): Promise<string>;
}

/** The vault as a restore reads it. */
export type RestoreVault = Pick<VaultFiles, "read">;
