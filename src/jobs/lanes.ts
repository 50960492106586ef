/**
 * @module
 * Lanes of a container: parts of its work that are done one after the other, side by side with other lanes. Of `n` lanes the first
 * does the parts 0, n, 2n and so on. A queue holds one message a lane, however many parts there are.
 */

/** Enough to keep more instances going than a storage account can bear. */
export const MAX_LANES = 256;

export function laneCount(parts: number): number {
  return Math.min(parts, MAX_LANES);
}

/** @returns the part that follows in the same lane; undefined at its end */
export function nextInLane(part: number, lanes: number, parts: number): number | undefined {
  const next = part + lanes;
  return next < parts ? next : undefined;
}
