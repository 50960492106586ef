import type { Clock } from "./clock.ts";

/**
 * Tells whether there is still time.
 *
 * @param ms - how long there is
 * @param from - when the time began; absent: now
 */
export function deadline(clock: Clock, ms: number, from: Date = clock()): () => boolean {
  const endsAt = from.getTime() + ms;
  return () => clock().getTime() < endsAt;
}
