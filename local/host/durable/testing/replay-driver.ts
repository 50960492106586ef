import { scheduledEvent } from "../episode.ts";
import { EventType, endedTaskId, type HistoryEvent, isScheduled, type ScheduledEvent } from "../history.ts";
import { orchestrationTrigger } from "../orchestrator-payload.ts";
import { type CallableFunctions, type Command, type ReplayOutcome, replay } from "../replay.ts";
import { type LibraryOrchestrator, libraryOrchestrator, type OrchestratorBody, stateOf } from "./scripted-app.ts";

const INSTANCE = { name: "main", instanceId: "instance", executionId: "execution", parentInstanceId: null };

export const FUNCTIONS: CallableFunctions = {
  activities: new Map([
    ["work", "work"],
    ["other", "other"],
  ]),
  orchestrators: new Map([["child", "child"]]),
};

/** Plays the host around one orchestrator, in memory and by hand: history, replay, and nothing else. */
export class ReplayDriver {
  history: HistoryEvent[] = [];
  outcome: ReplayOutcome = { kind: "running" };
  open: ReadonlySet<number> = new Set();
  /** Every command of every episode. */
  readonly commands: Command[] = [];
  #nowMs = Date.parse("2026-01-01T00:00:00.000Z");
  #orchestrator: LibraryOrchestrator;
  #raised = 0;

  constructor(body: OrchestratorBody) {
    this.#orchestrator = libraryOrchestrator(body);
  }

  /** Goes on with other code, as after a deployment. */
  deploy(body: OrchestratorBody): void {
    this.#orchestrator = libraryOrchestrator(body);
  }

  /** What was started and has not ended; cancelled timers are not among it. */
  get pending(): ScheduledEvent[] {
    const ended = new Set(this.history.map(endedTaskId));
    return this.history.filter(isScheduled).filter(({ EventId }) => !ended.has(EventId) && this.open.has(EventId));
  }

  get #timestamp(): string {
    return new Date(this.#nowMs).toISOString();
  }

  completed(scheduled: ScheduledEvent, result: unknown): HistoryEvent {
    const base = { EventId: -1, Timestamp: this.#timestamp };
    const TaskScheduledId = scheduled.EventId;
    switch (scheduled.EventType) {
      case EventType.TaskScheduled:
        return { ...base, EventType: EventType.TaskCompleted, TaskScheduledId, Result: JSON.stringify(result) };
      case EventType.SubOrchestrationInstanceCreated:
        return {
          ...base,
          EventType: EventType.SubOrchestrationInstanceCompleted,
          TaskScheduledId,
          Result: JSON.stringify(result),
        };
      case EventType.TimerCreated:
        // Whole seconds, so that the milliseconds of a timer are its own.
        this.#nowMs = Math.max(this.#nowMs, Math.ceil(Date.parse(scheduled.FireAt) / 1_000) * 1_000);
        return { ...base, EventType: EventType.TimerFired, TimerId: scheduled.EventId, FireAt: scheduled.FireAt };
    }
  }

  failed(scheduled: ScheduledEvent, Reason: string): HistoryEvent {
    const type =
      scheduled.EventType === EventType.TaskScheduled ? EventType.TaskFailed : EventType.SubOrchestrationInstanceFailed;
    const base = { EventId: -1, Timestamp: this.#timestamp };
    return { ...base, EventType: type, TaskScheduledId: scheduled.EventId, Reason, Details: "" };
  }

  raised(Name: string, value: unknown): HistoryEvent {
    this.#raised += 1;
    return {
      EventType: EventType.EventRaised,
      EventId: -1,
      Timestamp: this.#timestamp,
      Name,
      Input: JSON.stringify(value),
      MessageKey: String(this.#raised),
    };
  }

  /** Runs one episode with these new events, and once more to see that it comes out the same. */
  async episode(events: readonly HistoryEvent[]): Promise<readonly Command[]> {
    const at = this.#timestamp;
    const isFirst = this.history.length === 0;
    const incoming: HistoryEvent[] = [
      { EventType: EventType.OrchestratorStarted, EventId: -1, Timestamp: at },
      ...(isFirst ? [executionStarted(at)] : []),
      ...events,
    ];
    const history = [...this.history, ...incoming];
    const once = await this.#replay(history, incoming.length);
    const again = await this.#replay(history, incoming.length);
    if (JSON.stringify(once) !== JSON.stringify(again)) throw new Error("the same history was replayed differently");

    const { commands, open, outcome } = once;
    this.outcome = outcome;
    this.open = open;
    this.commands.push(...commands);
    this.history = [
      ...history,
      ...commands.map((command) => scheduledEvent(command, at)),
      { EventType: EventType.OrchestratorCompleted, EventId: -1, Timestamp: at },
    ];
    return commands;
  }

  async #replay(history: readonly HistoryEvent[], newEvents: number) {
    const trigger = orchestrationTrigger({ ...INSTANCE, input: null }, history, newEvents);
    const state = await stateOf(this.#orchestrator, JSON.parse(trigger.string ?? ""));
    return replay(INSTANCE, history, state, FUNCTIONS);
  }
}

function executionStarted(at: string): HistoryEvent {
  return {
    EventType: EventType.ExecutionStarted,
    EventId: -1,
    Timestamp: at,
    OrchestrationInstance: { InstanceId: INSTANCE.instanceId, ExecutionId: INSTANCE.executionId },
    ParentInstance: null,
    Name: INSTANCE.name,
    Version: "",
    Input: null,
    Generation: 0,
  };
}
