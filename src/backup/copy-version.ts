import { type FailureCode, VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { Entry } from "../vault/entry.ts";
import { isAddressable, objectPath } from "../vault/names.ts";
import type { BackupVault } from "./backup-vault.ts";
import { entryOf } from "./compare-listing.ts";
import type { Datasource, ListedBlob } from "./datasource.ts";

/** What came of taking a blob into the vault. */
export interface Taken {
  /** Absent: the blob is not in the recovery point. */
  readonly entry?: Entry;
  readonly copiedBytes: number;
  /** It was not, at its copy, what the listing said. */
  readonly changedDuringCopy: boolean;
  /** The time ran out; nothing is decided about the blob. */
  readonly unfinished?: true;
  /** Why it is missing from the point although it is at the source. */
  readonly warning?: { readonly code: string; readonly message: string };
  /** The warning is only true when a service does not refuse all others too. */
  readonly isRefused?: true;
}

/** Failures of requests about one blob that may be the blob's fault. */
const REFUSALS: ReadonlySet<FailureCode> = new Set(["datasource/refused", "datasource/forbidden", "storage/refused"]);

/** How often a version that is listed and cannot be had is tried, before the blob counts as one that no request can name. */
const MAX_UNFOUND = 3;

/** A blob that is replaced faster than it can be copied is given up after this many versions. */
const VERSIONS_TRIED = 10;

/**
 * Copies a blob's listed version into the vault, or, when the source has another by now, that one.
 *
 * Safe to run twice: the object's name says which version it holds, and a whole one is not copied again.
 *
 * @param since - when the recovery point's time is, ISO 8601 UTC: of a blob that may be written all the time any version
 *   from then on will do, also one that an execution before has begun to copy
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
  let unfound = 0;
  for (let tried = 1; tried <= VERSIONS_TRIED; tried++) {
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
        // The MD5 that was listed is that of the other version.
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
        // It may have been written anew between the two questions.
        if (now.etag === version.etag && ++unfound === MAX_UNFOUND) {
          return missing(changedDuringCopy, "listed-not-found", "the blob is listed, and cannot be found by its name");
        }
        // Another object, so that a version that only looks the same is not mistaken for the listed one.
        version = { ...now };
      }
    }
  }
  return missing(true, "changing-too-fast", `the blob was replaced ${VERSIONS_TRIED} times while it was copied`);
}

/**
 * The blob as the listing has it. Only a name that is listed no more belongs to a blob that was removed; and asked for by its
 * name, a service or what is before it may answer about another blob, because URLs are brought into a normal form.
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
