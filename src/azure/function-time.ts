/**
 * @module
 * Timeout of a function. The host kills the whole process, with everything else in it, when one function exceeds
 * `functionTimeout` (10 minutes, `host.json`). So each function has a timeout of its own, a little shorter: its work
 * checks its budget and stops at a suitable place; if something prevents that, the requests themselves time out (see
 * `request-retries.ts`), whatever loop they are in.
 *
 * In seconds from the function's start: a piece of work starts no copy after its budget, by default 240 and at most 480
 * (`VaultPieceBudgetSeconds`). A running copy then ends after at most 158 (256 MiB at 2 MiB/s, and 30), which makes
 * 398, and no later than 540; any other request after 60 (two attempts of 30). A few requests then save the results. At
 * 570 all running requests end and no other starts, which leaves 30 until the host's 600.
 *
 * @see https://learn.microsoft.com/azure/azure-functions/functions-host-json#functiontimeout
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { VaultError } from "../foundation/errors.ts";

/** Timeout of every function except those for HTTP requests. */
export const FUNCTION_TIME_MS = 570_000;

/** Time left to save results after the time for moving content is over. */
export const NOTING_MS = 30_000;

/**
 * Timeout of HTTP functions: Azure's load balancer closes an idle connection after 230 s.
 *
 * @see https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#limits
 */
export const REQUEST_TIME_MS = 200_000;

/** Deadline of the current function, by `performance.now()`. */
const ends = new AsyncLocalStorage<number>();

/** Sets a deadline for all requests of a function. */
export function withinTime<T>(ms: number, body: () => Promise<T>): Promise<T> {
  return ends.run(performance.now() + ms, body);
}

/** For work that several functions share: it must not end with the function that started it. */
export function outsideTime<T>(body: () => Promise<T>): Promise<T> {
  return ends.exit(body);
}

/** @returns ms until the deadline of the current function; infinite outside of functions */
export function timeLeftMs(): number {
  return (ends.getStore() ?? Number.POSITIVE_INFINITY) - performance.now();
}

export function outOfTime(): VaultError {
  return new VaultError("internal/out-of-time", "the function reached its timeout; the next one continues its work", {
    hint: "storage accounts answer slowly; the app retries by itself",
  });
}
