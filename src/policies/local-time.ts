/**
 * @module
 * Conversion between UTC and local time.
 *
 * Local time is in milliseconds as if the zone were UTC: 2026-01-31 02:30 in any zone is
 * `Date.UTC(2026, 0, 31, 2, 30)`.
 */

import { Info } from "luxon";
import { DAY_MS, MINUTE_MS } from "../foundation/durations.ts";

/** @param zone - a valid IANA name, or `UTC` */
function offsetMs(zone: string, at: number): number {
  return Info.normalizeZone(zone).offset(at) * MINUTE_MS;
}

/** Local time of a zone at a moment. */
export function localTimeAt(zone: string, at: number): number {
  return at + offsetMs(zone, at);
}

/**
 * The moment of a local time: the first one, when it occurs twice. A skipped local time uses the offset before the
 * change, so it is later by the skipped time.
 *
 * @returns Unix milliseconds, and whether the local time exists
 */
export function momentOf(zone: string, local: number): { readonly at: number; readonly isShown: boolean } {
  // All zones are within 14 hours of UTC, and none changes its offset twice within two days.
  const before = offsetMs(zone, local - DAY_MS);
  const after = offsetMs(zone, local + DAY_MS);
  const byClockBefore = local - before;
  if (before === after || offsetMs(zone, byClockBefore) === before) return { at: byClockBefore, isShown: true };
  const byClockAfter = local - after;
  if (offsetMs(zone, byClockAfter) === after) return { at: byClockAfter, isShown: true };
  return { at: byClockBefore, isShown: false };
}
