import { VaultError } from "../../src/foundation/errors.ts";
import type { ListOptions, RecordPage, RecordTable, Stored } from "../../src/foundation/records.ts";

/** A {@link RecordTable} in memory. Values pass through JSON, as they do in Table Storage. */
export class MemoryRecords<T> implements RecordTable<T> {
  readonly #partitions = new Map<string, Map<string, { readonly json: string; readonly etag: string }>>();
  #writes = 0;

  async get(partition: string, row: string): Promise<Stored<T> | undefined> {
    const stored = this.#partitions.get(partition)?.get(row);
    return stored === undefined ? undefined : { row, value: JSON.parse(stored.json) as T, etag: stored.etag };
  }

  async insert(partition: string, row: string, value: T): Promise<boolean> {
    if (this.#partitions.get(partition)?.has(row)) return false;
    this.#write(partition, row, value);
    return true;
  }

  async put(partition: string, row: string, value: T): Promise<void> {
    this.#write(partition, row, value);
  }

  async replace(partition: string, row: string, value: T, etag: string): Promise<void> {
    this.#check(partition, row, etag);
    this.#write(partition, row, value);
  }

  async remove(partition: string, row: string, etag?: string): Promise<void> {
    if (etag !== undefined && this.#partitions.get(partition)?.has(row)) this.#check(partition, row, etag);
    this.#partitions.get(partition)?.delete(row);
  }

  async list(
    partition: string,
    { prefix = "", continuation, limit = 1_000 }: ListOptions = {},
  ): Promise<RecordPage<T>> {
    const rows = [...(this.#partitions.get(partition)?.keys() ?? [])]
      .filter((row) => row.startsWith(prefix) && (continuation === undefined || row >= continuation))
      .sort();
    const records: Stored<T>[] = [];
    for (const row of rows.slice(0, limit)) {
      const stored = await this.get(partition, row);
      if (stored !== undefined) records.push(stored);
    }
    const next = rows[limit];
    return { records, ...(next === undefined ? {} : { continuation: next }) };
  }

  /** All rows of all partitions, to see that nothing was written. */
  get size(): number {
    let size = 0;
    for (const rows of this.#partitions.values()) size += rows.size;
    return size;
  }

  #check(partition: string, row: string, etag: string): void {
    if (this.#partitions.get(partition)?.get(row)?.etag === etag) return;
    throw new VaultError("storage/conflict", `row '${row}' was changed by another writer`);
  }

  #write(partition: string, row: string, value: T): void {
    this.#writes += 1;
    const rows = this.#partitions.get(partition) ?? new Map();
    this.#partitions.set(partition, rows);
    rows.set(row, { json: JSON.stringify(value), etag: `w${this.#writes}` });
  }
}
