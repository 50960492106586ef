import { type ClientEvent, type CompletionEvent, EventType, type HistoryEvent } from "./history.ts";
import { type ClientMessage, type InstanceRecord, MAX_CONSUMED, type Revision, type StoredInstance } from "./store.ts";

/** Something for the next episode; `key` is set on what a client said, which is stored. */
export interface Message {
  readonly key?: string;
  readonly event: ClientEvent | CompletionEvent;
}

/** What an instance does next: a change of its state that needs no code of the app, or a replay with new events. */
export type Step =
  | { readonly kind: "terminate" | "suspend" | "resume"; readonly messages: readonly Message[] }
  | { readonly kind: "replay"; readonly messages: readonly Message[] };

/** An orchestration that is not finished, as this process knows it: the stored state and what came since. */
export class Instance {
  record: InstanceRecord;
  revision: Revision;
  history: HistoryEvent[];
  /** In order of arrival. */
  inbox: Message[];
  /** What was scheduled and has not ended, with the way to call it off. */
  readonly outstanding = new Map<number, () => void>();
  /** True while an episode runs or waits for its turn. */
  isBusy = false;
  /** Episodes in a row that the store or the worker made fail. */
  failures = 0;
  #seenKeys: Set<string>;

  constructor(stored: StoredInstance) {
    const messages = undelivered(stored);
    this.record = stored.record;
    this.revision = stored.revision;
    this.history = [...stored.history];
    this.inbox = messages;
    this.#seenKeys = new Set(messages.map(({ key }) => key));
  }

  get hasStarted(): boolean {
    return this.history.some((event) => event.EventType === EventType.ExecutionStarted);
  }

  /** Takes a stored message in, unless loading brought it already. */
  receive(message: ClientMessage): void {
    if (this.#seenKeys.has(message.key)) return;
    this.#seenKeys.add(message.key);
    this.inbox.push(message);
  }

  /** Forgets all work and messages, to be followed by `reload`. */
  forget(): void {
    this.callOffAllBut(new Set());
    this.inbox = [];
  }

  /** Takes over what the store has, and keeps what `receive` took while that was being read. */
  reload(stored: StoredInstance): void {
    const received = this.inbox;
    const messages = undelivered(stored);
    this.record = stored.record;
    this.revision = stored.revision;
    this.history = [...stored.history];
    this.inbox = messages;
    this.#seenKeys = new Set(messages.map(({ key }) => key));
    for (const { key, event } of received) {
      if (key !== undefined && !this.#seenKeys.has(key)) this.inbox.push({ key, event });
    }
  }

  callOffTimers(): void {
    for (const callOff of this.outstanding.values()) callOff();
  }

  callOffAllBut(wanted: ReadonlySet<number>): void {
    for (const [id, callOff] of this.outstanding) {
      if (wanted.has(id)) continue;
      callOff();
      this.outstanding.delete(id);
    }
  }

  /**
   * Decides what to do next, undefined for nothing.
   *
   * Termination goes before everything, suspension before other events: what else came waits in the inbox until the
   * instance is resumed.
   */
  nextStep(): Step | undefined {
    const has = (type: number): boolean => this.inbox.some(({ event }) => event.EventType === type);
    const all = (...types: number[]): Message[] => this.inbox.filter(({ event }) => types.includes(event.EventType));
    if (has(EventType.ExecutionTerminated)) {
      return { kind: "terminate", messages: all(EventType.ExecutionTerminated) };
    }
    if (this.record.status === "Suspended") {
      if (!has(EventType.ExecutionResumed)) return undefined;
      return { kind: "resume", messages: all(EventType.ExecutionResumed, EventType.ExecutionSuspended) };
    }
    if (has(EventType.ExecutionSuspended)) return { kind: "suspend", messages: all(EventType.ExecutionSuspended) };
    const messages = this.#firstMessages();
    return messages.length > 0 || !this.hasStarted ? { kind: "replay", messages } : undefined;
  }

  #firstMessages(): Message[] {
    let fromClients = 0;
    const tooMany = this.inbox.findIndex(({ key }) => {
      if (key !== undefined) fromClients += 1;
      return fromClients > MAX_CONSUMED;
    });
    return this.inbox.slice(0, tooMany === -1 ? undefined : tooMany);
  }
}

/** A crash can leave a message behind whose event is in the history already. */
function undelivered(stored: StoredInstance): ClientMessage[] {
  const delivered = new Set(
    stored.history.map((event) => (event.EventType === EventType.EventRaised ? event.MessageKey : undefined)),
  );
  return stored.messages.filter(({ key, startId }) => startId === stored.record.startId && !delivered.has(key));
}
