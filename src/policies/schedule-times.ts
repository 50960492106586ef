/**
 * @module
 * `scheduleTimes` of a tagging criterion: times of day, of which clients write several kinds. What one means never depends
 * on the day on which it is read, nor on the zone of the machine.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../foundation/durations.ts";
import { localTimeAt, momentOf } from "./local-time.ts";

/** A time of day, in milliseconds from midnight, or a moment that has one. */
export type ScheduleTime =
  /** As the clocks of the policy's zone show it: `02:30`, and `2026-01-31T02:30:00`, whose date means nothing. */
  | { readonly kind: "local"; readonly timeOfDay: number }
  /** As a clock so far ahead of UTC shows it, on every day: `02:30+01:00`. */
  | { readonly kind: "at-offset"; readonly timeOfDay: number; readonly offset: number }
  /** What the clocks of the policy's zone showed at a moment: `2026-01-31T02:30:00+01:00`. */
  | { readonly kind: "moment"; readonly at: number };

const TIME =
  /^(?:(?<date>\d{4}-\d{2}-\d{2})T)?(?<hour>[01]\d|2[0-3]):(?<minute>[0-5]\d)(?::[0-5]\d(?:\.\d{1,7})?)?(?:(?<utc>Z)|(?<sign>[+-])(?<hours>0\d|1[0-4]):(?<minutes>[0-5]\d))?$/;

/** @returns undefined when the text is no time */
export function readScheduleTime(text: string): ScheduleTime | undefined {
  const parts = TIME.exec(text)?.groups;
  if (parts === undefined) return undefined;
  const timeOfDay = Number(parts["hour"]) * HOUR_MS + Number(parts["minute"]) * MINUTE_MS;
  const { date, utc, sign, hours, minutes } = parts;
  const midnight = date === undefined ? undefined : midnightOf(date);
  if (midnight === "no such day") return undefined;
  if (utc === undefined && sign === undefined) return { kind: "local", timeOfDay };
  const ahead = Number(hours ?? 0) * HOUR_MS + Number(minutes ?? 0) * MINUTE_MS;
  const offset = sign === "-" ? -ahead : ahead;
  return midnight === undefined
    ? { kind: "at-offset", timeOfDay, offset }
    : { kind: "moment", at: midnight + timeOfDay - offset };
}

function midnightOf(date: string): number | "no such day" {
  const midnight = Date.parse(`${date}T00:00:00Z`);
  // 31 February is taken for a day of March.
  const isDay = Number.isFinite(midnight) && new Date(midnight).toISOString().startsWith(date);
  return isDay ? midnight : "no such day";
}

/**
 * Whether a slot is for a time of day, to the minute. One that the clocks leave out that day counts where the schedule then
 * runs.
 *
 * @param slot - Unix milliseconds
 * @param zone - of the policy, IANA
 */
export function isAtTime(slot: number, zone: string, time: ScheduleTime): boolean {
  if (time.kind === "at-offset") return minuteOf(timeOfDayOf(slot + time.offset)) === minuteOf(time.timeOfDay);
  const local = localTimeAt(zone, slot);
  const wanted = time.kind === "local" ? time.timeOfDay : timeOfDayOf(localTimeAt(zone, time.at));
  if (minuteOf(timeOfDayOf(local)) === minuteOf(wanted)) return true;
  const midnight = local - timeOfDayOf(local);
  // Late in an evening that ends early, it runs on the next day.
  return [midnight, midnight - DAY_MS].some((day) => {
    const { at, isShown } = momentOf(zone, day + wanted);
    return !isShown && minuteOf(at) === minuteOf(slot);
  });
}

function timeOfDayOf(local: number): number {
  return ((local % DAY_MS) + DAY_MS) % DAY_MS;
}

function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS);
}
