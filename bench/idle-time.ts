/**
 * @module
 * Idle time of a job: time within it in which no function that works for jobs was running, read from the host's log. It
 * includes waits for polls, and the host's own time between two steps.
 */
import { DAY_MS } from "../src/foundation/durations.ts";

/** A span of time, Unix milliseconds. */
export interface Span {
  readonly from: number;
  readonly until: number;
}

/** Triggers of functions that work for jobs. */
const WORKING = /^ {2}(\w+): (?:queue|activity|orchestration)$/;

const EXECUTION = /^(\d\d:\d\d:\d\d\.\d{3}) \w+ +(\w+) (?:done in|threw after|failed after) (\d+) ms/;

/**
 * Returns the time in which nothing ran within a job, in seconds.
 *
 * @param output - lines of the host; at level debug each execution ends with one line
 */
export function idleSeconds(output: readonly string[], job: Span): number {
  const working = new Set(output.flatMap((line) => WORKING.exec(line)?.[1] ?? []));
  const midnight = Math.floor(job.from / DAY_MS) * DAY_MS;
  const spans = output.flatMap((line): Span[] => {
    const [, time, name = "", took] = EXECUTION.exec(line) ?? [];
    if (time === undefined || !working.has(name)) return [];
    const at = midnight + Date.parse(`1970-01-01T${time}Z`);
    // The log has no dates: what ends before the job begins is on the next day, or not part of this job.
    const until = at < job.from - DAY_MS / 2 ? at + DAY_MS : at;
    return [{ from: until - Number(took), until }];
  });
  return Math.max(0, job.until - job.from - busyMs(spans, job)) / 1_000;
}

/** How much of a span is covered by others. */
function busyMs(spans: readonly Span[], within: Span): number {
  let busy = 0;
  let at = within.from;
  for (const { from, until } of spans.toSorted((a, b) => a.from - b.from)) {
    const begun = Math.max(at, from);
    const ended = Math.min(until, within.until);
    if (ended > begun) busy += ended - begun;
    at = Math.max(at, ended);
  }
  return busy;
}
