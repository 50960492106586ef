/**
 * @module
 * One episode of an orchestration as a decision: what comes in, what the orchestrator function answered, and so what
 * the instance becomes. Nothing here waits or writes.
 */
import { randomUUID } from "node:crypto";
import type { InvocationResponse } from "../protocol.ts";
import {
  EventType,
  type ExecutionStarted,
  type ExecutionTerminated,
  type HistoryEvent,
  type ScheduledEvent,
} from "./history.ts";
import type { Instance, Message } from "./instance.ts";
import { type OrchestratorState, parseOrchestratorState } from "./orchestrator-payload.ts";
import { type CallableFunctions, type Command, type Replay, replay } from "./replay.ts";
import type { ClientMessage, InstanceRecord } from "./store.ts";

/** What an episode makes of its instance. */
export interface Episode {
  readonly record: InstanceRecord;
  /** To be appended to the history; empty when the instance starts over. */
  readonly newEvents: readonly HistoryEvent[];
  /** Events that the next run gets instead of this one. */
  readonly carried: readonly ClientMessage[];
  /** Ids of scheduled work that is not over; absent when the episode leaves that as it was. */
  readonly open?: ReadonlySet<number>;
}

const NOTHING_OPEN: ReadonlySet<number> = new Set();
const MAX_CUSTOM_STATUS_KB = 16;

/** Ends the instance at once, without its code. */
export function terminated(record: InstanceRecord, event: ExecutionTerminated, at: string): Episode {
  return {
    record: { ...record, status: "Terminated", output: event.Input, updatedAt: at },
    newEvents: framed(at, [event]),
    carried: [],
    open: NOTHING_OPEN,
  };
}

/** Suspends or resumes the instance, which its code does not notice. */
export function switched(
  record: InstanceRecord,
  status: "Suspended" | "Running",
  events: readonly HistoryEvent[],
  at: string,
): Episode {
  return { record: { ...record, status, updatedAt: at }, newEvents: framed(at, events), carried: [] };
}

/** The new events that an episode shows to the orchestrator function. */
export function incomingEvents(instance: Instance, messages: readonly Message[], at: string): HistoryEvent[] {
  const started = instance.hasStarted ? [] : [executionStarted(instance.record, at)];
  return [orchestratorStarted(at), ...started, ...messages.map(({ event }) => event)];
}

/** Decides what the orchestrator function's answer means. */
export function answered(
  record: InstanceRecord,
  past: readonly HistoryEvent[],
  incoming: readonly HistoryEvent[],
  response: InvocationResponse,
  functions: CallableFunctions,
  at: string,
): Episode {
  let state: OrchestratorState;
  try {
    state = parseOrchestratorState(response);
  } catch (error) {
    return failed(record, incoming, error instanceof Error ? error.message : String(error), at);
  }
  const customStatus = state.customStatus === undefined ? null : JSON.stringify(state.customStatus);
  const customStatusKb = Math.ceil(((customStatus?.length ?? 0) * 2) / 1024);
  if (customStatusKb > MAX_CUSTOM_STATUS_KB) {
    const size = `The UTF-16 size of the JSON-serialized payload must not exceed ${MAX_CUSTOM_STATUS_KB} KB.`;
    return failed(record, incoming, `${size} The current payload size is ${customStatusKb} KB.`, at);
  }
  const instance = { ...record, parentInstanceId: record.parent?.instanceId ?? null };
  const replayed = replay(instance, [...past, ...incoming], state, functions);
  return concluded({ ...record, customStatus, updatedAt: at }, incoming, replayed, at);
}

/** Ends the instance as failed because its function cannot have been asked or understood. */
export function failed(record: InstanceRecord, incoming: readonly HistoryEvent[], reason: string, at: string): Episode {
  const message = `Orchestrator function '${record.name}' failed: ${reason}`;
  const replayed: Replay = { outcome: { kind: "failed", message }, commands: [], open: NOTHING_OPEN };
  return concluded({ ...record, updatedAt: at }, incoming, replayed, at);
}

function concluded(record: InstanceRecord, incoming: readonly HistoryEvent[], replayed: Replay, at: string): Episode {
  const { outcome, commands, open } = replayed;
  const events = [...incoming, ...commands.map((command) => scheduledEvent(command, at))];
  switch (outcome.kind) {
    case "running":
      return {
        record: { ...record, status: "Running" },
        newEvents: [...events, orchestratorCompleted(at)],
        carried: [],
        open,
      };
    case "completed":
    case "failed": {
      const hasFailed = outcome.kind === "failed";
      const output = hasFailed ? outcome.message : outcome.output;
      const end: HistoryEvent = {
        EventType: EventType.ExecutionCompleted,
        EventId: -1,
        Timestamp: at,
        OrchestrationStatus: hasFailed ? 3 : 1,
        Result: output,
      };
      return {
        record: { ...record, status: hasFailed ? "Failed" : "Completed", output },
        newEvents: [...events, end, orchestratorCompleted(at)],
        carried: [],
        open: NOTHING_OPEN,
      };
    }
    case "continuedAsNew":
      return {
        record: {
          ...record,
          status: "Running",
          executionId: newId(),
          generation: record.generation + 1,
          input: outcome.input,
          createdAt: at,
        },
        newEvents: [],
        carried: outcome.carried.map((event) => ({ key: event.MessageKey, startId: record.startId, event })),
        open: NOTHING_OPEN,
      };
  }
}

function framed(at: string, events: readonly HistoryEvent[]): HistoryEvent[] {
  return [orchestratorStarted(at), ...events, orchestratorCompleted(at)];
}

function orchestratorStarted(at: string): HistoryEvent {
  return { EventType: EventType.OrchestratorStarted, EventId: -1, Timestamp: at };
}

function orchestratorCompleted(at: string): HistoryEvent {
  return { EventType: EventType.OrchestratorCompleted, EventId: -1, Timestamp: at };
}

function executionStarted(record: InstanceRecord, at: string): ExecutionStarted {
  return {
    EventType: EventType.ExecutionStarted,
    EventId: -1,
    Timestamp: at,
    OrchestrationInstance: { InstanceId: record.instanceId, ExecutionId: record.executionId },
    ParentInstance: record.parent && {
      Name: record.parent.name,
      OrchestrationInstance: { InstanceId: record.parent.instanceId, ExecutionId: record.parent.executionId },
      TaskScheduleId: record.parent.taskId,
    },
    Name: record.name,
    Version: record.version,
    Input: record.input,
    Generation: record.generation,
  };
}

/** The event that says that a command was begun. */
export function scheduledEvent(command: Command, at: string): ScheduledEvent {
  const base = { EventId: command.id, Timestamp: at };
  switch (command.kind) {
    case "activity":
      return { ...base, EventType: EventType.TaskScheduled, Name: command.name, Version: "", Input: command.input };
    case "timer":
      return { ...base, EventType: EventType.TimerCreated, FireAt: command.fireAt };
    case "subOrchestration":
      return {
        ...base,
        EventType: EventType.SubOrchestrationInstanceCreated,
        Name: command.name,
        Version: command.version,
        InstanceId: command.instanceId,
        Input: command.input,
      };
  }
}

/** Makes an id of 32 hex digits, as the real host does for instances and executions. */
export function newId(): string {
  return randomUUID().replaceAll("-", "");
}
