/**
 * @module
 * The host is about to end this process: a deployment, a scale-in. Workers leave the rest of what they are at to their next
 * message, which another process gets at once; a worker that is killed holds its message for ten minutes more.
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
