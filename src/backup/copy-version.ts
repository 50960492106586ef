import type { Entry } from "../vault/entry.ts";
import { isAddressable, objectPath } from "../vault/names.ts";
import { entryOf } from "./compare-listing.ts";
import type { BackupVault, Datasource, ListedBlob } from "./contract.ts";

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
}

/** A blob that is replaced faster than it can be copied is given up after this many versions. */
const VERSIONS_TRIED = 10;

/**
 * Copies a blob's listed version into the vault, or, when the source has another by now, that one.
 *
 * Safe to run twice: the object's name says which version it holds, and a whole one is not copied again.
 */
export async function copyVersion(
  deps: { readonly datasource: Pick<Datasource, "look">; readonly vault: Pick<BackupVault, "copyObject"> },
  container: string,
  listed: ListedBlob,
  birth: number,
  goesOn: () => boolean,
): Promise<Taken> {
  if (!isAddressable(listed.name)) {
    return missing(false, "name-not-addressable", "no URL can name this blob, so it cannot be copied");
  }
  let version = listed;
  for (let tried = 1; tried <= VERSIONS_TRIED; tried++) {
    const changedDuringCopy = version !== listed;
    if (version.type === "directory") return { entry: entryOf(version, birth), copiedBytes: 0, changedDuringCopy };
    if (version.effectiveTier === "Archive") {
      return missing(changedDuringCopy, "archived", "the blob is in the archive tier and cannot be read");
    }
    const { name, etag, size, type } = version;
    const outcome = await deps.vault.copyObject(
      { container, name, etag, size, ...(type === undefined ? {} : { type }) },
      objectPath(container, name, etag, birth),
      goesOn,
    );
    switch (outcome.kind) {
      case "copied":
        return { entry: entryOf(version, birth, outcome.md5), copiedBytes: outcome.movedBytes, changedDuringCopy };
      case "unfinished":
        return { copiedBytes: 0, changedDuringCopy, unfinished: true };
      case "unreadable":
        return missing(changedDuringCopy, outcome.code, outcome.message);
      case "gone":
        return { copiedBytes: 0, changedDuringCopy: true };
      case "changed": {
        const now = await deps.datasource.look(container, name);
        if (now === undefined) return { copiedBytes: 0, changedDuringCopy: true };
        // Another object, so that a version that only looks the same is not mistaken for the listed one.
        version = { ...now };
      }
    }
  }
  return missing(true, "changing-too-fast", `the blob was replaced ${VERSIONS_TRIED} times while it was copied`);
}

function missing(changedDuringCopy: boolean, code: string, message: string): Taken {
  return { copiedBytes: 0, changedDuringCopy, warning: { code, message } };
}
