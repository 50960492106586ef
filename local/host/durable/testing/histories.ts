/**
 * @module
 * What a test needs to record and to replay histories.
 */
export { scheduledEvent } from "../episode.ts";
export {
  EventType,
  type ExecutionCompleted,
  type ExecutionStarted,
  endedTaskId,
  type HistoryEvent,
  isScheduled,
  type ScheduledEvent,
} from "../history.ts";
export { parsedOrText } from "../history-view.ts";
export { MemoryStore } from "../memory-store.ts";
export { activityTrigger, orchestrationTrigger } from "../orchestrator-payload.ts";
export { type CallableFunctions, type ReplayOutcome, replay } from "../replay.ts";
export { isFinished, type StoredInstance } from "../store.ts";
