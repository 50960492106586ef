import { type FailureCode, VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { Entry } from "../vault/entry.ts";
import { isAddressable, objectPath } from "../vault/names.ts";
import type { BackupVault } from "./backup-vault.ts";
import { entryOf } from "./compare-listing.ts";
import type { Datasource, ListedBlob } from "./datasource.ts";

/** The result of copying a blob into the vault. */
export interface Taken {
  /** Absent: the blob is not in the recovery point. */
  readonly entry?: Entry;
  readonly copiedBytes: number;
  /** At its copy the blob was not in its listed version. */
  readonly changedDuringCopy: boolean;
  /** Out of time; nothing is decided about the blob. */
  readonly unfinished?: true;
  /** Why it is missing from the point although it exists at the source. */
  readonly warning?: { readonly code: string; readonly message: string };
  /** The warning counts only if the service does not refuse all other blobs too. */
  readonly isRefused?: true;
}

/** Failures of requests about one blob that may be the blob's fault. */
const REFUSALS: ReadonlySet<FailureCode> = new Set(["datasource/refused", "datasource/forbidden", "storage/refused"]);

/** Attempts at a listed version that is not found, before the blob counts as one that no request can name. */
const MAX_NOT_FOUND = 3;

/** A blob that is replaced faster than it can be copied becomes a warning after this many versions. */
const MAX_VERSIONS = 10;

/**
 * Copies a blob's listed version into the vault, or the present one if the source has another by now.
 *
 * Safe to run twice: the object's name contains its version, and a complete object is not copied again.
 *
 * @param since - the recovery point's time, ISO 8601 UTC: of a blob that may be written all the time any version from
 *   then on is accepted, also one whose copy an earlier execution started
 */
export async function copyVersion(
  deps: CopyVersionDeps,
  container: string,
  listed: ListedBlob,
  birth: number,
  shouldContinue: () => boolean,
  since?: string,
): Promise<Taken> {
  try {
    return await copyListed(deps, container, listed, birth, shouldContinue, since);
  } catch (error) {
    if (!(error instanceof VaultError && REFUSALS.has(error.code))) throw error;
    return { ...missing(false, error.serviceCode ?? error.code, error.message), isRefused: true };
  }
}

interface CopyVersionDeps {
  readonly datasource: Pick<Datasource, "listPages">;
  readonly vault: Pick<BackupVault, "copyObject">;
}

async function copyListed(
  deps: CopyVersionDeps,
  container: string,
  listed: ListedBlob,
  birth: number,
  shouldContinue: () => boolean,
  since?: string,
): Promise<Taken> {
  if (!isAddressable(listed.name)) {
    return missing(false, "name-not-addressable", "no URL can name this blob, so it cannot be copied");
  }
  let version = listed;
  let notFound = 0;
  for (let tried = 1; tried <= MAX_VERSIONS; tried++) {
    const changedDuringCopy = version !== listed;
    if (tried > 1 && !shouldContinue()) return { copiedBytes: 0, changedDuringCopy, unfinished: true };
    if (version.type === "directory") return { entry: entryOf(version, birth), copiedBytes: 0, changedDuringCopy };
    if (version.effectiveTier === "Archive") {
      return missing(changedDuringCopy, "archived", "the blob is in the archive tier and cannot be read");
    }
    const { name, etag, size, type } = version;
    const pathOf = (of: string): string => objectPath(container, name, of, birth);
    const mayBeLater = since !== undefined && (type === "append" || type === "page");
    const outcome = await deps.vault.copyObject(
      {
        ...{ container, name, etag, size },
        ...present({ type }),
        ...(mayBeLater ? { orLater: { since, pathOf } } : {}),
      },
      pathOf(etag),
      shouldContinue,
    );
    switch (outcome.kind) {
      case "copied": {
        if (outcome.version === undefined) {
          return { entry: entryOf(version, birth, outcome.md5), copiedBytes: outcome.movedBytes, changedDuringCopy };
        }
        // The listed MD5 belongs to the other version.
        const { md5: _, ...same } = version;
        const later = { ...same, ...outcome.version };
        return { entry: entryOf(later, birth, outcome.md5), copiedBytes: outcome.movedBytes, changedDuringCopy: true };
      }
      case "unfinished":
        return { copiedBytes: 0, changedDuringCopy, unfinished: true };
      case "unreadable":
        return missing(changedDuringCopy, outcome.code, outcome.message);
      case "refused":
        return { ...missing(changedDuringCopy, outcome.code, outcome.message), isRefused: true };
      case "gone":
      case "changed": {
        const now = await listedNow(deps.datasource, container, name);
        if (now === undefined) return { copiedBytes: 0, changedDuringCopy: true };
        // It may have been recreated between the two requests.
        if (now.etag === version.etag && ++notFound === MAX_NOT_FOUND) {
          return missing(changedDuringCopy, "listed-not-found", "the blob is listed, but was not found by its name");
        }
        // A copy, so that a version with the same values is not mistaken for the listed one.
        version = { ...now };
      }
    }
  }
  return missing(true, "changing-too-fast", `the blob was replaced ${MAX_VERSIONS} times while it was copied`);
}

/**
 * The blob as listed now. Only a name that is not listed any more belongs to a deleted blob; a request by name may be
 * answered about another blob, because services and proxies normalise URLs.
 */
async function listedNow(
  datasource: CopyVersionDeps["datasource"],
  container: string,
  name: string,
): Promise<ListedBlob | undefined> {
  for await (const page of datasource.listPages(container, { from: { name, after: false }, pageSize: 1 })) {
    const [first] = page;
    if (first !== undefined) return first.name === name ? first : undefined;
  }
  return undefined;
}

function missing(changedDuringCopy: boolean, code: string, message: string): Taken {
  return { copiedBytes: 0, changedDuringCopy, warning: { code, message } };
}
