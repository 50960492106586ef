import { randomUUID } from "node:crypto";
import { odata, type TableClient } from "@azure/data-tables";
import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { ListRecordsOptions, RecordPage, RecordTable, Stored } from "../foundation/records.ts";
import { ifFound, mapping, type Place, serviceCodeOf, statusOf } from "./map-error.ts";

/** Max characters in one property; Table Storage allows 32,768. */
const CHUNK_LENGTH = 30_000;

/**
 * Max characters of JSON in one row. An entity may have 1 MiB, at two bytes per character; keys, names of properties
 * and the service's overhead need the rest.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
 */
const MAX_JSON_LENGTH = 500_000;

/** @see https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model#characters-disallowed-in-key-fields */
const KEY = /^[^/\\#?\p{Cc}]{1,512}$/u;

/** Max rows per answer of Table Storage. */
const MAX_PAGE_SIZE = 1_000;

/** @see https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions */
const MAX_TRANSACTION_ROWS = 100;

const STATE: Place = { kind: "state" };

/**
 * A stored entity: the value's JSON in the properties `d0`, `d1` and so on, and in `writer` an id that is new with each
 * write.
 */
type Properties = Record<string, string>;

interface Entity extends Record<string, unknown> {
  readonly etag: string;
  readonly rowKey?: string;
  /** Absent in rows of earlier versions. */
  readonly writer?: string;
}

type NewEntity = Properties & { partitionKey: string; rowKey: string; writer: string };

/**
 * Records in one table of Azure Table Storage. The table is created on first use, and again when it was deleted.
 *
 * The answer to a write may be lost after the service has carried it out; the retry then finds its own row. So on a
 * conflict the row's writer is checked: `insert` returns false, and `replace` reports a conflict, only when another
 * writer wrote it.
 */
export class TableRecords<T> implements RecordTable<T> {
  readonly #table: TableClient;
  readonly #schema: z.ZodType<T>;
  #ready: Promise<void> | undefined;

  constructor(table: TableClient, schema: z.ZodType<T>) {
    this.#table = table;
    this.#schema = schema;
  }

  async get(partition: string, row: string): Promise<Stored<T> | undefined> {
    return this.#request(async () => {
      const entity = await ifFound(() => this.#table.getEntity<Entity>(partition, row));
      return entity && this.#read(entity);
    });
  }

  async insert(partition: string, row: string, value: T): Promise<boolean> {
    return this.#request(async () => {
      const entity = this.#entity(partition, row, value);
      try {
        await this.#table.createEntity(entity);
        return true;
      } catch (error) {
        // EntityAlreadyExists: "The specified entity already exists."
        // Another 409, such as TableBeingDeleted, does not mean that the row exists.
        if (serviceCodeOf(error) === "EntityAlreadyExists") return this.#wasWrittenAs(entity);
        throw error;
      }
    });
  }

  async put(partition: string, row: string, value: T): Promise<void> {
    await this.#request(() => this.#table.upsertEntity(this.#entity(partition, row, value), "Replace"));
  }

  async replace(partition: string, row: string, value: T, etag: string): Promise<void> {
    await this.#request(async () => {
      const entity = this.#entity(partition, row, value);
      try {
        await this.#table.updateEntity(entity, "Replace", { etag });
      } catch (error) {
        // UpdateConditionNotSatisfied (412): the row has another etag. ResourceNotFound (404): it is gone.
        const status = statusOf(error);
        if (status === 412 && (await this.#wasWrittenAs(entity))) return;
        throw status === 412 || status === 404 ? this.#conflict(row) : error;
      }
    });
  }

  async remove(partition: string, row: string, etag?: string): Promise<void> {
    await this.#request(async () => {
      try {
        await this.#table.deleteEntity(partition, row, { etag: etag ?? "*" });
      } catch (error) {
        const status = statusOf(error);
        if (status === 404) return;
        throw status === 412 ? this.#conflict(row) : error;
      }
    });
  }

  async removeAll(partition: string, rows: readonly string[]): Promise<void> {
    for (let from = 0; from < rows.length; from += MAX_TRANSACTION_ROWS) {
      await this.#removeSome(partition, rows.slice(from, from + MAX_TRANSACTION_ROWS));
    }
  }

  /** In one transaction; when a row of them is not there, which ends it, one by one. */
  async #removeSome(partition: string, rows: readonly string[]): Promise<void> {
    const [only] = rows;
    const isDone =
      rows.length > 1 &&
      (await this.#request(async () => {
        try {
          await this.#table.submitTransaction(
            rows.map((row) => ["delete", { partitionKey: partition, rowKey: row }] as const),
          );
          return true;
        } catch (error) {
          if (statusOf(error) !== 404 || serviceCodeOf(error) === "TableNotFound") throw error;
          return false;
        }
      }));
    if (isDone || only === undefined) return;
    for (const row of rows) await this.remove(partition, row);
  }

  async list(partition: string, options: ListRecordsOptions = {}): Promise<RecordPage<T>> {
    return this.#request(async () => {
      const { prefix = "", continuation, limit = MAX_PAGE_SIZE } = options;
      const rows =
        prefix === ""
          ? odata`PartitionKey eq ${partition}`
          : odata`PartitionKey eq ${partition} and RowKey ge ${prefix} and RowKey lt ${afterAll(prefix)}`;
      const pages = this.#table.listEntities<Entity>({ queryOptions: { filter: rows } }).byPage({
        maxPageSize: Math.min(limit, MAX_PAGE_SIZE),
        ...present({ continuationToken: continuation }),
      });
      for await (const page of pages) {
        return {
          records: page.map((entity) => this.#read(entity)),
          ...present({ continuation: page.continuationToken }),
        };
      }
      return { records: [] };
    });
  }

  /** Whether the existing row was written by this very write. */
  async #wasWrittenAs({ partitionKey, rowKey, writer }: NewEntity): Promise<boolean> {
    return (await ifFound(() => this.#table.getEntity<Entity>(partitionKey, rowKey)))?.writer === writer;
  }

  async #request<R>(request: () => Promise<R>): Promise<R> {
    return mapping(STATE, async () => {
      await this.#makeTable();
      try {
        return await request();
      } catch (error) {
        // "The table specified does not exist.": it was deleted, and a rebuild will fill it again.
        if (serviceCodeOf(error) !== "TableNotFound") throw error;
        this.#ready = undefined;
        await this.#makeTable();
        return await request();
      }
    });
  }

  async #makeTable(): Promise<void> {
    this.#ready ??= this.#table.createTable();
    try {
      await this.#ready;
    } catch (error) {
      this.#ready = undefined;
      throw error;
    }
  }

  #entity(partition: string, row: string, value: T): NewEntity {
    const json = asciiJson(value);
    if (json.length > MAX_JSON_LENGTH) {
      throw new VaultError(
        "request/too-large",
        `row '${row}' of table '${this.#table.tableName}' would have ${json.length} characters; the limit is ${MAX_JSON_LENGTH}`,
        { hint: "send a smaller document" },
      );
    }
    for (const key of [partition, row]) {
      // Azurite accepts keys that Table Storage refuses.
      if (!KEY.test(key)) throw new Error(`'${key}' cannot be a key of table '${this.#table.tableName}'`);
    }
    return {
      ...Object.fromEntries(chunksOf(json).map((chunk, n) => [`d${n}`, chunk])),
      writer: randomUUID(),
      partitionKey: partition,
      rowKey: row,
    };
  }

  #read(entity: Entity): Stored<T> {
    const row = entity.rowKey ?? "";
    let json = "";
    for (let n = 0; typeof entity[`d${n}`] === "string"; n++) json += entity[`d${n}`];
    return { row, value: this.#decode(row, json), etag: entity.etag };
  }

  #decode(row: string, json: string): T {
    const where = `row '${row}' of table '${this.#table.tableName}'`;
    let value: unknown;
    try {
      value = JSON.parse(json);
    } catch (error) {
      throw new VaultError("format/corrupt", `${where} is not JSON`, { cause: error });
    }
    const parsed = this.#schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new VaultError("format/corrupt", `${where} is invalid: ${z.prettifyError(parsed.error)}`);
  }

  #conflict(row: string): VaultError {
    return new VaultError(
      "storage/conflict",
      `row '${row}' of table '${this.#table.tableName}' was changed by another request`,
    );
  }
}

/**
 * Encodes JSON in ASCII only, so that it may be split anywhere. Besides, Azurite 3.37 breaks a character whose bytes
 * arrive in two reads of its socket (measured 2026-11).
 */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function chunksOf(json: string): string[] {
  const count = Math.ceil(json.length / CHUNK_LENGTH);
  return Array.from({ length: count }, (_, n) => json.slice(n * CHUNK_LENGTH, (n + 1) * CHUNK_LENGTH));
}

/** The first key after all keys with a prefix. */
function afterAll(prefix: string): string {
  const last = prefix.length - 1;
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}
