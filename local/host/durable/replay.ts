/**
 * @module
 * Finds out what an orchestrator newly asks for.
 *
 * The function answers each episode with everything it ever asked for, one action per yield, without ids. The Durable
 * Task Framework learns what is new by carrying the actions out again over the history; so does this module, as a pure
 * function:
 *
 * - Actions are awaited one after the other. A compound action starts its children from left to right.
 * - Activities, timers and sub-orchestrations take one sequence id when they start; external events take none. A
 *   retried call takes one for each attempt and one for the timer after each failed attempt, the last one included.
 * - "All" ends when every child ended, failed or not; "any" when the first did. What an action ends with does not
 *   matter: errors are the function's own business.
 * - A timer further away than six days is cut into pieces of three.
 * - A cancelled timer takes an id and is over at once, also in later replays.
 * - An orchestration is not finished while anything that it started is open.
 *
 * What the history says was scheduled must be what this replay schedules under the same id; if not, the orchestrator's
 * code is not deterministic.
 *
 * The library in the app numbers its tasks by the same rules. Three habits of orchestrators bring the two out of step,
 * on the real host too: to start a task in one `Task.any` and wait for it in another (the action comes twice, so it is
 * started twice), to go on after a failed `Task.all` or a won `Task.any` while a retried call of it still has attempts
 * to make, and to cancel a long timer after its first piece.
 */
import { type EventRaised, EventType, endedTaskId, type HistoryEvent, type ScheduledEvent } from "./history.ts";
import type { Action, OrchestratorState, RetryPolicy } from "./orchestrator-payload.ts";

/** Work that a replay started and the history does not have yet; `id` is its sequence id. */
export type Command =
  | { readonly kind: "activity"; readonly id: number; readonly name: string; readonly input: string }
  | { readonly kind: "timer"; readonly id: number; readonly fireAt: string }
  | {
      readonly kind: "subOrchestration";
      readonly id: number;
      readonly name: string;
      readonly version: string;
      readonly instanceId: string;
      readonly input: string;
    };

export type ReplayOutcome =
  | { readonly kind: "running" }
  /** `output` is JSON text, null for none. */
  | { readonly kind: "completed"; readonly output: string | null }
  | { readonly kind: "failed"; readonly message: string }
  /** `carried` are events that came after the orchestrator had decided to start over: they belong to the next run. */
  | { readonly kind: "continuedAsNew"; readonly input: string; readonly carried: readonly EventRaised[] };

export interface Replay {
  readonly outcome: ReplayOutcome;
  /** In the order of their ids. */
  readonly commands: readonly Command[];
  /** Ids of what is started and not over; a cancelled timer is over. */
  readonly open: ReadonlySet<number>;
}

/** What the interpreter must know about the instance besides its history. */
export interface ReplayedInstance {
  readonly name: string;
  readonly instanceId: string;
  readonly executionId: string;
  readonly parentInstanceId: string | null;
}

/**
 * The functions that an orchestrator may call: registered names by their lower-case form, since case does not count.
 */
export interface CallableFunctions {
  readonly activities: ReadonlyMap<string, string>;
  readonly orchestrators: ReadonlyMap<string, string>;
}

/**
 * Replays the orchestrator's actions over the history.
 *
 * @param history - from the first event to the last new one, this episode's `OrchestratorStarted` included
 */
export function replay(
  instance: ReplayedInstance,
  history: readonly HistoryEvent[],
  state: OrchestratorState,
  functions: CallableFunctions,
): Replay {
  const run = new Run(instance, state, functions);
  try {
    for (const event of history) run.handle(event);
    return { outcome: run.outcome(), commands: run.commands(), open: run.open() };
  } catch (error) {
    if (!(error instanceof OrchestrationFault)) throw error;
    return { outcome: { kind: "failed", message: error.message }, commands: [], open: new Set() };
  }
}

/** Ends the orchestration as failed, whatever its code would do. */
class OrchestrationFault extends Error {}

const DAY_MS = 86_400_000;
const MAX_SHORT_TIMER_MS = 6 * DAY_MS;
const LONG_TIMER_PIECE_MS = 3 * DAY_MS;

const ActionType = {
  CallActivity: 0,
  CallActivityWithRetry: 1,
  CallSubOrchestrator: 2,
  CallSubOrchestratorWithRetry: 3,
  ContinueAsNew: 4,
  CreateTimer: 5,
  WaitForExternalEvent: 6,
  WhenAny: 11,
  WhenAll: 12,
} as const;

const REFUSED_ACTIONS: Readonly<Record<number, string>> = {
  7: "callEntity",
  8: "callHttp",
  9: "signalEntity",
  10: "signalEntity",
  13: "lock",
  14: "lock release",
};

/** Something that ends once; listeners run at once, in the order they came, as the framework's continuations do. */
class Task {
  ended = false;
  failed = false;
  readonly #listeners: (() => void)[] = [];

  end(failed: boolean): void {
    if (this.ended) return;
    this.ended = true;
    this.failed = failed;
    for (const listener of this.#listeners.splice(0)) listener();
  }

  whenEnded(listener: () => void): void {
    if (this.ended) listener();
    else this.#listeners.push(listener);
  }
}

class Run {
  readonly #instance: ReplayedInstance;
  readonly #state: OrchestratorState;
  readonly #functions: CallableFunctions;
  #nowMs = 0;
  #nextId = 0;
  /** Started in this replay, and not yet met in the history. */
  readonly #unmet = new Map<number, Command>();
  readonly #open = new Map<number, Task>();
  /** Waits by event name; the latest wait gets the next event. */
  readonly #waits = new Map<string, Task[]>();
  /** Events by name that came before anyone waited. */
  readonly #buffered = new Map<string, number>();
  #reachedEnd = false;
  #nextInput: string | undefined;
  readonly #carried: EventRaised[] = [];

  constructor(instance: ReplayedInstance, state: OrchestratorState, functions: CallableFunctions) {
    this.#instance = instance;
    this.#state = state;
    this.#functions = functions;
  }

  handle(event: HistoryEvent): void {
    switch (event.EventType) {
      case EventType.OrchestratorStarted:
        this.#nowMs = Date.parse(event.Timestamp);
        break;
      case EventType.ExecutionStarted:
        this.#runFrom(0);
        break;
      case EventType.TaskScheduled:
      case EventType.SubOrchestrationInstanceCreated:
      case EventType.TimerCreated:
        this.#meet(event);
        break;
      case EventType.EventRaised:
        if (this.#nextInput === undefined) this.#raise(event.Name);
        else this.#carried.push(event);
        break;
      default: {
        const id = endedTaskId(event);
        if (id === undefined) break;
        const task = this.#open.get(id);
        this.#open.delete(id);
        task?.end(
          event.EventType === EventType.TaskFailed || event.EventType === EventType.SubOrchestrationInstanceFailed,
        );
      }
    }
  }

  outcome(): ReplayOutcome {
    if (!this.#reachedEnd || this.#open.size > 0) return { kind: "running" };
    const { error, isDone, output } = this.#state;
    if (error !== undefined) return { kind: "failed", message: this.#failure(error) };
    if (!isDone) return { kind: "running" };
    if (this.#nextInput !== undefined) {
      return { kind: "continuedAsNew", input: this.#nextInput, carried: this.#carried };
    }
    return { kind: "completed", output: output === undefined || output === null ? null : JSON.stringify(output) };
  }

  commands(): Command[] {
    return [...this.#unmet.values()];
  }

  open(): Set<number> {
    return new Set(this.#open.keys());
  }

  #runFrom(first: number): void {
    const { actions } = this.#state;
    let next = first;
    for (let action = actions[next]; action !== undefined; action = actions[next]) {
      const task = this.#start(action);
      next += 1;
      if (!task.ended) {
        task.whenEnded(() => this.#runFrom(next));
        return;
      }
    }
    this.#reachedEnd = true;
  }

  #start(action: Action): Task {
    switch (action.actionType) {
      case ActionType.CallActivity:
        return this.#callActivity(action);
      case ActionType.CallActivityWithRetry:
        return this.#retry(action, () => this.#callActivity(action));
      case ActionType.CallSubOrchestrator:
        return this.#callSubOrchestrator(action);
      case ActionType.CallSubOrchestratorWithRetry:
        return this.#retry(action, () => this.#callSubOrchestrator(action));
      case ActionType.CreateTimer:
        return this.#createTimer(Date.parse(action.fireAt ?? ""), action.isCanceled === true);
      case ActionType.WaitForExternalEvent:
        return this.#wait(action.externalEventName ?? "");
      case ActionType.WhenAll:
        return whenAll((action.compoundActions ?? []).map((child) => this.#start(child)));
      case ActionType.WhenAny:
        return whenAny((action.compoundActions ?? []).map((child) => this.#start(child)));
      case ActionType.ContinueAsNew: {
        this.#nextInput = JSON.stringify(action.input ?? null);
        return whenAll([]);
      }
      default: {
        const name = REFUSED_ACTIONS[action.actionType] ?? `action type ${action.actionType}`;
        throw this.#fault(`the embedded host does not support ${name}, use Azure Functions Core Tools`);
      }
    }
  }

  #callActivity(action: Action): Task {
    const name = this.#known(action, this.#functions.activities, "an activity");
    return this.#schedule((id) => ({ kind: "activity", id, name, input: JSON.stringify([action.input ?? null]) }));
  }

  #callSubOrchestrator(action: Action): Task {
    const name = this.#known(action, this.#functions.orchestrators, "an orchestrator");
    if (action.instanceId === this.#instance.instanceId || action.instanceId === this.#instance.parentInstanceId) {
      throw this.#fault(
        "The instance ID of a sub-orchestration must be different than the instance ID of a parent orchestration.",
      );
    }
    if (action.instanceId?.startsWith("@")) throw this.#fault("Orchestration instance ids must not start with @");
    return this.#schedule((id) => ({
      kind: "subOrchestration",
      id,
      name,
      version: action.version ?? "",
      instanceId: action.instanceId || `${this.#instance.executionId}:${id}`,
      input: JSON.stringify(action.input ?? null),
    }));
  }

  #retry(action: Action, attempt: () => Task): Task {
    const policy = action.retryOptions;
    if (policy === undefined) throw this.#fault(`the retry options of '${action.functionName}' are missing`);
    if (policy.retryTimeoutInMilliseconds !== undefined) {
      throw this.#fault("retryTimeoutInMilliseconds hangs an orchestration on the real host; leave it out");
    }
    const task = new Task();
    const tryOnce = (number: number): void => {
      const call = attempt();
      call.whenEnded(() => {
        if (!call.failed) return task.end(false);
        // After the last attempt the timer fires at once: the library waits for it before it gives the error.
        const isLast = number >= policy.maxNumberOfAttempts;
        const delayMs = isLast ? 0 : retryDelayMs(policy, number);
        const timer = this.#scheduleTimer(this.#nowMs + delayMs);
        timer.whenEnded(() => (isLast ? task.end(true) : tryOnce(number + 1)));
      });
    };
    tryOnce(1);
    return task;
  }

  #createTimer(fireAtMs: number, isCancelled: boolean): Task {
    if (Number.isNaN(fireAtMs)) throw this.#fault("a timer was created with an invalid date");
    const isLong = fireAtMs - this.#nowMs > MAX_SHORT_TIMER_MS;
    if (isCancelled) {
      const task = this.#scheduleTimer(isLong ? this.#nowMs + LONG_TIMER_PIECE_MS : fireAtMs);
      this.#open.delete(this.#nextId - 1);
      task.end(true);
      return task;
    }
    if (!isLong) return this.#scheduleTimer(fireAtMs);
    const task = new Task();
    const addPiece = (pieceMs: number): void => {
      this.#scheduleTimer(this.#nowMs + pieceMs).whenEnded(() => {
        const remainingMs = fireAtMs - this.#nowMs;
        if (remainingMs <= 0) task.end(false);
        else addPiece(Math.min(remainingMs, LONG_TIMER_PIECE_MS));
      });
    };
    addPiece(LONG_TIMER_PIECE_MS);
    return task;
  }

  #scheduleTimer(fireAtMs: number): Task {
    return this.#schedule((id) => ({ kind: "timer", id, fireAt: new Date(fireAtMs).toISOString() }));
  }

  #schedule(command: (id: number) => Command): Task {
    const id = this.#nextId++;
    const task = new Task();
    this.#unmet.set(id, command(id));
    this.#open.set(id, task);
    return task;
  }

  #wait(name: string): Task {
    const task = new Task();
    const waits = this.#waits.get(name) ?? [];
    waits.push(task);
    this.#waits.set(name, waits);
    const buffered = this.#buffered.get(name) ?? 0;
    if (buffered > 0) {
      this.#buffered.set(name, buffered - 1);
      this.#raise(name);
    }
    return task;
  }

  #raise(name: string): void {
    const task = this.#waits.get(name)?.pop();
    if (task === undefined) this.#buffered.set(name, (this.#buffered.get(name) ?? 0) + 1);
    else task.end(false);
  }

  /** Checks a scheduled event of the history against what this replay scheduled under its id. */
  #meet(met: ScheduledEvent): void {
    const replayed = this.#unmet.get(met.EventId);
    if (replayed === undefined || !isSameTask(met, replayed)) throw nonDeterministic(met, replayed);
    this.#unmet.delete(met.EventId);
  }

  #known(action: Action, known: ReadonlyMap<string, string>, what: string): string {
    const name = action.functionName ?? "";
    if (!known.has(name.toLowerCase())) throw this.#fault(unknownFunction(name, what, known));
    return name;
  }

  #fault(message: string): OrchestrationFault {
    return new OrchestrationFault(this.#failure(message));
  }

  #failure(message: string): string {
    return `Orchestrator function '${this.#instance.name}' failed: ${message}`;
  }
}

/** The extension's words for a name that is not registered as what it is called as. */
export function unknownFunction(name: string, what: string, known: ReadonlyMap<string, string>): string {
  const kind = what.replace(/^an? /, "");
  const info =
    known.size === 0
      ? `No ${kind} functions are currently registered!`
      : `The following are the known ${kind} functions: '${[...known.values()].join("', '")}'.`;
  return `The function '${name}' doesn't exist, is disabled, or is not ${what} function. Additional info: ${info}`;
}

function isSameTask(met: ScheduledEvent, replayed: Command): boolean {
  switch (met.EventType) {
    case EventType.TaskScheduled:
      return replayed.kind === "activity" && isSameName(met.Name, replayed.name);
    case EventType.SubOrchestrationInstanceCreated:
      return replayed.kind === "subOrchestration" && isSameName(met.Name, replayed.name);
    case EventType.TimerCreated:
      return replayed.kind === "timer";
  }
}

function isSameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

const FRAMEWORK_NAMES: Readonly<Record<Command["kind"], string>> = {
  activity: "ScheduleTaskOrchestratorAction",
  timer: "CreateTimerOrchestratorAction",
  subOrchestration: "CreateSubOrchestrationAction",
};

/** Says in the framework's own words how this replay differs from what the history has. */
function nonDeterministic(met: ScheduledEvent, replayed: Command | undefined): OrchestrationFault {
  const before = "Non-Deterministic workflow detected: A previous execution of this orchestration scheduled";
  const question = "Was a change made to the orchestrator code after this instance had already started running?";
  return new OrchestrationFault(`${before} ${difference(met, replayed)} ${question}`);
}

function difference(met: ScheduledEvent, replayed: Command | undefined): string {
  const id = met.EventId;
  const notScheduled = "but the current replay execution hasn't (yet?) scheduled this task.";
  const instead = "but the current orchestration replay instead";
  const produced = replayed === undefined ? "" : `${instead} produced a ${FRAMEWORK_NAMES[replayed.kind]} action`;
  switch (met.EventType) {
    case EventType.TaskScheduled: {
      if (replayed === undefined) {
        return `an activity task with sequence ID ${id} and name '${met.Name}' (version '${met.Version}'), ${notScheduled}`;
      }
      const task = `an activity task with sequence number ${id} named '${met.Name}'`;
      return replayed.kind === "activity"
        ? `${task}, ${instead} scheduled an activity task named '${replayed.name}' with this sequence number. `
        : `${task}, ${produced} with this sequence number.`;
    }
    case EventType.SubOrchestrationInstanceCreated: {
      const task = `a sub-orchestration task with sequence ID ${id} and name '${met.Name}' (version '${met.Version}', instance ID '${met.InstanceId}')`;
      if (replayed === undefined) return `${task}, ${notScheduled}`;
      return replayed.kind === "subOrchestration"
        ? `${task}, ${instead} scheduled a sub-orchestration task with name ${replayed.name} at this sequence number.`
        : `${task}, ${produced} at this sequence number.`;
    }
    case EventType.TimerCreated:
      return replayed === undefined
        ? `a timer task with sequence number ${id} ${notScheduled}`
        : `a timer task with sequence number ${id} named ${produced} with this sequence number.`;
  }
}

/** The pause after the attempt with this number, the first being 1. */
function retryDelayMs(policy: RetryPolicy, attempt: number): number {
  const grown = policy.firstRetryIntervalInMilliseconds * (policy.backoffCoefficient ?? 1) ** (attempt - 1);
  return Math.min(grown, policy.maxRetryIntervalInMilliseconds ?? MAX_SHORT_TIMER_MS);
}

function whenAll(children: readonly Task[]): Task {
  const all = new Task();
  let missing = children.length;
  for (const child of children) {
    child.whenEnded(() => {
      missing -= 1;
      if (missing === 0) all.end(children.some(({ failed }) => failed));
    });
  }
  if (missing === 0) all.end(false);
  return all;
}

function whenAny(children: readonly Task[]): Task {
  const any = new Task();
  for (const child of children) child.whenEnded(() => any.end(child.failed));
  return any;
}
