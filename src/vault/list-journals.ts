import { PURGES_PREFIX, recoveryPointOfPurge } from "./names.ts";
import type { VaultFile, VaultFiles } from "./vault-files.ts";

/** A purge that was begun and not ended. */
export interface ListedJournal {
  /** Undefined for a file that lies among the journals and has no journal's name. */
  readonly recoveryPoint: string | undefined;
  readonly file: VaultFile;
}

/** Lists the journals of purges. No recovery point that has one may be read any more. */
export async function listJournals(vault: Pick<VaultFiles, "list">): Promise<ListedJournal[]> {
  const found: ListedJournal[] = [];
  for await (const file of vault.list(PURGES_PREFIX)) {
    found.push({ recoveryPoint: recoveryPointOfPurge(file.path), file });
  }
  return found;
}
