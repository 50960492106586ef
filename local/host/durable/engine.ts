/**
 * @module
 * Runs durable orchestrations: one episode at a time for each instance, one store write for each episode.
 *
 * An episode gives the orchestrator function the history with what is new, finds out by `replay` what it newly asks
 * for, and commits both. Only after the commit does the asked-for work start and does anyone see the new status. A
 * crash at any moment therefore leaves a history whose outstanding work is simply done again.
 */
import type { DurableHost, FunctionDefinition, HostClock, HostLog, InvocationResponse, Invoker } from "../protocol.ts";
import { KeyedLock, Slots } from "./concurrency.ts";
import { answered, type Episode, failed, incomingEvents, newId, switched, terminated } from "./episode.ts";
import {
  type ClientEvent,
  type CompletionEvent,
  EventType,
  endedTaskId,
  failureDetails,
  type HistoryEvent,
  isScheduled,
  outstandingWork,
  type ScheduledEvent,
  type SubOrchestrationInstanceCreated,
  type TaskScheduled,
} from "./history.ts";
import { DurableHttpApi, type Orchestrations } from "./http-api.ts";
import { Instance, type Message, type Step } from "./instance.ts";
import { activityResult, activityTrigger, orchestrationTrigger } from "./orchestrator-payload.ts";
import { type CallableFunctions, unknownFunction } from "./replay.ts";
import {
  type DurableStore,
  type InstancePage,
  type InstanceQuery,
  type InstanceRecord,
  isFinished,
  type Parent,
  type Revision,
  StoreConflict,
} from "./store.ts";
import { TableStore } from "./table-store.ts";

/**
 * Error name of an execution that ended because its worker process did, or never began. The engine runs such an
 * execution again, as the real host does; every other error is the function's own.
 */
export const WORKER_GONE = "WorkerError";

export interface EngineOptions {
  readonly functions: readonly FunctionDefinition[];
  readonly invoker: Invoker;
  readonly store: DurableStore;
  readonly clock: HostClock;
  readonly log: HostLog;
  readonly limits: { readonly concurrentActivities: number; readonly concurrentOrchestrations: number };
}

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;
const INSTANCES_LOADED_AT_ONCE = 8;

export interface DurableHostOptions extends Omit<EngineOptions, "store"> {
  /** Storage account of the task hub. */
  readonly connectionString: string;
  /** Letters and digits, 3 to 45. */
  readonly taskHubName: string;
  /** Origin of the host as the app and outside callers reach it: scheme, host and port, no slash at the end. */
  readonly baseUrl: () => string;
  /** Key that outside callers of the API show; empty for none. */
  readonly systemKey: () => string;
  /** Instead of tables in the storage account, for tests. */
  readonly store?: DurableStore;
}

/** Makes the durable side of a host; nothing runs before its `start`. */
export function openDurableHost(options: DurableHostOptions): DurableHost {
  const store = options.store ?? new TableStore(options.connectionString, options.taskHubName);
  const engine = new Engine({ ...options, store });
  const api = new DurableHttpApi(engine, options);
  return {
    start: () => engine.open(),
    stop: () => engine.close(),
    clientBinding: () => api.clientBinding(options.baseUrl()),
    handle: (path, request) => api.handle(path, request),
  };
}

export class Engine implements Orchestrations {
  readonly #options: EngineOptions;
  readonly #callable: CallableFunctions;
  /** Every instance that is not finished. */
  readonly #active = new Map<string, Instance>();
  readonly #startLock = new KeyedLock();
  readonly #episodeSlots: Slots;
  readonly #activitySlots: Slots;
  readonly #underWay = new Set<Promise<void>>();
  /** Execution and task ids of the activities that run or wait for their turn. */
  readonly #activitiesUnderWay = new Set<string>();
  /** Ends each pause early. */
  readonly #pauses = new Set<() => void>();
  readonly #finishListeners = new Map<string, Set<() => void>>();
  #lastMessageKey = 0;
  #isStopping = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#callable = {
      activities: namesByTrigger(options.functions, "activityTrigger"),
      orchestrators: namesByTrigger(options.functions, "orchestrationTrigger"),
    };
    this.#episodeSlots = new Slots(options.limits.concurrentOrchestrations);
    this.#activitySlots = new Slots(options.limits.concurrentActivities);
  }

  /** Returns why an orchestrator cannot be started under this name; undefined when it can. */
  refusalOf(name: string): string | undefined {
    const { orchestrators } = this.#callable;
    return orchestrators.has(name.toLowerCase()) ? undefined : unknownFunction(name, "an orchestrator", orchestrators);
  }

  async open(): Promise<void> {
    const { store } = this.#options;
    await store.open();
    const slots = new Slots(INSTANCES_LOADED_AT_ONCE);
    const ids = await store.unfinished();
    await Promise.all(
      ids.map((id) =>
        slots.run(async () => {
          const stored = await store.load(id);
          if (stored !== undefined && !isFinished(stored.record.status)) this.#adopt(new Instance(stored));
        }),
      ),
    );
    for (const instance of this.#active.values()) this.#goOn(instance);
  }

  /** Waits until running work has ended and is recorded, and starts nothing new. */
  async close(): Promise<void> {
    this.#isStopping = true;
    for (const end of [...this.#pauses]) end();
    for (const listeners of [...this.#finishListeners.values()]) for (const listener of [...listeners]) listener();
    for (const instance of this.#active.values()) instance.callOffTimers();
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async find(instanceId: string): Promise<InstanceRecord | undefined> {
    return this.#active.get(instanceId)?.record ?? (await this.#options.store.find(instanceId))?.record;
  }

  async history(instanceId: string): Promise<readonly HistoryEvent[]> {
    return this.#active.get(instanceId)?.history ?? (await this.#options.store.load(instanceId))?.history ?? [];
  }

  list(query: InstanceQuery): Promise<InstancePage> {
    return this.#options.store.list(query);
  }

  /**
   * Stores and starts a new instance.
   *
   * @param input - JSON text, null for none
   * @returns false when an instance with this id is not finished
   */
  async startNew(name: string, instanceId: string, input: string | null, version: string): Promise<boolean> {
    const created = await this.#create({ name, instanceId, input, version, parent: null });
    return created === "created";
  }

  /**
   * Stores an event for an instance, and returns once it cannot be lost any more.
   */
  async send(instanceId: string, event: ClientEvent): Promise<"stored" | "unknown" | "finished"> {
    // An instance that is just being started is waited for.
    const instance =
      this.#active.get(instanceId) ?? (await this.#startLock.run(instanceId, async () => this.#active.get(instanceId)));
    if (instance === undefined) {
      return (await this.#options.store.find(instanceId)) === undefined ? "unknown" : "finished";
    }
    const key = this.#nextMessageKey();
    const keyed = event.EventType === EventType.EventRaised ? { ...event, MessageKey: key } : event;
    const message = { key, startId: instance.record.startId, event: keyed };
    await this.#options.store.addMessage(instanceId, message);
    const live = this.#active.get(instanceId);
    if (live?.record.startId === message.startId) {
      live.receive(message);
      this.#wake(live);
    }
    return "stored";
  }

  /** Removes a finished instance. */
  async purge(instanceId: string): Promise<"purged" | "unknown" | "unfinished"> {
    return this.#startLock.run(instanceId, async () => {
      if (this.#active.has(instanceId)) return "unfinished";
      if ((await this.#options.store.find(instanceId)) === undefined) return "unknown";
      await this.#options.store.purge(instanceId);
      return "purged";
    });
  }

  /** Waits until the instance is finished, but not longer than the timeout. */
  async whenFinished(instanceId: string, timeoutMs: number): Promise<void> {
    if (!this.#active.has(instanceId)) return;
    await new Promise<void>((resolve) => {
      const listeners = this.#finishListeners.get(instanceId) ?? new Set();
      this.#finishListeners.set(instanceId, listeners);
      const done = (): void => {
        callOff();
        listeners.delete(done);
        resolve();
      };
      const callOff = this.#options.clock.callAt(this.#after(timeoutMs), done);
      listeners.add(done);
    });
  }

  timestamp(): string {
    return this.#options.clock.now().toISOString();
  }

  #after(delayMs: number): Date {
    return new Date(this.#options.clock.now().getTime() + delayMs);
  }

  #nextMessageKey(): string {
    const now = this.#options.clock.now().getTime() * 1_000;
    this.#lastMessageKey = Math.max(now, this.#lastMessageKey + 1);
    return String(this.#lastMessageKey).padStart(16, "0");
  }

  async #create(
    start: Pick<InstanceRecord, "name" | "instanceId" | "input" | "version" | "parent">,
  ): Promise<"created" | InstanceRecord> {
    return this.#startLock.run(start.instanceId, async () => {
      const running = this.#active.get(start.instanceId);
      if (running !== undefined) return running.record;
      const { store } = this.#options;
      const now = this.timestamp();
      const executionId = newId();
      let record: InstanceRecord = {
        ...start,
        executionId,
        startId: executionId,
        generation: 0,
        status: "Pending",
        output: null,
        customStatus: null,
        createdAt: now,
        updatedAt: now,
      };
      let revision: Revision;
      try {
        revision = await store.create(record);
      } catch (error) {
        if (!(error instanceof StoreConflict)) throw error;
        const before = await store.find(start.instanceId);
        if (before === undefined) throw error;
        if (before.record.startId === record.startId) {
          // The write had succeeded, only its answer was lost.
          revision = before.revision;
        } else {
          if (!isFinished(before.record.status)) throw error;
          if (start.parent !== null && isSameParent(before.record.parent, start.parent)) return before.record;
          record = { ...record, generation: before.record.generation + 1 };
          revision = await store.create(record, before.revision);
        }
      }
      const instance = new Instance({ record, revision, history: [], messages: [] });
      this.#adopt(instance);
      this.#goOn(instance);
      return "created";
    });
  }

  #adopt(instance: Instance): void {
    this.#active.set(instance.record.instanceId, instance);
    for (const { key } of instance.inbox) {
      if (key !== undefined) this.#lastMessageKey = Math.max(this.#lastMessageKey, Number(key));
    }
  }

  /** Begins everything that is outstanding, and the next episode if there is reason for one. */
  #goOn(instance: Instance): void {
    for (const scheduled of outstandingWork(instance.history)) this.#begin(instance, scheduled);
    this.#wake(instance);
  }

  #begin(instance: Instance, scheduled: ScheduledEvent): void {
    const id = scheduled.EventId;
    instance.outstanding.set(id, () => {});
    if (this.#isStopping) return;
    switch (scheduled.EventType) {
      case EventType.TaskScheduled:
        this.#track(this.#runActivity(instance, scheduled));
        break;
      case EventType.SubOrchestrationInstanceCreated:
        this.#track(this.#beginChild(instance, scheduled));
        break;
      case EventType.TimerCreated: {
        const { executionId } = instance.record;
        const fire = (): void =>
          this.#deliver(instance, executionId, {
            ...this.#completion(EventType.TimerFired),
            TimerId: id,
            FireAt: scheduled.FireAt,
          });
        instance.outstanding.set(id, this.#options.clock.callAt(new Date(scheduled.FireAt), fire));
        break;
      }
    }
  }

  /**
   * Runs an activity until it has an end of its own; never twice at once, whatever happens to the instance meanwhile.
   */
  async #runActivity(instance: Instance, scheduled: TaskScheduled): Promise<void> {
    const { executionId, instanceId } = instance.record;
    const id = scheduled.EventId;
    const key = `${executionId}:${id}`;
    if (this.#activitiesUnderWay.has(key)) return;
    this.#activitiesUnderWay.add(key);
    try {
      for (;;) {
        const response = await this.#activitySlots.run(async () => {
          const isWanted = this.#isOutstanding(instance, executionId, id) && !this.#isStopping;
          return isWanted ? this.#invokeActivity(instanceId, scheduled) : undefined;
        });
        if (response === undefined) return;
        if (!isWorkerGone(response)) {
          this.#deliver(instance, executionId, this.#activityEnd(scheduled, response));
          return;
        }
        await this.#pause(FIRST_RETRY_MS);
      }
    } finally {
      this.#activitiesUnderWay.delete(key);
    }
  }

  #activityEnd({ EventId, Name }: TaskScheduled, response: InvocationResponse): CompletionEvent {
    if (response.ok) {
      const Result = activityResult(response.returnValue);
      return { ...this.#completion(EventType.TaskCompleted), TaskScheduledId: EventId, Result };
    }
    const { message } = response.error;
    const Reason = `Activity function '${Name}' failed:  ${message}`;
    return {
      ...this.#completion(EventType.TaskFailed),
      TaskScheduledId: EventId,
      Reason,
      Details: failureDetails(message),
    };
  }

  async #invokeActivity(instanceId: string, scheduled: TaskScheduled): Promise<InvocationResponse> {
    const name = this.#callable.activities.get(scheduled.Name.toLowerCase());
    if (name === undefined) {
      return refused(unknownFunction(scheduled.Name, "an activity", this.#callable.activities));
    }
    const triggerData = activityTrigger(scheduled.Input);
    const triggerMetadata = {
      instanceId: { string: instanceId },
      ...(triggerData.string === undefined ? {} : { data: { json: triggerData.string } }),
    };
    return this.#options.invoker.invoke(name, { triggerData, triggerMetadata }).catch(workerGone);
  }

  /** Creates a child unless an earlier process did, and takes note of its end if it has one already. */
  async #beginChild(parent: Instance, scheduled: SubOrchestrationInstanceCreated): Promise<void> {
    const { executionId, instanceId, name } = parent.record;
    const link: Parent = { instanceId, executionId, name, taskId: scheduled.EventId };
    const { InstanceId, Input, Name, Version } = scheduled;
    const start = { name: Name, instanceId: InstanceId, input: Input, version: Version, parent: link };
    let child: "created" | InstanceRecord | undefined;
    while (child === undefined && !this.#isStopping) {
      child = await this.#create(start).catch((error: unknown) => {
        this.#options.log.warn(`the sub-orchestration '${InstanceId}' could not be stored: ${messageOf(error)}`);
        return undefined;
      });
      if (child === undefined) await this.#pause(FIRST_RETRY_MS);
    }
    if (child === undefined || child === "created") return;
    if (isSameParent(child.parent, link)) {
      if (isFinished(child.status)) this.#tellParent(child);
      return;
    }
    const Reason = `An Orchestration instance with the status ${child.status} already exists.`;
    this.#deliver(parent, executionId, {
      ...this.#completion(EventType.SubOrchestrationInstanceFailed),
      TaskScheduledId: scheduled.EventId,
      Reason,
      Details: failureDetails(Reason),
    });
  }

  #tellParent(child: InstanceRecord): void {
    if (child.parent === null) return;
    const parent = this.#active.get(child.parent.instanceId);
    if (parent === undefined) return;
    const TaskScheduledId = child.parent.taskId;
    const Reason = child.output ?? "";
    this.#deliver(
      parent,
      child.parent.executionId,
      child.status === "Completed"
        ? {
            ...this.#completion(EventType.SubOrchestrationInstanceCompleted),
            TaskScheduledId,
            Result: child.output,
          }
        : {
            ...this.#completion(EventType.SubOrchestrationInstanceFailed),
            TaskScheduledId,
            Reason,
            Details: failureDetails(Reason),
          },
    );
  }

  #completion<Type extends CompletionEvent["EventType"]>(type: Type) {
    return { EventType: type, EventId: -1, Timestamp: this.timestamp() };
  }

  /** Takes a completion in, once, and only while someone waits for it. */
  #deliver(instance: Instance, executionId: string, event: CompletionEvent): void {
    const id = endedTaskId(event);
    if (id === undefined || !this.#isOutstanding(instance, executionId, id)) return;
    instance.outstanding.delete(id);
    instance.inbox.push({ event });
    this.#wake(instance);
  }

  #isOutstanding(instance: Instance, executionId: string, id: number): boolean {
    const { record, outstanding } = instance;
    return (
      this.#active.get(record.instanceId) === instance && record.executionId === executionId && outstanding.has(id)
    );
  }

  #wake(instance: Instance): void {
    if (instance.isBusy || instance.nextStep() === undefined) return;
    if (this.#isStopping && instance.inbox.length === 0) return;
    instance.isBusy = true;
    this.#track(this.#episodeSlots.run(() => this.#runEpisode(instance)));
  }

  async #runEpisode(instance: Instance): Promise<void> {
    // One turn of the event loop, so that completions which are arriving together share an episode.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const step = instance.nextStep();
    try {
      if (step !== undefined) await this.#take(instance, step);
      instance.failures = 0;
    } catch (error) {
      this.#track(this.#recover(instance, error));
      return;
    }
    instance.isBusy = false;
    if (this.#active.get(instance.record.instanceId) === instance) this.#wake(instance);
  }

  async #take(instance: Instance, step: Step): Promise<void> {
    const { record } = instance;
    // Time never goes back for an orchestrator, whatever the clock does.
    const at = laterOf(this.timestamp(), record.updatedAt);
    const events = step.messages.map(({ event }) => event);
    switch (step.kind) {
      case "terminate": {
        const event = events.find((candidate) => candidate.EventType === EventType.ExecutionTerminated);
        if (event !== undefined) await this.#commit(instance, step.messages, terminated(record, event, at));
        break;
      }
      case "suspend":
        await this.#commit(instance, step.messages, switched(record, "Suspended", events.slice(0, 1), at));
        break;
      case "resume":
        await this.#commit(instance, step.messages, switched(record, "Running", events.slice(0, 1), at));
        break;
      case "replay":
        await this.#commit(instance, step.messages, await this.#replay(instance, step.messages, at));
        break;
    }
  }

  async #replay(instance: Instance, messages: readonly Message[], at: string): Promise<Episode> {
    const { history, record } = instance;
    const incoming = incomingEvents(instance, messages, at);
    const name = this.#callable.orchestrators.get(record.name.toLowerCase());
    if (name === undefined) {
      return failed(
        record,
        incoming,
        unknownFunction(record.name, "an orchestrator", this.#callable.orchestrators),
        at,
      );
    }
    const trigger = { ...record, parentInstanceId: record.parent?.instanceId ?? null };
    const triggerData = orchestrationTrigger(trigger, [...history, ...incoming], incoming.length);
    const response = await this.#options.invoker.invoke(name, { triggerData }).catch(workerGone);
    if (isWorkerGone(response)) throw new WorkerGone(response.error.message);
    return answered(record, history, incoming, response, this.#callable, at);
  }

  async #commit(instance: Instance, messages: readonly Message[], episode: Episode): Promise<void> {
    const { carried, newEvents, open, record } = episode;
    const carriedKeys = new Set(carried.map(({ key }) => key));
    const consumed = messages.flatMap(({ key }) => (key === undefined || carriedKeys.has(key) ? [] : [key]));
    const revision = await this.#options.store.commit({
      revision: instance.revision,
      record,
      newEvents,
      consumed,
      kept: carried,
    });

    const taken = new Set(messages);
    if (record.generation !== instance.record.generation) instance.history = [];
    instance.revision = revision;
    instance.record = record;
    instance.inbox = [...carried, ...instance.inbox.filter((message) => !taken.has(message))];
    instance.history.push(...newEvents);
    if (open !== undefined) instance.callOffAllBut(open);
    if (isFinished(record.status)) {
      this.#finish(instance);
      return;
    }
    for (const scheduled of newEvents.filter(isScheduled)) {
      if (open?.has(scheduled.EventId)) this.#begin(instance, scheduled);
    }
  }

  #finish({ record }: Instance): void {
    this.#active.delete(record.instanceId);
    if (record.status === "Failed") {
      this.#options.log.error(`orchestration '${record.name}' (${record.instanceId}) failed: ${record.output}`);
    }
    this.#tellParent(record);
    for (const listener of this.#finishListeners.get(record.instanceId) ?? []) listener();
    this.#finishListeners.delete(record.instanceId);
  }

  /**
   * Tries an episode again that could not be done or not be stored, after a pause that grows. When it was the store
   * that failed, nobody knows whether the episode is stored; then the instance goes back to what the store has.
   */
  async #recover(instance: Instance, error: unknown): Promise<void> {
    const { instanceId, name } = instance.record;
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** instance.failures, MAX_RETRY_MS);
    instance.failures += 1;
    this.#options.log.warn(
      `an episode of '${name}' (${instanceId}) did not succeed, trying again in ${delayMs} ms: ${messageOf(error)}`,
    );
    await this.#pause(delayMs);
    if (this.#isStopping) return;
    if (error instanceof WorkerGone) {
      instance.isBusy = false;
      this.#wake(instance);
    } else {
      await this.#reload(instance);
    }
  }

  async #reload(instance: Instance): Promise<void> {
    instance.forget();
    try {
      const stored = await this.#options.store.load(instance.record.instanceId);
      if (stored === undefined) throw new Error("the instance is not in the store");
      instance.reload(stored);
    } catch (error) {
      return this.#recover(instance, error);
    }
    instance.isBusy = false;
    if (isFinished(instance.record.status)) this.#finish(instance);
    else this.#goOn(instance);
  }

  /** Waits, but not longer than until the engine stops. */
  async #pause(delayMs: number): Promise<void> {
    if (this.#isStopping) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        callOff();
        this.#pauses.delete(end);
        resolve();
      };
      const callOff = this.#options.clock.callAt(this.#after(delayMs), end);
      this.#pauses.add(end);
    });
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#options.log.error(`durable engine: ${messageOf(error)}`))
      .finally(() => this.#underWay.delete(tracked));
    this.#underWay.add(tracked);
  }
}

function namesByTrigger(functions: readonly FunctionDefinition[], trigger: string): Map<string, string> {
  const named = functions.filter((definition) => definition.trigger.type === trigger);
  return new Map(named.map(({ name }) => [name.toLowerCase(), name]));
}

function isSameParent(one: Parent | null, other: Parent): boolean {
  return (
    one !== null &&
    one.instanceId === other.instanceId &&
    one.executionId === other.executionId &&
    one.taskId === other.taskId
  );
}

function isWorkerGone(response: InvocationResponse): response is InvocationResponse & { ok: false } {
  return !response.ok && response.error.name === WORKER_GONE;
}

/** The worker died while it ran an orchestrator; nothing has changed. */
class WorkerGone extends Error {}

function workerGone(error: unknown): InvocationResponse {
  return { ok: false, error: { name: WORKER_GONE, message: messageOf(error), stack: "" } };
}

function refused(message: string): InvocationResponse {
  return { ok: false, error: { name: "Error", message, stack: "" } };
}

function laterOf(one: string, other: string): string {
  return one > other ? one : other;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
