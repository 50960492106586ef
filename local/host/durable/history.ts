/**
 * @module
 * The history of one orchestration, event by event, in the JSON that the Durable Functions extension sends to its
 * language workers. Names and numbers are Microsoft's: the library in the app reads these very objects.
 */

export const EventType = {
  ExecutionStarted: 0,
  ExecutionCompleted: 1,
  ExecutionTerminated: 3,
  TaskScheduled: 4,
  TaskCompleted: 5,
  TaskFailed: 6,
  SubOrchestrationInstanceCreated: 7,
  SubOrchestrationInstanceCompleted: 8,
  SubOrchestrationInstanceFailed: 9,
  TimerCreated: 10,
  TimerFired: 11,
  OrchestratorStarted: 12,
  OrchestratorCompleted: 13,
  EventRaised: 15,
  ExecutionSuspended: 19,
  ExecutionResumed: 20,
} as const;

/** `EventId` is the sequence id of what the orchestrator scheduled, and -1 for everything else. */
interface Event<Type extends number> {
  readonly EventType: Type;
  readonly EventId: number;
  /** ISO 8601 UTC, milliseconds. */
  readonly Timestamp: string;
}

export type OrchestratorStarted = Event<typeof EventType.OrchestratorStarted>;
export type OrchestratorCompleted = Event<typeof EventType.OrchestratorCompleted>;

export interface ExecutionStarted extends Event<typeof EventType.ExecutionStarted> {
  readonly OrchestrationInstance: { readonly InstanceId: string; readonly ExecutionId: string };
  readonly ParentInstance: {
    readonly Name: string;
    readonly OrchestrationInstance: { readonly InstanceId: string; readonly ExecutionId: string };
    readonly TaskScheduleId: number;
  } | null;
  readonly Name: string;
  readonly Version: string;
  /** JSON text, or null for no input. */
  readonly Input: string | null;
  readonly Generation: number;
}

export interface ExecutionCompleted extends Event<typeof EventType.ExecutionCompleted> {
  /** 1 completed, 3 failed. */
  readonly OrchestrationStatus: 1 | 3;
  readonly Result: string | null;
}

export interface ExecutionTerminated extends Event<typeof EventType.ExecutionTerminated> {
  readonly Input: string;
}

export interface ExecutionSuspended extends Event<typeof EventType.ExecutionSuspended> {
  readonly Reason: string;
}

export interface ExecutionResumed extends Event<typeof EventType.ExecutionResumed> {
  readonly Reason: string;
}

export interface TaskScheduled extends Event<typeof EventType.TaskScheduled> {
  readonly Name: string;
  readonly Version: string;
  /** JSON text of a one-element array. */
  readonly Input: string;
}

/** How one piece of scheduled work ended; `Result` is JSON text, and null for no value. */
export interface TaskCompleted extends Event<typeof EventType.TaskCompleted> {
  readonly TaskScheduledId: number;
  readonly Result: string | null;
}

export interface TaskFailed extends Event<typeof EventType.TaskFailed> {
  readonly TaskScheduledId: number;
  readonly Reason: string;
  readonly Details: string;
}

export interface SubOrchestrationInstanceCreated extends Event<typeof EventType.SubOrchestrationInstanceCreated> {
  readonly Name: string;
  readonly Version: string;
  readonly InstanceId: string;
  readonly Input: string;
}

export interface SubOrchestrationInstanceCompleted extends Event<typeof EventType.SubOrchestrationInstanceCompleted> {
  readonly TaskScheduledId: number;
  readonly Result: string | null;
}

export interface SubOrchestrationInstanceFailed extends Event<typeof EventType.SubOrchestrationInstanceFailed> {
  readonly TaskScheduledId: number;
  readonly Reason: string;
  readonly Details: string;
}

export interface TimerCreated extends Event<typeof EventType.TimerCreated> {
  readonly FireAt: string;
}

export interface TimerFired extends Event<typeof EventType.TimerFired> {
  readonly TimerId: number;
  readonly FireAt: string;
}

export interface EventRaised extends Event<typeof EventType.EventRaised> {
  readonly Name: string;
  /** JSON text. */
  readonly Input: string;
  /** Key of the stored client message that brought it; ours, the library ignores it. */
  readonly MessageKey: string;
}

export type HistoryEvent =
  | OrchestratorStarted
  | OrchestratorCompleted
  | ExecutionStarted
  | ExecutionCompleted
  | ExecutionTerminated
  | ExecutionSuspended
  | ExecutionResumed
  | TaskScheduled
  | TaskCompleted
  | TaskFailed
  | SubOrchestrationInstanceCreated
  | SubOrchestrationInstanceCompleted
  | SubOrchestrationInstanceFailed
  | TimerCreated
  | TimerFired
  | EventRaised;

/** What an orchestrator schedules: each takes one sequence id, and ends with one completion. */
export type ScheduledEvent = TaskScheduled | SubOrchestrationInstanceCreated | TimerCreated;

/** The end of what was scheduled. */
export type CompletionEvent =
  | TaskCompleted
  | TaskFailed
  | SubOrchestrationInstanceCompleted
  | SubOrchestrationInstanceFailed
  | TimerFired;

/** Operation of a client on a running orchestration. */
export type ClientEvent = EventRaised | ExecutionTerminated | ExecutionSuspended | ExecutionResumed;

export function isScheduled(event: HistoryEvent): event is ScheduledEvent {
  return (
    event.EventType === EventType.TaskScheduled ||
    event.EventType === EventType.SubOrchestrationInstanceCreated ||
    event.EventType === EventType.TimerCreated
  );
}

/** Returns the scheduled event of a completion; undefined for any other event. */
export function endedTaskId(event: HistoryEvent): number | undefined {
  switch (event.EventType) {
    case EventType.TaskCompleted:
    case EventType.TaskFailed:
    case EventType.SubOrchestrationInstanceCompleted:
    case EventType.SubOrchestrationInstanceFailed:
      return event.TaskScheduledId;
    case EventType.TimerFired:
      return event.TimerId;
    default:
      return undefined;
  }
}

/** Finds the work that was scheduled and has no completion yet, in the order of its scheduling. */
export function outstandingWork(history: readonly HistoryEvent[]): ScheduledEvent[] {
  const ended = new Set(history.map(endedTaskId));
  return history.filter(isScheduled).filter((event) => !ended.has(event.EventId));
}

/**
 * The exception text beside a failure's reason, in short: the real host serializes a .NET exception here. Apps should
 * match on the reason only.
 */
export function failureDetails(message: string): string {
  return JSON.stringify({ ClassName: "Microsoft.Azure.WebJobs.Script.Workers.Rpc.RpcException", Message: message });
}
