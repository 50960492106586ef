/**
 * @module Replays a recorded history with the current orchestrator, and compares what it schedules with what was
 *   scheduled then.
 *
 * Each episode is one prefix of the history: a job that an older version started may be at that point when this version
 * is deployed. What a history does not contain is not compared: which events are waited for shows only in what happens
 * then, and of a timer the kind counts and not the time, as with the real host.
 */
import { isDeepStrictEqual } from "node:util";
import {
  activityTrigger,
  type CallableFunctions,
  EventType,
  type ExecutionCompleted,
  endedTaskId,
  type HistoryEvent,
  isScheduled,
  parsedOrText,
  type ReplayOutcome,
  replay,
  type ScheduledEvent,
  scheduledEvent,
} from "../../local/host/durable/testing/histories.ts";
import { type LibraryOrchestrator, stateOf } from "../../local/host/durable/testing/scripted-app.ts";
import type { RecordedEpisode, RecordedHistory } from "./recorded-history.ts";

/** The event of a history at which the current orchestrator differs. */
export class ReplayDifference extends Error {}

/** One step that an orchestrator schedules, without its time. */
interface Asked {
  /** Human-readable; compared, too. */
  readonly what: string;
  /** Input of a call, or output of the end. */
  readonly value?: unknown;
}

/**
 * Replays every episode of a history.
 *
 * @returns the number of episodes
 * @throws ReplayDifference at the first difference
 */
export async function replayHistory(
  recorded: RecordedHistory,
  orchestrator: LibraryOrchestrator,
  functions: CallableFunctions,
): Promise<number> {
  for (const [number, episode] of recorded.episodes.entries()) {
    const then = episode.answer.map(askedBy);
    const now = await askedToday(recorded, episode, orchestrator, functions);
    for (let at = 0; at < Math.max(then.length, now.length); at++) {
      if (isDeepStrictEqual(then[at], now[at])) continue;
      throw difference(recorded, number, episode.asked + at, then[at], now[at]);
    }
  }
  return recorded.episodes.length;
}

async function askedToday(
  { payload, started }: RecordedHistory,
  { begin, asked }: RecordedEpisode,
  orchestrator: LibraryOrchestrator,
  functions: CallableFunctions,
): Promise<Asked[]> {
  // Copies of the events, because the library turns their times into dates.
  const history = payload.history.slice(0, asked).map((event, at) => ({ ...event, IsPlayed: at < begin }));
  const state = await stateOf(orchestrator, { ...payload, history, isReplaying: begin > 0 });
  const instance = {
    name: started.Name,
    instanceId: started.OrchestrationInstance.InstanceId,
    executionId: started.OrchestrationInstance.ExecutionId,
    parentInstanceId: payload.parentInstanceId,
  };
  const { commands, outcome } = replay(instance, history, state, functions);
  return [...commands.map((command) => askedBy(scheduledEvent(command, ""))), ...endOf(outcome)];
}

function askedBy(event: ScheduledEvent | ExecutionCompleted): Asked {
  const task = `task ${event.EventId}`;
  switch (event.EventType) {
    case EventType.TaskScheduled:
      return {
        what: `activity '${event.Name}' (${task})`,
        value: parsedOrText(activityTrigger(event.Input).string ?? null),
      };
    case EventType.SubOrchestrationInstanceCreated:
      return { what: `orchestration '${event.Name}' (${task})`, value: parsedOrText(event.Input) };
    case EventType.TimerCreated:
      return { what: `timer (${task})` };
    case EventType.ExecutionCompleted:
      return {
        what: `the end, ${event.OrchestrationStatus === 1 ? "completed" : "failed"}`,
        value: parsedOrText(event.Result),
      };
  }
}

function endOf(outcome: ReplayOutcome): Asked[] {
  switch (outcome.kind) {
    case "running":
      return [];
    case "completed":
      return [{ what: "the end, completed", value: parsedOrText(outcome.output) }];
    case "failed":
      return [{ what: "the end, failed", value: outcome.message }];
    case "continuedAsNew":
      return [{ what: "a new start", value: parsedOrText(outcome.input) }];
  }
}

function difference(
  { file, payload, episodes, started }: RecordedHistory,
  episode: number,
  at: number,
  then: Asked | undefined,
  now: Asked | undefined,
): ReplayDifference {
  const { begin = 0, asked = 0 } = episodes[episode] ?? {};
  const causes = payload.history.slice(begin, asked).flatMap((cause) => causeOf(cause, payload.history));
  return new ReplayDifference(
    [
      `'${started.Name}' does not replay '${file}': it differs at event ${at + 1}, in episode ${episode + 1} of ${episodes.length}, after ${causes.join(", ")}`,
      `  expected  ${inWords(then)}`,
      `  got       ${inWords(now)}`,
      "  What to do about it stands in docs/testing.md, Recorded histories.",
    ].join("\n"),
  );
}

function inWords(asked: Asked | undefined): string {
  if (asked === undefined) return "nothing more before the next event";
  return asked.value === undefined ? asked.what : `${asked.what} with ${JSON.stringify(asked.value)}`;
}

const NAMES = new Map<number, string>(Object.entries(EventType).map(([name, number]) => [number, name]));

function causeOf(event: HistoryEvent, history: readonly HistoryEvent[]): string[] {
  if (event.EventType === EventType.OrchestratorStarted) return [];
  const name = NAMES.get(event.EventType) ?? `event type ${event.EventType}`;
  if (event.EventType === EventType.EventRaised) return [`${name} '${event.Name}'`];
  const id = endedTaskId(event);
  if (id === undefined) return [name];
  const task = history.find((candidate) => isScheduled(candidate) && candidate.EventId === id);
  return [task !== undefined && "Name" in task ? `${name} of '${task.Name}' (task ${id})` : `${name} (task ${id})`];
}
