import { type App, app } from "./app.ts";

/** Timeout while the app loads; usually it takes one round trip. */
const TIMEOUT_MS = 5_000;

/**
 * Creates the app's queues before the host polls them: the host polls a missing queue again and again, and its storage
 * client logs nine lines each time. Otherwise most poison queues would never exist.
 *
 * Safe to run twice, and by all instances concurrently. Never fails: the host creates a queue with its first message
 * anyway, and `/api/health` reports problems of the account.
 *
 * @returns whether all queues exist
 */
export async function makeQueues(
  names: readonly string[],
  composed: () => Pick<App, "queues"> = app,
  timeoutMs = TIMEOUT_MS,
): Promise<boolean> {
  try {
    return (await composed().queues?.make(names, timeoutMs)) ?? false;
  } catch {
    // Wrong settings: the first function that runs reports them.
    return false;
  }
}
