import { DateTime } from "luxon";
import type { RepeatingInterval } from "./contract.ts";

const DAY_MS = 86_400_000;
/** How far a slot may lie from where whole days would put it: daylight saving, or a zone that moved over the date line. */
const MOST_DRIFT_MS = 2 * DAY_MS;

export interface SlotWindow {
  /** Excluded. */
  readonly after: Date;
  /** Included. */
  readonly now: Date;
}

/**
 * Tells the newest slot of a schedule in a window, so that a vault that slept makes one backup and not many.
 *
 * A local time that a change to daylight saving leaves out runs once, that much later; one that comes twice runs once.
 *
 * @returns undefined when no slot lies in the window
 */
export function dueSlot(intervals: readonly RepeatingInterval[], { after, now }: SlotWindow): Date | undefined {
  const newest = intervals
    .map((interval) => newestSlot(interval, now))
    .filter((slot) => slot !== undefined)
    .reduce<Date | undefined>((latest, slot) => (latest === undefined || slot > latest ? slot : latest), undefined);
  return newest !== undefined && newest > after ? newest : undefined;
}

/** The newest slot up to and including a moment. */
function newestSlot(interval: RepeatingInterval, now: Date): Date | undefined {
  const start = DateTime.fromISO(interval.start, { zone: interval.zone });
  const { unit, count } = interval.every;
  const days = count * (unit === "weeks" ? 7 : 1);
  // Each slot is counted from the start, never from the slot before it, so a shifted one does not shift the rest.
  const slotAt = (n: number): Date => start.plus({ days: n * days }).toJSDate();

  const latest = Math.floor((now.getTime() - start.toMillis() + MOST_DRIFT_MS) / (days * DAY_MS));
  for (let n = latest; n >= 0; n--) {
    const slot = slotAt(n);
    if (slot <= now) return slot;
  }
  return undefined;
}
