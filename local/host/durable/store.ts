/**
 * @module
 * State of the engine: orchestration instances, their history, and operations of clients.
 *
 * Only what cannot be found out again is stored. Results of activities, fired timers and finished children get into the
 * history with the episode that uses them; after a crash the history says what is outstanding, and that is done again.
 */
import type { ClientEvent, HistoryEvent } from "./history.ts";

export type RuntimeStatus = "Pending" | "Running" | "Suspended" | "Completed" | "Failed" | "Terminated";

export function isFinished(status: RuntimeStatus): boolean {
  return status === "Completed" || status === "Failed" || status === "Terminated";
}

/** The orchestration that waits for this one, and the id under which it does. */
export interface Parent {
  readonly name: string;
  readonly instanceId: string;
  readonly executionId: string;
  readonly taskId: number;
}

export interface InstanceRecord {
  readonly instanceId: string;
  readonly name: string;
  /** Version of the orchestration as the client gave it; empty for none. */
  readonly version: string;
  /** Changes with each continue-as-new. */
  readonly executionId: string;
  /** Names one start of this instance id; messages for an earlier start are not for this one. */
  readonly startId: string;
  /** Counts runs of this instance id, continue-as-new and new starts alike; the history belongs to one run. */
  readonly generation: number;
  readonly status: RuntimeStatus;
  /** JSON text. */
  readonly input: string | null;
  /** JSON text of a completed orchestration, plain text of a failed or terminated one. */
  readonly output: string | null;
  /** JSON text. */
  readonly customStatus: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly parent: Parent | null;
}

/** An operation of a client, stored before the client gets its response. Keys sort in the order of arrival. */
export interface ClientMessage {
  readonly key: string;
  readonly startId: string;
  readonly event: ClientEvent;
}

/** Names the state that a change builds on; a change to any other state is refused. */
export interface Revision {
  readonly etag: string;
  readonly generation: number;
  /** How much of the history is valid; the store's own measure. */
  readonly historyLength: number;
  /** The store's own: history that it has not put in its final place yet. */
  readonly recent?: string;
}

export interface FoundInstance {
  readonly record: InstanceRecord;
  readonly revision: Revision;
}

export interface StoredInstance extends FoundInstance {
  readonly history: readonly HistoryEvent[];
  /** Sorted by key. */
  readonly messages: readonly ClientMessage[];
}

/** What one episode changes; takes effect whole or not at all. */
export interface Commit {
  readonly revision: Revision;
  /** With a new generation, the history starts empty. */
  readonly record: InstanceRecord;
  readonly newEvents: readonly HistoryEvent[];
  /** Keys of messages that are in the history now, at most `MAX_CONSUMED`. */
  readonly consumed: readonly string[];
  /** Messages that must be there afterwards, whether or not they are there now; none of them is in `consumed`. */
  readonly kept: readonly ClientMessage[];
}

/** A commit fits into one transaction of 100 operations with this many messages to remove. */
export const MAX_CONSUMED = 80;

export interface InstanceQuery {
  readonly createdFrom?: Date | undefined;
  readonly createdTo?: Date | undefined;
  readonly statuses?: readonly RuntimeStatus[] | undefined;
  readonly idPrefix?: string | undefined;
  /** Largest number of instances in the page. */
  readonly top: number;
  readonly continuationToken?: string | undefined;
}

export interface InstancePage {
  readonly instances: readonly FoundInstance[];
  readonly continuationToken: string | undefined;
}

/** Thrown when the state that a change builds on is not the stored one any more. */
export class StoreConflict extends Error {}

export interface DurableStore {
  open(): Promise<void>;
  /** Ids of all instances that are not finished. */
  unfinished(): Promise<string[]>;
  find(instanceId: string): Promise<FoundInstance | undefined>;
  load(instanceId: string): Promise<StoredInstance | undefined>;
  list(query: InstanceQuery): Promise<InstancePage>;
  /**
   * Stores a new instance, or a new start over a finished one.
   *
   * @throws StoreConflict when there is one already, or `over` is not what is there
   */
  create(record: InstanceRecord, over?: Revision): Promise<Revision>;
  addMessage(instanceId: string, message: ClientMessage): Promise<void>;
  /** @throws StoreConflict when the stored instance is not at `commit.revision` */
  commit(commit: Commit): Promise<Revision>;
  /** Removes everything of one instance. */
  purge(instanceId: string): Promise<void>;
}
