/**
 * @module
 * `scheduleTimes` of a tagging criterion: times of day, in several formats that clients send. The meaning depends
 * neither on the current day nor on the time zone of the machine.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../foundation/durations.ts";
import { localTimeAt, momentOf } from "./local-time.ts";

/** A time of day, in milliseconds from midnight, or a moment that has one. */
export type ScheduleTime =
  /** Local time in the policy's zone: `02:30`, and `2026-01-31T02:30:00`, whose date is ignored. */
  | { readonly kind: "local"; readonly timeOfDay: number }
  /** Time of day at a fixed offset from UTC: `02:30+01:00`. */
  | { readonly kind: "at-offset"; readonly timeOfDay: number; readonly offset: number }
  /** Local time in the policy's zone at a moment: `2026-01-31T02:30:00+01:00`. */
  | { readonly kind: "moment"; readonly at: number };

const TIME =
  /^(?:(?<date>\d{4}-\d{2}-\d{2})T)?(?<hour>[01]\d|2[0-3]):(?<minute>[0-5]\d)(?::[0-5]\d(?:\.\d{1,7})?)?(?:(?<utc>Z)|(?<sign>[+-])(?<hours>0\d|1[0-4]):(?<minutes>[0-5]\d))?$/;

/** @returns undefined when the text is not a time */
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
  // Otherwise 31 February would be a day in March.
  const isDay = Number.isFinite(midnight) && new Date(midnight).toISOString().startsWith(date);
  return isDay ? midnight : "no such day";
}

/**
 * Whether a slot matches a time of day, to the minute. A local time that does not exist on a day matches the slot that
 * runs instead.
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
  // When the skipped time is at the end of a day, it runs on the next day.
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
