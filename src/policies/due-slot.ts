import { DAY_MS, HOUR_MS, MINUTE_MS } from "../foundation/durations.ts";
import { localTimeAt, momentOf } from "./local-time.ts";
import type { RepeatingInterval } from "./policy-record.ts";

const UNIT_MS: Readonly<Record<RepeatingInterval["every"]["unit"], number>> = {
  minutes: MINUTE_MS,
  hours: HOUR_MS,
  days: DAY_MS,
  weeks: 7 * DAY_MS,
};

/** Max distance of a slot from whole days: daylight saving, or a zone that crossed the date line. */
const MAX_DRIFT_MS = 2 * DAY_MS;

export interface SlotWindow {
  /** Excluded. */
  readonly after: Date;
  /** Included. */
  readonly until: Date;
}

export interface DueSlot {
  readonly slot: Date;
  /** Skipped older slots of the window, ascending: the backup for `slot` replaces them. */
  readonly skipped: readonly Date[];
}

/**
 * Returns the latest slot of a schedule in a window, so that the app makes one backup after downtime, not many.
 *
 * @returns undefined when the window has no slot
 */
export function dueSlot(intervals: readonly RepeatingInterval[], window: SlotWindow): DueSlot | undefined {
  const slots = slotsBetween(intervals, window);
  const slot = slots.at(-1);
  return slot === undefined ? undefined : { slot, skipped: slots.slice(0, -1) };
}

/**
 * Returns all slots of a schedule in a window. The first slot of an interval is its start.
 *
 * Days and weeks follow local time: a time skipped by daylight saving runs once, later by the skipped time; a time that
 * occurs twice runs once, at its first occurrence. Hours and minutes count elapsed time since the start, regardless of
 * daylight saving.
 *
 * @returns ascending; intervals that meet at the same time make one slot
 */
export function slotsBetween(intervals: readonly RepeatingInterval[], window: SlotWindow): Date[] {
  const slots = new Set(intervals.flatMap((interval) => slotsOf(interval, window)));
  return [...slots].sort((a, b) => a - b).map((slot) => new Date(slot));
}

function slotsOf(interval: RepeatingInterval, window: SlotWindow): number[] {
  const start = Date.parse(interval.start);
  const after = window.after.getTime();
  const until = window.until.getTime();
  const period = interval.every.count * UNIT_MS[interval.every.unit];
  const slotAt = slotsFrom(start, period, interval);

  const first = Math.max(0, Math.floor((after - start - MAX_DRIFT_MS) / period));
  const last = Math.floor((until - start + MAX_DRIFT_MS) / period);
  const slots: number[] = [];
  for (let n = first; n <= last; n++) {
    const slot = slotAt(n);
    if (slot > after && slot <= until) slots.push(slot);
  }
  return slots;
}

/** Each slot is counted from the start, not from the previous slot, so a shifted slot does not shift the rest. */
function slotsFrom(start: number, period: number, { every, zone }: RepeatingInterval): (n: number) => number {
  if (every.unit === "minutes" || every.unit === "hours") return (n) => start + n * period;
  const local = localTimeAt(zone, start);
  // The start may be the second occurrence of its local time.
  return (n) => (n === 0 ? start : momentOf(zone, local + n * period).at);
}
