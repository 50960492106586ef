/**
 * @module
 * The host is about to stop this process: a deployment, a scale-in. Workers leave the rest of their work to their next
 * message, which another process gets at once; the message of a killed worker is invisible for ten more minutes.
 *
 * @see https://learn.microsoft.com/azure/azure-functions/functions-reference-node#app-lifecycle-hooks `appTerminate`
 */
let hasBegun = false;

export function beginToStop(): void {
  hasBegun = true;
}

export function isStopping(): boolean {
  return hasBegun;
}
