/**
 * @module
 * Polling interval of queues and leases of messages: fast for development, or like the real host.
 */

/** Polling and leases of a listener. */
export interface QueuePace {
  /** How long a message is hidden from others between two renewals. */
  readonly leaseMs: number;
  readonly renewMs: number;
  /** The pause after the first poll of an empty queue; it grows up to the maximum. */
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
  /** Polls again at once after each message, not only after a full batch. */
  readonly asksUntilEmpty: boolean;
  /** Polls at once when this host itself has added a message. */
  readonly isWoken: boolean;
  /** Creates the queue if it is missing. */
  readonly makesQueues: boolean;
}

/** A dozen queues asked ten times a second would keep a fifth of a core busy. */
const IDLE_PAUSE_MS = 500;

/** Fast polling, and the message of a killed host is visible again within seconds. */
export function developmentPace(maxPollingIntervalMs: number): QueuePace {
  const pauseMs = Math.min(maxPollingIntervalMs, IDLE_PAUSE_MS);
  return {
    ...{ leaseMs: 20_000, renewMs: 5_000, minPauseMs: pauseMs, maxPauseMs: pauseMs },
    ...{ asksUntilEmpty: false, isWoken: true, makesQueues: true },
  };
}

/**
 * That of WebJobs: a lease of ten minutes that is renewed at half, and pauses that grow from 100 ms.
 *
 * A real host of one instance also looks at once into queues that it writes to by a binding. Measured, a job waited for
 * polls all the same (122 s with the default of one minute, 9 s with two seconds), and with more instances it must: so
 * none is woken here.
 *
 * @see https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger#polling-algorithm
 */
export function productionPace(maxPollingIntervalMs: number): QueuePace {
  return {
    ...{ leaseMs: 600_000, renewMs: 300_000 },
    ...{ minPauseMs: Math.min(100, maxPollingIntervalMs), maxPauseMs: maxPollingIntervalMs },
    ...{ asksUntilEmpty: true, isWoken: false, makesQueues: false },
  };
}

/** How far chance moves a pause to either side. */
const JITTER = 0.2;

/**
 * Returns one pause after another: the minimum after a message, then doubling.
 *
 * @returns function for the next pause; its argument: whether there was a message since the last
 */
export function openBackoff(
  { minPauseMs, maxPauseMs }: Pick<QueuePace, "minPauseMs" | "maxPauseMs">,
  random: () => number = Math.random,
): (found: boolean) => number {
  let empty = 0;
  return (found) => {
    empty = found ? 1 : empty + 1;
    if (empty === 1) return minPauseMs;
    const grown = minPauseMs * (1 + (1 - JITTER + 2 * JITTER * random()) * 2 ** (empty - 2));
    return Math.min(grown, maxPauseMs);
  };
}
