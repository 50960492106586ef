import { DAY_MS, HOUR_MS, MINUTE_MS } from "../foundation/durations.ts";
import { localTimeAt, momentOf } from "./local-time.ts";
import type { RepeatingInterval } from "./policy-record.ts";

const UNIT_MS: Readonly<Record<RepeatingInterval["every"]["unit"], number>> = {
  minutes: MINUTE_MS,
  hours: HOUR_MS,
  days: DAY_MS,
  weeks: 7 * DAY_MS,
};

/** How far a slot may lie from where whole days would put it: daylight saving, or a zone that moved over the date line. */
const MAX_DRIFT_MS = 2 * DAY_MS;

export interface SlotWindow {
  /** Excluded. */
  readonly after: Date;
  /** Included. */
  readonly until: Date;
}

export interface DueSlot {
  readonly slot: Date;
  /** Older slots of the window, ascending: the backup for `slot` makes up for them. */
  readonly skipped: readonly Date[];
}

/**
 * Tells the newest slot of a schedule in a window, so that a vault that slept makes one backup and not many.
 *
 * @returns undefined when no slot lies in the window
 */
export function dueSlot(intervals: readonly RepeatingInterval[], window: SlotWindow): DueSlot | undefined {
  const slots = slotsBetween(intervals, window);
  const slot = slots.at(-1);
  return slot === undefined ? undefined : { slot, skipped: slots.slice(0, -1) };
}

/**
 * Tells all slots of a schedule in a window. The first slot of an interval is its start.
 *
 * Days and weeks follow the clock on the wall: a local time that a change of the clocks leaves out runs once, that much
 * later; one that comes twice runs once, when it first comes. Hours and minutes count the time that has passed since the
 * start, whatever the clocks do.
 *
 * @returns ascending; a moment at which several intervals meet is one slot
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

/** Each slot is counted from the start, never from the slot before it, so a shifted one does not shift the rest. */
function slotsFrom(start: number, period: number, { every, zone }: RepeatingInterval): (n: number) => number {
  if (every.unit === "minutes" || every.unit === "hours") return (n) => start + n * period;
  const local = localTimeAt(zone, start);
  // The start may be the second time that its clock shows that hour.
  return (n) => (n === 0 ? start : momentOf(zone, local + n * period).at);
}
