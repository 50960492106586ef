/**
 * @module
 * The time of a function. The host kills the whole process when one function of it outlives `functionTimeout` (10 minutes,
 * `host.json`), and with it all else that the process does. So each function is given a time of its own, a little shorter:
 * what it works on asks for its budget and stops at a good place; and when something has kept it from that, the requests
 * themselves end (see `request-retries.ts`), whatever loop they are in.
 *
 * The arithmetic, in seconds from the function's beginning: a piece of work begins no copy after its budget, usually 240 and
 * at most 480 (`VaultPieceBudgetSeconds`). A copy that is under way then ends after at most 158 (256 MiB at 2 MiB/s, and 30),
 * which makes 398, and at the latest at 540; any other request after 60 (two attempts of 30). What was done is then noted, by a
 * few requests. At 570 all that is still under way ends and nothing begins, so that 30 are left to the host's 600.
 *
 * @see https://learn.microsoft.com/azure/azure-functions/functions-host-json#functiontimeout
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { VaultError } from "../foundation/errors.ts";

/** Of every function but those that answer requests. */
export const FUNCTION_TIME_MS = 570_000;

/** What is left to note what was done, when the time for moving content is over. */
export const NOTING_MS = 30_000;

/**
 * Of functions that answer requests: Azure's load balancer gives up an idle connection after 230 s.
 *
 * @see https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#limits
 */
export const REQUEST_TIME_MS = 200_000;

/** When the time of the function under way is over, by `performance.now()`. */
const ends = new AsyncLocalStorage<number>();

/** Gives all requests that a function makes a common end. */
export function withinTime<T>(ms: number, body: () => Promise<T>): Promise<T> {
  return ends.run(performance.now() + ms, body);
}

/** For what several functions share: it must not end with the one that happens to begin it. */
export function outsideTime<T>(body: () => Promise<T>): Promise<T> {
  return ends.exit(body);
}

/** @returns ms until the function under way must have ended; infinite outside of functions */
export function timeLeftMs(): number {
  return (ends.getStore() ?? Number.POSITIVE_INFINITY) - performance.now();
}

export function outOfTime(): VaultError {
  return new VaultError("internal/out-of-time", "the time of the function is over; what is left is done by the next", {
    hint: "storage accounts answer slowly; the app retries by itself",
  });
}
