/**
 * @module
 * Small documents by partition and row key, with optimistic concurrency by ETag.
 * `src/azure` keeps them in Table Storage, tests in memory. One contract suite checks both.
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
  /** Continuation token for the next page; absent at the end. */
  readonly continuation?: string;
}

export interface ListRecordsOptions {
  /** Only row keys with this prefix. */
  readonly prefix?: string;
  readonly continuation?: string;
  /** Max rows; default and upper limit 1,000. */
  readonly limit?: number;
}

/** Keys are 1 to 512 characters, none of them `/ \ # ?` or a control character (Table Storage's own rule). */
export interface RecordTable<T> {
  get(partition: string, row: string): Promise<Stored<T> | undefined>;
  /** Inserts a row. @returns false when it already exists */
  insert(partition: string, row: string, value: T): Promise<boolean>;
  /** Inserts or replaces a row. */
  put(partition: string, row: string, value: T): Promise<void>;
  /** @throws VaultError `storage/conflict` (retryable) when the row is gone or no longer has this etag */
  replace(partition: string, row: string, value: T, etag: string): Promise<void>;
  /** Deletes a row; skips one that is not found. With an etag: `storage/conflict` when the row has another. */
  remove(partition: string, row: string, etag?: string): Promise<void>;
  /** Removes rows, as few requests as there can be; those that are not there are fine. */
  removeAll(partition: string, rows: readonly string[]): Promise<void>;
  list(partition: string, options?: ListRecordsOptions): Promise<RecordPage<T>>;
}

/** Reads all rows of a partition, or those with a prefix, page by page. */
export async function* listRecords<T>(
  table: Pick<RecordTable<T>, "list">,
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

/** What can be read of a table. */
export type ReadableRecords<T> = Pick<RecordTable<T>, "get" | "list">;

/**
 * Reads a small partition with one request and serves later reads of it from memory, as it was then. If the partition has more
 * rows than a page, returns the table itself.
 */
export async function readOnce<T>(table: ReadableRecords<T>, partition: string): Promise<ReadableRecords<T>> {
  const { records, continuation: more } = await table.list(partition);
  if (more !== undefined) return table;
  const rows = new Map(records.map((stored) => [stored.row, stored]));
  return {
    get: async (of, row) => (of === partition ? rows.get(row) : table.get(of, row)),
    list: async (of, options = {}) => {
      const { prefix = "", limit, continuation } = options;
      // Who reads page by page needs the table's own continuation.
      if (of !== partition || limit !== undefined || continuation !== undefined) return table.list(of, options);
      return { records: records.filter(({ row }) => row.startsWith(prefix)) };
    },
  };
}

const UPDATE_ATTEMPTS = 20;

/**
 * Reads a row, decides its new value and writes it; decides again on the new state when another writer was faster.
 *
 * @param decide - pure; gives the new value, or the very value it was given to leave the row alone
 * @param known - the row as the caller has just read it, which spares one read while nobody else has written
 * @returns the value that is now stored, or undefined when there is no such row
 * @throws VaultError `storage/conflict` (retryable) when others keep winning
 */
export async function updateRecord<T>(
  table: RecordTable<T>,
  partition: string,
  row: string,
  decide: (value: T) => T,
  known?: Stored<T>,
): Promise<T | undefined> {
  for (let attempt = 1; ; attempt++) {
    const stored = (attempt === 1 ? known : undefined) ?? (await table.get(partition, row));
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
 * Creates or updates a row; first writes what must exist before the row.
 *
 * @param decide - pure; returns the new row from the current one, or from undefined
 * @param ahead - gets the new row before it is written; safe to run twice. It runs again when another writer was
 *   faster, and with the current row when nothing is left to write: its last call gets the row that stays
 * @returns the stored value
 * @throws VaultError `storage/conflict` (retryable) when other writers keep winning
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
      if (attempt === UPDATE_ATTEMPTS) throw new VaultError("storage/conflict", `row '${row}' keeps changing`);
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
