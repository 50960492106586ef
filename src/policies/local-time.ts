/**
 * @module
 * Local clocks: what a clock on the wall shows, and when it shows it.
 *
 * What a clock shows is told in milliseconds, as if the zone were UTC: 2026-01-31 02:30 in any zone is
 * `Date.UTC(2026, 0, 31, 2, 30)`.
 */

import { Info } from "luxon";
import { DAY_MS, MINUTE_MS } from "../foundation/durations.ts";

/** @param zone - a valid IANA name, or `UTC` */
function offsetMs(zone: string, at: number): number {
  return Info.normalizeZone(zone).offset(at) * MINUTE_MS;
}

/** Tells what the clocks of a zone show at a moment. */
export function localTimeAt(zone: string, at: number): number {
  return at + offsetMs(zone, at);
}

/**
 * Tells when the clocks of a zone show a local time: the first moment, when they show it twice. One that they leave out
 * is taken by the clock as it went before, so it comes as much later as the clocks were put forward.
 *
 * @returns Unix milliseconds, and whether the clocks show that time at all
 */
export function momentOf(zone: string, local: number): { readonly at: number; readonly isShown: boolean } {
  // No zone is further than 14 hours from UTC, and none changes its clocks twice within two days.
  const before = offsetMs(zone, local - DAY_MS);
  const after = offsetMs(zone, local + DAY_MS);
  const byClockBefore = local - before;
  if (before === after || offsetMs(zone, byClockBefore) === before) return { at: byClockBefore, isShown: true };
  const byClockAfter = local - after;
  if (offsetMs(zone, byClockAfter) === after) return { at: byClockAfter, isShown: true };
  return { at: byClockBefore, isShown: false };
}
