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
  MAX_CONSUMED,
  type Revision,
  StoreConflict,
  type StoredInstance,
} from "./store.ts";

interface Slot {
  record: InstanceRecord;
  etag: number;
  history: HistoryEvent[];
  readonly messages: Map<string, ClientMessage>;
}

/** Keeps everything in this process, for tests; nothing survives it. */
export class MemoryStore implements DurableStore {
  readonly #slots = new Map<string, Slot>();

  async open(): Promise<void> {}

  async unfinished(): Promise<string[]> {
    return [...this.#slots.values()]
      .filter(({ record }) => !isFinished(record.status))
      .map((slot) => slot.record.instanceId);
  }

  async find(instanceId: string): Promise<FoundInstance | undefined> {
    const slot = this.#slots.get(instanceId);
    return slot && found(slot);
  }

  async load(instanceId: string): Promise<StoredInstance | undefined> {
    const slot = this.#slots.get(instanceId);
    if (slot === undefined) return undefined;
    const messages = [...slot.messages.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    return { ...found(slot), history: [...slot.history], messages };
  }

  async list(query: InstanceQuery): Promise<InstancePage> {
    const matching = [...this.#slots.values()]
      .filter(({ record }) => matches(record, query))
      .sort((a, b) => (a.record.instanceId < b.record.instanceId ? -1 : 1));
    const page = matching.slice(0, query.top);
    const last = page.at(-1);
    return {
      instances: page.map(found),
      continuationToken: matching.length > page.length ? last?.record.instanceId : undefined,
    };
  }

  async create(record: InstanceRecord, over?: Revision): Promise<Revision> {
    const slot = this.#slots.get(record.instanceId);
    if (slot === undefined ? over !== undefined : over?.etag !== String(slot.etag)) {
      throw new StoreConflict(`instance '${record.instanceId}' is not as expected`);
    }
    const created: Slot = { record, etag: (slot?.etag ?? 0) + 1, history: [], messages: new Map() };
    this.#slots.set(record.instanceId, created);
    return revision(created);
  }

  async addMessage(instanceId: string, message: ClientMessage): Promise<void> {
    this.#slots.get(instanceId)?.messages.set(message.key, message);
  }

  async commit(commit: Commit): Promise<Revision> {
    const slot = this.#slots.get(commit.record.instanceId);
    if (slot === undefined || String(slot.etag) !== commit.revision.etag) {
      throw new StoreConflict(`instance '${commit.record.instanceId}' has changed`);
    }
    const kept = new Set(commit.kept.map(({ key }) => key));
    if (commit.consumed.length > MAX_CONSUMED || commit.consumed.some((key) => kept.has(key))) {
      throw new Error("the commit does not fit into one transaction");
    }
    if (commit.record.generation !== slot.record.generation) slot.history = [];
    slot.record = commit.record;
    slot.etag += 1;
    slot.history.push(...commit.newEvents);
    for (const key of commit.consumed) slot.messages.delete(key);
    for (const message of commit.kept) slot.messages.set(message.key, message);
    return revision(slot);
  }

  async purge(instanceId: string): Promise<void> {
    this.#slots.delete(instanceId);
  }
}

function revision(slot: Slot): Revision {
  return { etag: String(slot.etag), generation: slot.record.generation, historyLength: slot.history.length };
}

function found(slot: Slot): FoundInstance {
  return { record: slot.record, revision: revision(slot) };
}

function matches(record: InstanceRecord, query: InstanceQuery): boolean {
  return (
    (query.createdFrom === undefined || record.createdAt >= query.createdFrom.toISOString()) &&
    (query.createdTo === undefined || record.createdAt <= query.createdTo.toISOString()) &&
    (query.statuses === undefined || query.statuses.includes(record.status)) &&
    (query.idPrefix === undefined || record.instanceId.startsWith(query.idPrefix)) &&
    (query.continuationToken === undefined || record.instanceId > query.continuationToken)
  );
}
