/**
 * @module A recorded history: what the host passes to the orchestration's function after everything has happened, up to
 *   the event with its end. One file each in `histories/`, one event per line.
 */
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import {
  EventType,
  type ExecutionCompleted,
  type ExecutionStarted,
  type HistoryEvent,
  isScheduled,
  type ScheduledEvent,
} from "../../local/host/durable/testing/histories.ts";

/** Folder of all recorded histories. */
export const HISTORIES = fileURLToPath(new URL("histories/", import.meta.url));

export type RecordedEvent = HistoryEvent & { readonly IsPlayed: boolean };

/** The data of an orchestration trigger; other members are passed on unchanged. */
export interface OrchestratorPayload {
  readonly history: readonly RecordedEvent[];
  readonly input: unknown;
  readonly instanceId: string;
  readonly isReplaying: boolean;
  readonly parentInstanceId: string | null;
  readonly [member: string]: unknown;
}

export interface RecordedHistory {
  /** Name of the file. */
  readonly file: string;
  readonly started: ExecutionStarted;
  readonly payload: OrchestratorPayload;
  readonly episodes: readonly RecordedEpisode[];
}

/** One episode of an orchestration, by positions in its history. */
export interface RecordedEpisode {
  /** Its first event; earlier ones were already played. */
  readonly begin: number;
  /** Position after the incoming events, where the function was called. */
  readonly asked: number;
  /** What the function scheduled then: work in the order of its ids, and perhaps the end. */
  readonly answer: readonly (ScheduledEvent | ExecutionCompleted)[];
}

/**
 * Reads the text of a file.
 *
 * @throws Error when the history is incomplete
 */
export function parseHistory(file: string, text: string): RecordedHistory {
  const payload = JSON.parse(text) as OrchestratorPayload;
  const started = payload.history.find((event) => event.EventType === EventType.ExecutionStarted);
  if (started === undefined) throw new Error(`'${file}' does not begin with the start of an orchestration`);
  const episodes = episodesOf(payload.history);
  if (payload.history.at(-1)?.EventType !== EventType.OrchestratorCompleted) {
    throw new Error(`'${file}' breaks off within an episode`);
  }
  return { file, started, payload, episodes };
}

/** Reads all recorded histories, by name. */
export async function readHistories(folder = HISTORIES): Promise<RecordedHistory[]> {
  const files = (await readdir(folder)).sort();
  return Promise.all(files.map(async (file) => parseHistory(file, await readFile(`${folder}${file}`, "utf8"))));
}

/** JSON text with one event per line, so that a diff of two histories is readable. */
export function formatHistory({ history, ...rest }: OrchestratorPayload): string {
  const events = history.map((event) => `\n    ${JSON.stringify(event)}`).join(",");
  const members = Object.entries(rest).map(([name, value]) => `,\n  ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return `{\n  "history": [${events}\n  ]${members.join("")}\n}\n`;
}

function episodesOf(history: readonly HistoryEvent[]): RecordedEpisode[] {
  const begins = history.flatMap((event, at) => (event.EventType === EventType.OrchestratorStarted ? [at] : []));
  return begins.map((begin, number) => {
    const events = history.slice(begin, begins[number + 1]);
    const answer = events.filter(isAnswer);
    const first = events.findIndex((event) => isAnswer(event) || event.EventType === EventType.OrchestratorCompleted);
    return { begin, asked: begin + (first === -1 ? events.length : first), answer };
  });
}

function isAnswer(event: HistoryEvent): event is ScheduledEvent | ExecutionCompleted {
  return isScheduled(event) || event.EventType === EventType.ExecutionCompleted;
}
