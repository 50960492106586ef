/**
 * @module
 * Keeps orchestrations in one Azure table, and texts that are too large for it in blobs.
 *
 * Each instance is one partition, named by its id:
 *
 * | row | holds |
 * |---|---|
 * | `i` | the instance; `historyRows` says how many history rows are valid, `recent` has the events after them |
 * | `h<generation>-<n>` | a run of history events as JSON, many to a row |
 * | `q<key>` | a client message that no episode has taken yet |
 *
 * The update of row `i`, on condition of its ETag, commits an episode, mostly alone: new events stay in it until they
 * are too many, because one update is half the work of a transaction. History rows that do not fit into the same
 * transaction are written before it and are not valid until then, removals that do not fit come after it and are made
 * up for by the next purge.
 */
import { RestError, TableClient, type TableEntityResult, type TransactionAction } from "@azure/data-tables";
import { BlobServiceClient, type ContainerClient } from "@azure/storage-blob";
import { READ_AGAIN_WHEN_CUT } from "./cut-answers.ts";
import type { HistoryEvent } from "./history.ts";
import {
  type ClientMessage,
  type Commit,
  type DurableStore,
  type FoundInstance,
  type InstancePage,
  type InstanceQuery,
  type InstanceRecord,
  isFinished,
  type Revision,
  type RuntimeStatus,
  StoreConflict,
  type StoredInstance,
} from "./store.ts";

/** A table property holds 32,768 UTF-16 units. */
const PIECE_LENGTH = 32_000;
/** Longer texts go to a blob: an entity is 1 MiB at most, with three such texts in row `i`. */
const MAX_INLINE_LENGTH = 3 * PIECE_LENGTH;
const MAX_OPERATIONS = 100;
/** A transaction is 4 MiB at most; texts count twice, and the rest is for names and the envelope. */
const MAX_TRANSACTION_LENGTH = 1_500_000;
const OPERATION_LENGTH = 2_000;

const INSTANCE_ROW = "i";

interface Row {
  readonly partitionKey: string;
  readonly rowKey: string;
  readonly [property: string]: string | number | boolean;
}

export class TableStore implements DurableStore {
  readonly #table: TableClient;
  readonly #blobs: ContainerClient;

  /** @param taskHubName - letters and digits, as the name of a table */
  constructor(connectionString: string, taskHubName: string) {
    this.#table = TableClient.fromConnectionString(connectionString, `${taskHubName}Embedded`, {
      allowInsecureConnection: true,
      additionalPolicies: [READ_AGAIN_WHEN_CUT],
    });
    this.#blobs = BlobServiceClient.fromConnectionString(connectionString).getContainerClient(
      `${taskHubName.toLowerCase()}-embedded`,
    );
  }

  async open(): Promise<void> {
    await this.#table.createTable();
    await this.#blobs.createIfNotExists();
  }

  async unfinished(): Promise<string[]> {
    const ids: string[] = [];
    const filter = `RowKey eq '${INSTANCE_ROW}' and isFinished eq false`;
    for await (const row of this.#table.listEntities({ queryOptions: { filter, select: ["PartitionKey"] } })) {
      if (row.partitionKey !== undefined) ids.push(idOf(row.partitionKey));
    }
    return ids;
  }

  async find(instanceId: string): Promise<FoundInstance | undefined> {
    try {
      return await this.#found(await this.#table.getEntity(partitionOf(instanceId), INSTANCE_ROW));
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw error;
    }
  }

  async load(instanceId: string): Promise<StoredInstance | undefined> {
    const rows = await this.#rows(instanceId);
    const row = rows.find(({ rowKey }) => rowKey === INSTANCE_ROW);
    if (row === undefined) return undefined;
    const { record, revision } = await this.#found(row);
    const isHistory = (rowKey: string): boolean =>
      rowKey >= historyRow(record.generation, 0) && rowKey < historyRow(record.generation, revision.historyLength);
    const historyTexts = rows
      .filter(({ rowKey = "" }) => isHistory(rowKey))
      .sort(byRowKey)
      .map((historyRows) => this.#readText(historyRows, "events"));
    const texts = [...(await Promise.all(historyTexts)), `[${revision.recent ?? ""}]`];
    const history = texts.flatMap((text): HistoryEvent[] => JSON.parse(text ?? "[]"));
    const messageTexts = rows
      .filter(({ rowKey = "" }) => rowKey.startsWith("q"))
      .sort(byRowKey)
      .map((messageRow) => this.#readText(messageRow, "message"));
    const messages = (await Promise.all(messageTexts)).map((text): ClientMessage => JSON.parse(text ?? "null"));
    return { record, revision, history, messages };
  }

  async list(query: InstanceQuery): Promise<InstancePage> {
    const filter = [
      `RowKey eq '${INSTANCE_ROW}'`,
      ...(query.createdFrom ? [`createdAt ge '${query.createdFrom.toISOString()}'`] : []),
      ...(query.createdTo ? [`createdAt le '${query.createdTo.toISOString()}'`] : []),
      ...(query.statuses ? [`(${query.statuses.map((status) => `status eq '${status}'`).join(" or ")})`] : []),
      ...(query.idPrefix ? prefixFilter(partitionOf(query.idPrefix)) : []),
    ].join(" and ");
    const pages = this.#table.listEntities({ queryOptions: { filter } }).byPage({
      maxPageSize: query.top,
      ...(query.continuationToken && { continuationToken: query.continuationToken }),
    });
    for await (const page of pages) {
      const { continuationToken } = page;
      return { instances: await Promise.all(page.map((row) => this.#found(row))), continuationToken };
    }
    return { instances: [], continuationToken: undefined };
  }

  async create(record: InstanceRecord, over?: Revision): Promise<Revision> {
    const row = await this.#instanceRow(record, 0, "");
    const leftovers = over === undefined ? [] : await this.#rows(record.instanceId);
    const removals = leftovers.filter(({ rowKey }) => rowKey !== INSTANCE_ROW).map(remove);
    const core: TransactionAction =
      over === undefined ? ["create", row] : ["update", row, "Replace", { etag: over.etag }];
    const etag = await this.#transact([], [core], removals);
    return { etag, generation: record.generation, historyLength: 0, recent: "" };
  }

  async addMessage(instanceId: string, message: ClientMessage): Promise<void> {
    await this.#table.upsertEntity(await this.#messageRow(instanceId, message), "Replace");
  }

  async commit(commit: Commit): Promise<Revision> {
    const { record, revision } = commit;
    const { instanceId, generation } = record;
    const isNewRun = generation !== revision.generation;
    const firstRow = isNewRun ? 0 : revision.historyLength;
    const events = commit.newEvents.map((event) => asAscii(JSON.stringify(event)));
    const unplaced = isNewRun || !revision.recent ? events : [revision.recent, ...events];
    const isShort = unplaced.reduce((length, text) => length + text.length + 1, 0) <= PIECE_LENGTH;
    const recent = isShort ? unplaced.join(",") : "";
    const texts = isShort ? [] : joined(unplaced);
    const historyRows = texts.map((text, index) => this.#historyRow(record, firstRow + index, text));
    const kept = commit.kept.map((message) => this.#messageRow(instanceId, message));
    const before = (await Promise.all([...historyRows, ...kept])).map((row): TransactionAction => {
      return ["upsert", row, "Replace"];
    });
    const historyLength = firstRow + texts.length;
    const { input, ...unchanging } = record;
    const row = await this.#instanceRow(isNewRun ? record : unchanging, historyLength, recent);
    const core: TransactionAction[] = [
      ["update", row, isNewRun ? "Replace" : "Merge", { etag: revision.etag }],
      ...commit.consumed.map((key) => remove({ partitionKey: row.partitionKey, rowKey: `q${key}` })),
    ];
    const oldRows = isNewRun ? revision.historyLength : 0;
    const after = Array.from({ length: oldRows }, (_, index) =>
      remove({ partitionKey: row.partitionKey, rowKey: historyRow(revision.generation, index) }),
    );
    return { etag: await this.#transact(before, core, after), generation, historyLength, recent };
  }

  async purge(instanceId: string): Promise<void> {
    const rows = await this.#rows(instanceId);
    const isInstance = ({ rowKey }: { rowKey?: string }): boolean => rowKey === INSTANCE_ROW;
    // The instance goes last: while it is there, a purge that broke off can be done again.
    const removals = [...rows.filter((row) => !isInstance(row)), ...rows.filter(isInstance)].map(remove);
    for (const batch of batches(removals)) await this.#submit(batch);
    for await (const { name } of this.#blobs.listBlobsFlat({ prefix: blobFolder(instanceId) })) {
      await this.#blobs.deleteBlob(name);
    }
  }

  async #rows(instanceId: string): Promise<TableEntityResult<Record<string, unknown>>[]> {
    const filter = `PartitionKey eq '${partitionOf(instanceId)}'`;
    const rows: TableEntityResult<Record<string, unknown>>[] = [];
    for await (const row of this.#table.listEntities({ queryOptions: { filter } })) rows.push(row);
    return rows;
  }

  /**
   * Writes the core in one transaction, with as much of the rest as fits; the rest of the rest before and after it.
   *
   * @param core - begins with the operation on row `i`
   * @returns the new ETag of row `i`
   */
  async #transact(
    before: readonly TransactionAction[],
    core: readonly TransactionAction[],
    after: readonly TransactionAction[],
  ): Promise<string> {
    const fits = batches([...before, ...core]).length === 1;
    if (!fits) for (const batch of batches(before)) await this.#submit(batch);
    const last = fits ? [...core, ...before] : core;
    const afterInLast = after.slice(0, MAX_OPERATIONS - last.length);
    const [etag] = await this.#submit([...last, ...afterInLast]);
    for (const batch of batches(after.slice(afterInLast.length))) await this.#submit(batch);
    if (etag === undefined) throw new Error("the table service has not answered with an ETag");
    return etag;
  }

  /** @returns the ETags of what was written, in the order of the operations */
  async #submit(batch: readonly TransactionAction[]): Promise<(string | undefined)[]> {
    const [only, ...others] = batch;
    try {
      if (only !== undefined && others.length === 0) return [await this.#submitOne(only)];
      const response = await this.#table.submitTransaction([...batch]);
      return response.subResponses.map(({ etag }) => etag);
    } catch (error) {
      if (isStatus(error, 409) || isStatus(error, 412) || isStatus(error, 404)) {
        throw new StoreConflict(`the stored instance is not as expected: ${messageOf(error)}`, { cause: error });
      }
      throw error;
    }
  }

  async #submitOne(action: TransactionAction): Promise<string | undefined> {
    const [kind, entity, mode, options] = action;
    switch (kind) {
      case "create":
        return (await this.#table.createEntity(entity)).etag;
      case "update":
        return (await this.#table.updateEntity(entity, mode, options)).etag;
      case "upsert":
        return (await this.#table.upsertEntity(entity, mode)).etag;
      case "delete":
        await this.#table.deleteEntity(entity.partitionKey, entity.rowKey);
        return undefined;
    }
  }

  async #found(row: TableEntityResult<Record<string, unknown>>): Promise<FoundInstance> {
    const { etag, partitionKey = "" } = row;
    const [input, output] = await Promise.all([this.#readText(row, "input"), this.#readText(row, "output")]);
    const text = (property: string): string => String(row[property] ?? "");
    const record: InstanceRecord = {
      instanceId: idOf(partitionKey),
      name: text("name"),
      version: text("version"),
      executionId: text("executionId"),
      startId: text("startId"),
      generation: Number(row["generation"]),
      status: text("status") as RuntimeStatus,
      input,
      output,
      customStatus: text("customStatus") || null,
      createdAt: text("createdAt"),
      updatedAt: text("updatedAt"),
      parent: row["parent"] === undefined ? null : JSON.parse(text("parent")),
    };
    const historyLength = Number(row["historyRows"]);
    const { generation } = record;
    return { record, revision: { etag, generation, historyLength, recent: text("recent") } };
  }

  /** Makes row `i`; without an input, for merging into a row that has it. */
  async #instanceRow(
    record: Omit<InstanceRecord, "input"> & { input?: string | null },
    historyRows: number,
    recent: string,
  ) {
    const { instanceId, input = null, output, customStatus, parent, ...properties } = record;
    const blob = `${blobFolder(instanceId)}${record.startId}/${record.generation}`;
    const texts = await Promise.all([
      this.#writeText("input", input, `${blob}-input`),
      this.#writeText("output", output, `${blob}-output`),
    ]);
    return {
      partitionKey: partitionOf(instanceId),
      rowKey: INSTANCE_ROW,
      ...properties,
      ...Object.assign({}, ...texts),
      // Always there, because a merge cannot remove it; at most 16 KB.
      customStatus: customStatus === null ? "" : asAscii(customStatus),
      ...(parent && { parent: asAscii(JSON.stringify(parent)) }),
      isFinished: isFinished(record.status),
      historyRows,
      recent,
    };
  }

  async #historyRow(record: InstanceRecord, index: number, text: string): Promise<Row> {
    const rowKey = historyRow(record.generation, index);
    const blob = `${blobFolder(record.instanceId)}${record.startId}/${rowKey}`;
    return {
      partitionKey: partitionOf(record.instanceId),
      rowKey,
      ...(await this.#writeText("events", text, blob)),
    };
  }

  async #messageRow(instanceId: string, message: ClientMessage): Promise<Row> {
    const rowKey = `q${message.key}`;
    const blob = `${blobFolder(instanceId)}${message.startId}/${rowKey}`;
    return {
      partitionKey: partitionOf(instanceId),
      rowKey,
      ...(await this.#writeText("message", JSON.stringify(message), blob)),
    };
  }

  /** Makes the properties that hold a text in JSON: pieces, or the name of the blob that it goes to. */
  async #writeText(property: string, text: string | null, blob: string): Promise<Record<string, string>> {
    if (text === null) return {};
    const ascii = asAscii(text);
    if (ascii.length > MAX_INLINE_LENGTH) {
      const bytes = Buffer.from(text);
      await this.#blobs.getBlockBlobClient(blob).upload(bytes, bytes.length);
      return { [`${property}Blob`]: blob };
    }
    const pieces: Record<string, string> = {};
    for (let at = 0; at === 0 || at < ascii.length; at += PIECE_LENGTH) {
      pieces[`${property}${at / PIECE_LENGTH}`] = ascii.slice(at, at + PIECE_LENGTH);
    }
    return pieces;
  }

  async #readText(row: Record<string, unknown>, property: string): Promise<string | null> {
    const blob = row[`${property}Blob`];
    if (typeof blob === "string") return (await this.#blobs.getBlockBlobClient(blob).downloadToBuffer()).toString();
    let text: string | null = null;
    for (let index = 0; typeof row[`${property}${index}`] === "string"; index += 1) {
      text = (text ?? "") + row[`${property}${index}`];
    }
    return text;
  }
}

/**
 * Writes JSON in ASCII alone: Azurite 3.37 breaks a character whose bytes come in two reads of its socket (measured
 * 2026-11).
 */
function asAscii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Joins events in JSON to arrays of a row's length; an event that is longer gets a row of its own. */
function joined(events: readonly string[]): string[] {
  const rows: string[] = [];
  let row: string[] = [];
  let length = 0;
  for (const text of events) {
    if (row.length > 0 && length + text.length > MAX_INLINE_LENGTH) {
      rows.push(`[${row.join(",")}]`);
      row = [];
      length = 0;
    }
    row.push(text);
    length += text.length + 2;
  }
  return row.length === 0 ? rows : [...rows, `[${row.join(",")}]`];
}

/** Cuts operations into transactions by count and by size. */
function batches(actions: readonly TransactionAction[]): TransactionAction[][] {
  const all: TransactionAction[][] = [];
  let batch: TransactionAction[] = [];
  let length = 0;
  for (const action of actions) {
    const actionLength = OPERATION_LENGTH + (action[0] === "delete" ? 0 : JSON.stringify(action[1]).length);
    if (batch.length === MAX_OPERATIONS || (batch.length > 0 && length + actionLength > MAX_TRANSACTION_LENGTH)) {
      all.push(batch);
      batch = [];
      length = 0;
    }
    batch.push(action);
    length += actionLength;
  }
  return batch.length === 0 ? all : [...all, batch];
}

function remove(row: { partitionKey?: string; rowKey?: string }): TransactionAction {
  return ["delete", { partitionKey: row.partitionKey ?? "", rowKey: row.rowKey ?? "" }];
}

function historyRow(generation: number, index: number): string {
  return `h${String(generation).padStart(8, "0")}-${String(index).padStart(8, "0")}`;
}

function byRowKey(one: { rowKey?: string }, other: { rowKey?: string }): number {
  return (one.rowKey ?? "") < (other.rowKey ?? "") ? -1 : 1;
}

/** Escapes what a table key or an address must not contain; `^` marks an escape, as in the real host's tables. */
function partitionOf(instanceId: string): string {
  return instanceId.replace(/[^A-Za-z0-9._:-]/gu, (character) => `^${character.codePointAt(0)?.toString(16)}^`);
}

function idOf(partitionKey: string): string {
  return partitionKey.replace(/\^([0-9a-f]+)\^/g, (_, code) => String.fromCodePoint(Number.parseInt(code, 16)));
}

function prefixFilter(prefix: string): string[] {
  return [`PartitionKey ge '${prefix}'`, `PartitionKey lt '${prefix}~'`];
}

function blobFolder(instanceId: string): string {
  return `${encodeURIComponent(instanceId)}/`;
}

function isStatus(error: unknown, status: number): boolean {
  return error instanceof RestError && error.statusCode === status;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
