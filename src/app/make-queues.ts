import { type App, app } from "./app.ts";

/** Loading the app waits no longer than this; on an ordinary day it takes one round trip. */
const TIMEOUT_MS = 5_000;

/**
 * Makes the app's queues before the host looks for messages: it asks for a queue that is not there again and again, and its
 * storage client logs each answer, nine lines every time. Most poison queues never came to be otherwise.
 *
 * Safe to run twice, and by all instances at once. Never fails, because the host makes a queue with its first message
 * anyway, and `/api/health` tells what is wrong with the account.
 *
 * @returns whether all are there
 */
export async function makeQueues(
  names: readonly string[],
  composed: () => Pick<App, "queues"> = app,
  timeoutMs = TIMEOUT_MS,
): Promise<boolean> {
  try {
    return (await composed().queues?.make(names, timeoutMs)) ?? false;
  } catch {
    // Wrong settings: the first function that runs tells them.
    return false;
  }
}
