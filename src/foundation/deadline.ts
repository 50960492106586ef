import type { Clock } from "./clock.ts";

/**
 * Returns whether there is time left.
 *
 * @param ms - length of the period
 * @param from - when it started; absent: now
 */
export function deadline(clock: Clock, ms: number, from: Date = clock()): () => boolean {
  const endsAt = from.getTime() + ms;
  return () => clock().getTime() < endsAt;
}
