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
   * For append and page blobs, which may be written all the time: any version that was current at this time (ISO 8601
   * UTC) or later is accepted; `pathOf` gives the path of its object.
   */
  readonly orLater?: { readonly since: string; readonly pathOf: (etag: string) => string };
}

export type CopyOutcome =
  /**
   * Copied now, or found complete from an earlier attempt. `md5`: of the content, base64, if the copying service
   * computed it; the source's own is whatever its writer set. `version`: if a later one was copied.
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
  /** Out of time; the next attempt uses what was copied so far. */
  | { readonly kind: "unfinished" }
  /** It cannot be read in its present state; `code` is a stable word such as `archived`. */
  | { readonly kind: "unreadable"; readonly code: string; readonly message: string }
  /**
   * A service refuses this copy, and its answer does not blame the container or the account; `code` is the service's.
   * The caller must find out whether all other copies are refused too.
   */
  | { readonly kind: "refused"; readonly code: string; readonly message: string };

/** The vault as a backup uses it. */
export interface BackupVault extends VaultFiles {
  /**
   * Copies one version into a new object, server-side, on the condition that the source still has this version. An
   * existing object is accepted only if its length and copy status show that it is complete; otherwise it is deleted,
   * if it is still the one that was checked, and copied again.
   *
   * @param shouldContinue - called between the parts of a large copy; once it returns false, the copy stops
   * @throws VaultError `storage/throttled`, `storage/unavailable` (retryable), `datasource/forbidden`
   */
  copyObject(version: SourceVersion, path: string, shouldContinue: () => boolean): Promise<CopyOutcome>;
  /**
   * Copies a marker server-side; overwrites one of an earlier attempt.
   *
   * @param etag - of the written marker, unquoted; any other is `changed`. Absent: any
   */
  copyMarker(container: string, name: string, path: string, etag?: string): Promise<CopyOutcome>;
}
