import { VaultError } from "../../src/foundation/errors.ts";
import type { ListRecordsOptions, RecordPage, RecordTable, Stored } from "../../src/foundation/records.ts";

interface Written {
  readonly json: string;
  readonly etag: string;
}

const MAX_RECORDS = 1000;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the rule is about control characters
const FORBIDDEN_IN_KEYS = /[/\\#?\u0000-\u001f\u007f-\u009f]/;

/** A {@link RecordTable} in memory. Values pass through JSON, as they do in Table Storage. */
export class MemoryRecords<T> implements RecordTable<T> {
  readonly #partitions = new Map<string, Map<string, Written>>();
  #writes = 0;

  /** Number of writes so far, including deletes; refused ones do not count. */
  get writes(): number {
    return this.#writes;
  }

  /** All rows of all partitions. */
  get size(): number {
    let size = 0;
    for (const rows of this.#partitions.values()) size += rows.size;
    return size;
  }

  async get(partition: string, row: string): Promise<Stored<T> | undefined> {
    const stored = this.#rows(partition, row).get(row);
    return stored === undefined ? undefined : { row, value: JSON.parse(stored.json) as T, etag: stored.etag };
  }

  async insert(partition: string, row: string, value: T): Promise<boolean> {
    const rows = this.#rows(partition, row);
    if (rows.has(row)) return false;
    this.#write(rows, row, value);
    return true;
  }

  async put(partition: string, row: string, value: T): Promise<void> {
    this.#write(this.#rows(partition, row), row, value);
  }

  async replace(partition: string, row: string, value: T, etag: string): Promise<void> {
    const rows = this.#rows(partition, row);
    if (rows.get(row)?.etag !== etag) throw conflict(partition, row);
    this.#write(rows, row, value);
  }

  async remove(partition: string, row: string, etag?: string): Promise<void> {
    const rows = this.#rows(partition, row);
    const stored = rows.get(row);
    if (stored === undefined) return;
    if (etag !== undefined && stored.etag !== etag) throw conflict(partition, row);
    rows.delete(row);
    this.#writes += 1;
  }

  async removeAll(partition: string, rows: readonly string[]): Promise<void> {
    for (const row of rows) await this.remove(partition, row);
  }

  async list(partition: string, options: ListRecordsOptions = {}): Promise<RecordPage<T>> {
    const { prefix = "", continuation = "", limit = MAX_RECORDS } = options;
    const rows = this.#rows(partition, "any");
    const found = [...rows].filter(([row]) => row.startsWith(prefix) && row >= continuation).sort(byRow);
    const page = found.slice(0, Math.min(limit, MAX_RECORDS));
    const next = found[page.length]?.[0];
    return {
      records: page.map(([row, { json, etag }]) => ({ row, value: JSON.parse(json) as T, etag })),
      ...(next === undefined ? {} : { continuation: next }),
    };
  }

  /** Everything in the table, for tests that compare states. */
  dump(): Record<string, Record<string, T>> {
    return Object.fromEntries(
      [...this.#partitions]
        .filter(([, rows]) => rows.size > 0)
        .map(([partition, rows]) => [
          partition,
          Object.fromEntries([...rows].map(([row, { json }]) => [row, JSON.parse(json) as T])),
        ]),
    );
  }

  #rows(partition: string, row: string): Map<string, Written> {
    for (const key of [partition, row]) {
      if (key.length === 0 || key.length > 512 || FORBIDDEN_IN_KEYS.test(key)) {
        throw new TypeError(`'${key}' cannot be a key of a record`);
      }
    }
    let rows = this.#partitions.get(partition);
    if (rows === undefined) {
      rows = new Map();
      this.#partitions.set(partition, rows);
    }
    return rows;
  }

  #write(rows: Map<string, Written>, row: string, value: T): void {
    this.#writes += 1;
    rows.set(row, { json: JSON.stringify(value), etag: String(this.#writes) });
  }
}

function byRow([a]: [string, Written], [b]: [string, Written]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function conflict(partition: string, row: string): VaultError {
  return new VaultError("storage/conflict", `row '${row}' of '${partition}' has changed meanwhile`);
}
