/**
 * @module
 * What a restore needs of the target account and of the vault.
 */

import type { Entry } from "../vault/entry.ts";
import type { Seal, Warning } from "../vault/seal.ts";
import type { VaultFiles } from "../vault/vault-files.ts";

/** One blob as the target lists it. */
export interface RestoredBlob {
  readonly name: string;
  readonly size: number;
  /** Base64. */
  readonly md5?: string;
  /** False while an asynchronous copy into it is under way, or when one was broken off. */
  readonly isWhole: boolean;
}

export type RestoreOutcome =
  | { readonly kind: "copied" }
  /** A blob of this name is there; the caller compares it with the entry. */
  | { readonly kind: "exists" }
  /** The caller's time ran out; what was copied so far is used by the next attempt. */
  | { readonly kind: "unfinished" }
  /** The object is not in the vault. */
  | { readonly kind: "missing" }
  /** The object is in the vault, but cannot be read as it is. */
  | { readonly kind: "unreadable"; readonly message: string };

/** What a container had beside its blobs. */
export type SealedProperties = Pick<Seal["containers"][number], "metadata" | "publicAccess">;

/** What a target does not take, as its warning says it. */
export type Refusal = Pick<Warning, "code" | "message">;

/** Whose a container of the target is: created by this job, or by anyone else. */
export type ContainerOwner = "ours" | "foreign";

/** The storage account that a restore writes to. */
export interface RestoreTarget {
  /** @returns undefined when there is no such container */
  look(container: string, jobId: string): Promise<ContainerOwner | undefined>;
  /** Creates a container that says which job it belongs to, unless it is there. @returns whose it is now */
  createContainer(container: string, jobId: string): Promise<ContainerOwner>;
  /**
   * Gives a container that this job created what the source's had, in place of the mark of the job. One that has no such
   * mark is left alone: it was finished before. Safe to run twice.
   *
   * @returns what could not be given to it
   * @throws VaultError `storage/conflict` (retryable) when another finishes it at this moment
   */
  finishContainer(container: string, jobId: string, properties: SealedProperties): Promise<readonly Refusal[]>;
  /**
   * Copies one object of the vault to a new blob, server-side, with its properties and metadata, and with the entry's
   * tags and tier. Never writes over a whole blob; one that an earlier attempt left half is replaced. An entry of type
   * `directory` has no object: it becomes a directory.
   *
   * @param shouldContinue - asked between the parts of a copy of many; once it says no, the copy stops where it is
   * @throws VaultError `storage/throttled`, `storage/unavailable` (retryable), `datasource/forbidden`
   */
  copyObject(
    objectPath: string,
    container: string,
    entry: Entry,
    shouldContinue: () => boolean,
  ): Promise<RestoreOutcome>;
  /** Pages in listing order, from a name on. */
  listPages(container: string, from: string): AsyncIterable<readonly RestoredBlob[]>;
  /** Reads a blob that is there, all of one version. @returns the MD5 of its content, base64 */
  contentMd5(container: string, name: string): Promise<string>;
}

/** The vault as a restore reads it. */
export type RestoreVault = Pick<VaultFiles, "read">;
