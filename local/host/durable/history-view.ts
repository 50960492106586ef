import { EventType, endedTaskId, type HistoryEvent, isScheduled } from "./history.ts";

const NAMES = new Map<number, string>(Object.entries(EventType).map(([name, number]) => [number, name]));
const ORCHESTRATION_STATUSES: Readonly<Record<1 | 3, string>> = { 1: "Completed", 3: "Failed" };
/** What the view leaves out of every event: bookkeeping, and what may be large. */
const LEFT_OUT = new Set([
  "EventId",
  "TaskScheduledId",
  "TimerId",
  "Version",
  "Input",
  "Name",
  "OrchestrationInstance",
  "ParentInstance",
  "Generation",
  "MessageKey",
]);

/**
 * Makes the history as the status API shows it: event types by name, scheduled work folded into its completion, and
 * results only on request.
 */
export function historyView(history: readonly HistoryEvent[], showOutput: boolean): Record<string, unknown>[] {
  const scheduled = new Map(history.filter(isScheduled).map((event) => [event.EventId, event]));
  const ended = new Set(history.map(endedTaskId));
  const isShown = (event: HistoryEvent): boolean =>
    event.EventType !== EventType.OrchestratorStarted &&
    event.EventType !== EventType.OrchestratorCompleted &&
    !(isScheduled(event) && event.EventType !== EventType.TimerCreated && ended.has(event.EventId));

  return history.filter(isShown).map((event) => {
    const kept = Object.entries(event).filter(([key]) => !LEFT_OUT.has(key) && (showOutput || key !== "Result"));
    const view: Record<string, unknown> = { ...Object.fromEntries(kept), EventType: NAMES.get(event.EventType) };
    const cause = scheduled.get(endedTaskId(event) ?? -1);
    if (cause !== undefined && cause.EventType !== EventType.TimerCreated) {
      view["ScheduledTime"] = cause.Timestamp;
      view["FunctionName"] = cause.Name;
    }
    if (event.EventType === EventType.ExecutionStarted) view["FunctionName"] = event.Name;
    else if ("Name" in event) view["Name"] = event.Name;
    if (event.EventType === EventType.ExecutionCompleted) {
      view["OrchestrationStatus"] = ORCHESTRATION_STATUSES[event.OrchestrationStatus];
    }
    if (typeof view["Result"] === "string") view["Result"] = parsedOrText(view["Result"]);
    return view;
  });
}

/** Gives JSON text as its value, and any other text as it is. */
export function parsedOrText(text: string | null): unknown {
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
