/**
 * @module
 * Small documents under a partition and a row key, each changed only by who has read its newest state.
 * `src/azure` keeps them in Table Storage; tests in memory. One contract suite holds both to the same behaviour.
 */
import { VaultError } from "./errors.ts";
import { present } from "./present.ts";

export interface Stored<T> {
  readonly row: string;
  readonly value: T;
  /** Changes with every write. */
  readonly etag: string;
}

export interface RecordPage<T> {
  /** Ascending by row key, UTF-16 order. */
  readonly records: readonly Stored<T>[];
  /** Given back to read on; absent at the end. */
  readonly continuation?: string;
}

export interface ListRecordsOptions {
  /** Only rows that start with it. */
  readonly prefix?: string;
  readonly continuation?: string;
  /** At most this many; 1,000 when absent, which is also the most. */
  readonly limit?: number;
}

/** Keys are 1 to 512 characters, none of them `/ \ # ?` or a control character (Table Storage's own rule). */
export interface RecordTable<T> {
  get(partition: string, row: string): Promise<Stored<T> | undefined>;
  /** Writes a row that must not be there yet. @returns whether it was written */
  insert(partition: string, row: string, value: T): Promise<boolean>;
  /** Writes whatever is there. */
  put(partition: string, row: string, value: T): Promise<void>;
  /** @throws VaultError `storage/conflict` (retryable) when the row is gone or no longer has this etag */
  replace(partition: string, row: string, value: T, etag: string): Promise<void>;
  /** Removes a row; one that is not there is fine. With an etag: `storage/conflict` when the row has another. */
  remove(partition: string, row: string, etag?: string): Promise<void>;
  list(partition: string, options?: ListRecordsOptions): Promise<RecordPage<T>>;
}

/** Reads all rows of a partition, or those with a prefix, page by page. */
export async function* listRecords<T>(
  table: RecordTable<T>,
  partition: string,
  prefix?: string,
): AsyncGenerator<Stored<T>, void, undefined> {
  let continuation: string | undefined;
  do {
    const page: RecordPage<T> = await table.list(partition, present({ prefix, continuation }));
    yield* page.records;
    continuation = page.continuation;
  } while (continuation !== undefined);
}

const UPDATE_ATTEMPTS = 20;

/**
 * Reads a row, decides its new value and writes it; decides anew on the fresh value when another writer was faster.
 *
 * @param decide - pure; gives the new value, or the very value it was given to leave the row alone
 * @returns the value that is now stored, or undefined when there is no such row
 * @throws VaultError `storage/conflict` (retryable) when others keep winning
 */
export async function updateRecord<T>(
  table: RecordTable<T>,
  partition: string,
  row: string,
  decide: (value: T) => T,
): Promise<T | undefined> {
  for (let attempt = 1; ; attempt++) {
    const stored = await table.get(partition, row);
    if (stored === undefined) return undefined;
    const value = decide(stored.value);
    if (value === stored.value) return value;
    try {
      await table.replace(partition, row, value, stored.etag);
      return value;
    } catch (error) {
      const lost = error instanceof VaultError && error.code === "storage/conflict";
      if (!lost || attempt === UPDATE_ATTEMPTS) throw error;
    }
  }
}

/**
 * Makes or updates a row, and writes what must be there before the row is.
 *
 * @param decide - pure; gives the row as it is to be, from the newest one or from none
 * @param ahead - is told of the row as it is to be, before that is written; safe to run twice. It runs again when another
 *   writer was faster, and for the row as it is when that leaves nothing to write: the last word is about the row that stays
 * @returns the value that is now stored
 * @throws VaultError `storage/conflict` (retryable) when others keep winning
 */
export async function writeAhead<T>(
  table: RecordTable<T>,
  partition: string,
  row: string,
  decide: (before: T | undefined) => T,
  ahead: (value: T, before: T | undefined) => Promise<void>,
): Promise<{ readonly value: T; readonly created: boolean }> {
  for (let attempt = 1; ; attempt++) {
    const stored = await table.get(partition, row);
    let value: T;
    try {
      value = decide(stored?.value);
    } catch (error) {
      if (attempt > 1 && stored !== undefined) await ahead(stored.value, stored.value);
      throw error;
    }
    await ahead(value, stored?.value);
    if (value === stored?.value) return { value, created: false };
    if (stored === undefined) {
      if (await table.insert(partition, row, value)) return { value, created: true };
      if (attempt === UPDATE_ATTEMPTS) throw new VaultError("storage/conflict", `row '${row}' comes and goes`);
      continue;
    }
    try {
      await table.replace(partition, row, value, stored.etag);
      return { value, created: false };
    } catch (error) {
      const lost = error instanceof VaultError && error.code === "storage/conflict";
      if (!lost || attempt === UPDATE_ATTEMPTS) throw error;
    }
  }
}
