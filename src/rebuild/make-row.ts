import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { WantedRow } from "./decide-rows.ts";
import type { RebuildFinding } from "./rebuild-request.ts";

/**
 * Inserts a missing row.
 *
 * @param readAgain - reads its document again. A deletion deletes the document before the row, so if the document is
 *   gone by now, the inserted row is deleted again
 */
export async function makeRow<T>(
  table: RecordTable<T>,
  { partition, row, value, because }: WantedRow<T>,
  readAgain: () => Promise<unknown>,
): Promise<Pick<RebuildFinding, "outcome" | "because">> {
  const isKept = (await table.get(partition, row)) !== undefined || !(await table.insert(partition, row, value));
  if (isKept) return { outcome: "kept" };
  if ((await readAgain()) !== undefined) return { outcome: "made", ...present({ because }) };
  const stored = await table.get(partition, row);
  if (stored !== undefined) await removeUnchanged(table, partition, row, stored.etag);
  return { outcome: "leftOut", because: "it was deleted meanwhile" };
}

/** @returns whether it was deleted; a row that has changed since is kept */
export async function removeUnchanged<T>(
  table: RecordTable<T>,
  partition: string,
  row: string,
  etag: string,
): Promise<boolean> {
  try {
    await table.remove(partition, row, etag);
    return true;
  } catch (error) {
    if (error instanceof VaultError && error.code === "storage/conflict") return false;
    throw error;
  }
}
