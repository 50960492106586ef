/**
 * @module
 * What a backup needs of the vault. `src/azure` implements it; tests have it in memory.
 */

import type { Entry } from "../vault/entry.ts";
import type { VaultFiles } from "../vault/vault-files.ts";

/** One version of one blob at the source. */
export interface SourceVersion {
  readonly container: string;
  readonly name: string;
  readonly etag: string;
  readonly size: number;
  readonly type?: Entry["type"];
  /**
   * For blobs that may be written all the time, append and page blobs: any version will do that was current at this moment
   * (ISO 8601 UTC) or later, and goes where this says.
   */
  readonly orLater?: { readonly since: string; readonly pathOf: (etag: string) => string };
}

export type CopyOutcome =
  /**
   * Copied now, or found whole from an attempt before. `md5`: of the content, base64, where the service that copied it
   * worked it out; the source's own may be anything that its writer set. `version`: where a later one was copied.
   */
  | {
      readonly kind: "copied";
      readonly movedBytes: number;
      readonly md5?: string;
      readonly version?: Pick<Entry, "etag" | "size" | "modified">;
    }
  /** The source no longer has this version. */
  | { readonly kind: "changed" }
  /** The source no longer has the blob. */
  | { readonly kind: "gone" }
  /** The caller's time ran out; what was copied so far is used by the next attempt. */
  | { readonly kind: "unfinished" }
  /** It can never be read as it is; `code` is a stable word such as `archived`. */
  | { readonly kind: "unreadable"; readonly code: string; readonly message: string }
  /**
   * A service refuses this copy, and not because of the container or the account as far as it says; `code` is the service's.
   * Whether it refuses all others too is for the caller to find out.
   */
  | { readonly kind: "refused"; readonly code: string; readonly message: string };

/** The vault as a backup writes it. */
export interface BackupVault extends VaultFiles {
  /**
   * Copies one version into a new object, server-side, on the condition that the source still is this version.
   * An object that is already there is accepted only when its length and copy status say that it is whole; one that
   * is not is removed, if it still is the one that was looked at, and copied anew.
   *
   * @param shouldContinue - asked between the parts of a copy of many; once it says no, the copy stops where it is
   * @throws VaultError `storage/throttled`, `storage/unavailable` (retryable), `datasource/forbidden`
   */
  copyObject(version: SourceVersion, path: string, shouldContinue: () => boolean): Promise<CopyOutcome>;
  /**
   * Copies a marker server-side, over one of an attempt before.
   *
   * @param etag - of the marker that was written, unquoted; any other is `changed`. Absent: whichever is there
   */
  copyMarker(container: string, name: string, path: string, etag?: string): Promise<CopyOutcome>;
}
