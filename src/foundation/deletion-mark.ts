/**
 * @module
 * Deletes a row that others may start to depend on, such as a policy while an instance is assigned to it.
 *
 * The deleter marks the row, then looks for dependents. A dependent records its claim, then reads the row. So at least
 * one of them sees the other: the deleter removes its mark, or the dependent is refused. The row is deleted only in the
 * state in which it was marked, so any change since then keeps it.
 *
 * The mark of a deletion that crashed expires, and the next caller that needs the row removes it.
 */

import { z } from "zod";
import { VaultError } from "./errors.ts";
import type { RecordTable, Stored } from "./records.ts";
import { FULL_SAFETY } from "./safety.ts";

/** When a deletion of the row started, ISO 8601 UTC. Absent: no deletion runs. */
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
 * Deletes a row, and what must be deleted before it, unless something depends on it.
 *
 * When it fails the mark is removed, so that the caller can retry at once.
 *
 * @param refuse - throws when something depends on the row
 * @param removeAhead - deletes what must go before the row
 * @returns false when the row was changed meanwhile and was kept
 * @throws VaultError `storage/conflict` (retryable) when the row has changed since it was read, or is being deleted
 */
export async function deleteMarked<T extends Deletable>(
  { table, partition, row }: RowPlace<T>,
  stored: Stored<T>,
  now: Date,
  refuse: () => Promise<void>,
  removeAhead: () => Promise<void>,
): Promise<boolean> {
  const place = { table, partition, row };
  // Before the mark too, so that a row in use is never marked.
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
  return new VaultError("storage/conflict", `'${row}' is being deleted`, { hint: "try again in a moment" });
}

/** Removes a mark; skips a row that has changed since. */
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
 * Checks a row after the caller has recorded that it depends on it; removes the mark of a crashed deletion.
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
