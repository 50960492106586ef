/**
 * @module
 * How a row is deleted that others may be about to depend on, such as a policy beside an instance that is put under it.
 *
 * Who deletes marks the row, and then looks for dependants. Who depends writes down that it does, and then looks at the row.
 * So at least one of two sees the other: the deletion takes its mark back, or the other is refused. The row goes only as it
 * was marked, so whoever changed it since has kept it.
 *
 * A mark that a deletion left as it died ends by itself, and is taken off by whoever needs the row next.
 */

import { z } from "zod";
import { VaultError } from "./errors.ts";
import type { RecordTable, Stored } from "./records.ts";
import { FULL_SAFETY } from "./safety.ts";

/** When a deletion began to look whether the row can go, ISO 8601 UTC. Absent: none does. */
export const DeletingSince = z.string().optional();

export interface Deletable {
  readonly deletingSince?: string | undefined;
}

/** Where a row is. */
export interface RowPlace<T> {
  readonly table: RecordTable<T>;
  readonly partition: string;
  readonly row: string;
}

/** The row without its mark. */
export function unmarked<T extends Deletable>(value: T): T {
  const { deletingSince, ...rest } = value;
  return deletingSince === undefined ? value : (rest as T);
}

/**
 * Deletes a row, and what must be gone before it, unless something depends on it.
 *
 * When it fails its mark is taken back, so that it may be asked for again at once.
 *
 * @param refuse - throws when something depends on the row
 * @param removeAhead - removes what goes before the row
 * @returns false when the row was changed meanwhile, and stays
 * @throws VaultError `storage/conflict` (retryable) when the row has changed since it was read, or is just being deleted
 */
export async function deleteMarked<T extends Deletable>(
  { table, partition, row }: RowPlace<T>,
  stored: Stored<T>,
  now: Date,
  refuse: () => Promise<void>,
  removeAhead: () => Promise<void>,
): Promise<boolean> {
  const place = { table, partition, row };
  // Before the mark too, so that what is in use is never marked for nothing.
  await refuse();
  if (isFresh(stored.value, now)) throw beingDeleted(row);
  await table.replace(partition, row, { ...stored.value, deletingSince: now.toISOString() }, stored.etag);
  const marked = await table.get(partition, row);
  if (marked?.value.deletingSince !== now.toISOString()) return false;
  try {
    await refuse();
    await removeAhead();
    return await removeMarked(place, marked);
  } catch (error) {
    await takeMarkBack(place, marked);
    throw error;
  }
}

function isFresh({ deletingSince }: Deletable, now: Date): boolean {
  return deletingSince !== undefined && now.getTime() - Date.parse(deletingSince) < FULL_SAFETY.claimMs;
}

function beingDeleted(row: string): VaultError {
  return new VaultError("storage/conflict", `'${row}' is just being deleted`, { hint: "try again in a moment" });
}

/** Takes a mark back; a row that was changed since is left as it is. */
async function takeMarkBack<T extends Deletable>(place: RowPlace<T>, marked: Stored<T>): Promise<void> {
  try {
    await place.table.replace(place.partition, place.row, unmarked(marked.value), marked.etag);
  } catch (error) {
    if (!(error instanceof VaultError && error.code === "storage/conflict")) throw error;
  }
}

async function removeMarked<T>({ table, partition, row }: RowPlace<T>, { etag }: Stored<T>): Promise<boolean> {
  try {
    await table.remove(partition, row, etag);
    return true;
  } catch (error) {
    if (error instanceof VaultError && error.code === "storage/conflict") return false;
    throw error;
  }
}

/**
 * Looks at a row after the caller has written down that it depends on it, and keeps it from a deletion that died.
 *
 * @returns undefined when there is no such row
 * @throws VaultError `storage/conflict` (retryable) while it is being deleted
 */
export async function dependOn<T extends Deletable>(place: RowPlace<T>, now: Date): Promise<T | undefined> {
  for (;;) {
    const stored = await place.table.get(place.partition, place.row);
    if (stored === undefined || stored.value.deletingSince === undefined) return stored?.value;
    if (isFresh(stored.value, now)) throw beingDeleted(place.row);
    await takeMarkBack(place, stored);
  }
}
