/**
 * @module
 * Queue triggers.
 *
 * `queue-pace.ts` has the polling interval and the leases. Delivery is at
 * least once at any pace, and at no promised time.
 */

import type { DequeuedMessageItem } from "@azure/storage-queue";
import type { HostClock, HostLog, InvocationResponse, TypedData } from "../protocol.ts";
import type { QueueConfig } from "./host-config.ts";
import { openBackoff, type QueuePace } from "./queue-pace.ts";
import { statusOf } from "./storage-error.ts";

/** How often a full listener checks for free capacity; a bell wakes it earlier. */
const FULL_LOOK_MS = 5_000;

/** The pause after an error, so that a store that is gone does not fill the log. */
const ERROR_PAUSE_MS = 2_000;

/** Max messages per request of the service. */
const MAX_FETCH = 32;

/** The part of a `QueueClient` that a listener uses. */
export interface ListenedQueue {
  readonly name: string;
  createIfNotExists(): Promise<unknown>;
  receiveMessages(options: {
    readonly numberOfMessages: number;
    readonly visibilityTimeout: number;
  }): Promise<{ readonly receivedMessageItems: readonly DequeuedMessageItem[] }>;
  updateMessage(
    messageId: string,
    popReceipt: string,
    message: undefined,
    visibilityTimeout: number,
  ): Promise<{ readonly popReceipt?: string }>;
  deleteMessage(messageId: string, popReceipt: string): Promise<unknown>;
  sendMessage(messageText: string): Promise<unknown>;
}

export interface QueueListenerOptions {
  readonly functionName: string;
  readonly queue: ListenedQueue;
  /** Absent for a poison queue: what its function cannot take stays there, hidden until its lease ends. */
  readonly poisonQueue?: ListenedQueue;
  readonly pace: QueuePace;
  readonly config: QueueConfig;
  readonly clock: HostClock;
  /** Called when a message was moved to the poison queue. */
  readonly onPoisoned: () => void;
  readonly invoke: (triggerData: TypedData, metadata: Record<string, TypedData>) => Promise<InvocationResponse>;
  readonly log: HostLog;
}

export interface QueueListener {
  /** Creates the queue if it is missing, and starts listening. */
  start(): Promise<void>;
  /** Polls now, because new messages were just added. */
  wake(): void;
  /** Fetches no more; running messages continue. */
  stop(): Promise<void>;
  /** Waits for running messages. */
  drain(): Promise<void>;
}

export function openQueueListener(options: QueueListenerOptions): QueueListener {
  const { queue, config, pace, log } = options;
  const underWay = new Set<Promise<void>>();
  let isStopped = false;
  let loop: Promise<void> | undefined;
  const bell = openBell();

  const isFull = (): boolean => underWay.size > config.newBatchThreshold;

  /** Whether there was a message since the last pause. */
  let found = false;

  /** @returns whether the queue may have more for now */
  const fetch = async (): Promise<boolean> => {
    const room = config.batchSize + config.newBatchThreshold - underWay.size;
    const numberOfMessages = Math.min(config.batchSize, room, MAX_FETCH);
    const { receivedMessageItems } = await queue.receiveMessages({
      numberOfMessages,
      visibilityTimeout: pace.leaseMs / 1000,
    });
    for (const message of receivedMessageItems) {
      const work = handleMessage(options, message)
        .catch((error: unknown) => log.error(`queue '${queue.name}': ${describe(error)}`))
        .then((end) => {
          if (isFull() || end === "given back") bell.ring();
          underWay.delete(work);
        });
      underWay.add(work);
    }
    found ||= receivedMessageItems.length > 0;
    return receivedMessageItems.length >= (pace.asksUntilEmpty ? 1 : numberOfMessages);
  };

  const listen = async (): Promise<void> => {
    const backoff = openBackoff(pace);
    const pause = async (): Promise<void> => {
      const ms = backoff(found);
      found = false;
      await bell.wait(ms);
    };
    let isFailing = false;
    while (!isStopped) {
      if (isFull()) {
        await bell.wait(FULL_LOOK_MS);
        continue;
      }
      try {
        const mayHaveMore = await fetch();
        if (isFailing) log.info(`queue '${queue.name}' answers again`);
        isFailing = false;
        if (!mayHaveMore) await pause();
      } catch (error) {
        if (isStopped) return;
        if (statusOf(error) === 404 && !pace.makesQueues) {
          await pause();
          continue;
        }
        if (statusOf(error) === 404) {
          await queue.createIfNotExists().catch(() => undefined);
        } else if (!isFailing) {
          log.warn(`queue '${queue.name}' cannot be read, and is tried again until it can: ${describe(error)}`);
        }
        isFailing = true;
        await bell.wait(ERROR_PAUSE_MS);
      }
    }
  };

  return {
    start: async () => {
      if (pace.makesQueues) await queue.createIfNotExists();
      loop = listen();
    },
    wake: () => {
      if (pace.isWoken) bell.ring();
    },
    stop: async () => {
      isStopped = true;
      bell.ring();
      await loop;
    },
    drain: async () => {
      while (underWay.size > 0) await Promise.all(underWay);
    },
  };
}

/** Runs the function for one message, and deletes, gives back or poisons the message by how that ended. */
async function handleMessage(
  options: QueueListenerOptions,
  message: DequeuedMessageItem,
): Promise<"gone" | "given back"> {
  const { queue, config, log } = options;
  const lease = keepLease(options, message);
  try {
    const text = decodeMessage(message.messageText, config.messageEncoding);
    if (text === undefined) {
      await moveToPoison(options, lease, message, "it is not base64 (extensions.queues.messageEncoding of host.json)");
      return "gone";
    }
    if (message.dequeueCount > config.maxDequeueCount && options.poisonQueue === undefined) return "gone";
    if (message.dequeueCount > config.maxDequeueCount) {
      await moveToPoison(options, lease, message, `it was delivered ${message.dequeueCount} times`);
      return "gone";
    }
    const response = await options.invoke({ string: text }, triggerMetadata(message, text));
    if (response.ok) {
      await ifStillOurs(queue, log, message, async () => {
        await queue.deleteMessage(message.messageId, await lease.end());
      });
    } else if (options.poisonQueue === undefined) {
      // Not given back: a message that fails at once would come again at once. The real host leaves it alike.
      log.warn(`message ${message.messageId} of queue '${queue.name}' failed, and stays hidden until its lease ends`);
    } else if (message.dequeueCount >= config.maxDequeueCount) {
      await moveToPoison(
        options,
        lease,
        message,
        `function '${options.functionName}' failed ${message.dequeueCount} times`,
      );
    } else {
      await ifStillOurs(queue, log, message, async () => {
        const hiddenS = Math.ceil(config.visibilityTimeoutMs / 1000);
        await queue.updateMessage(message.messageId, await lease.end(), undefined, hiddenS);
      });
      return "given back";
    }
    return "gone";
  } finally {
    await lease.end();
  }
}

async function moveToPoison(
  options: QueueListenerOptions,
  lease: Lease,
  message: DequeuedMessageItem,
  because: string,
): Promise<void> {
  const { queue, poisonQueue, log } = options;
  if (poisonQueue === undefined) {
    log.warn(`message ${message.messageId} of queue '${queue.name}' stays there: ${because}`);
    return;
  }
  log.warn(`message ${message.messageId} of queue '${queue.name}' goes to '${poisonQueue.name}': ${because}`);
  try {
    await poisonQueue.sendMessage(message.messageText);
  } catch (error) {
    if (statusOf(error) !== 404) throw error;
    await poisonQueue.createIfNotExists();
    await poisonQueue.sendMessage(message.messageText);
  }
  options.onPoisoned();
  await ifStillOurs(queue, log, message, async () => {
    await queue.deleteMessage(message.messageId, await lease.end());
  });
}

/** Lets a message go that has meanwhile been deleted or leased by another. */
async function ifStillOurs(
  queue: ListenedQueue,
  log: HostLog,
  message: DequeuedMessageItem,
  act: () => Promise<void>,
): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (statusOf(error) !== 404 && statusOf(error) !== 400) throw error;
    log.warn(`message ${message.messageId} of queue '${queue.name}' was taken by another while its function ran`);
  }
}

interface Lease {
  /** Stops renewing, and answers the receipt that holds now. */
  end(): Promise<string>;
}

function keepLease({ queue, pace, clock, log }: QueueListenerOptions, message: DequeuedMessageItem): Lease {
  let receipt = message.popReceipt;
  let renewing: Promise<void> | undefined;
  let isOver = false;
  let callOff: () => void;

  const renew = async (): Promise<void> => {
    try {
      const renewed = await queue.updateMessage(message.messageId, receipt, undefined, pace.leaseMs / 1000);
      receipt = renewed.popReceipt ?? receipt;
    } catch (error) {
      log.warn(
        `the lease of message ${message.messageId} of queue '${queue.name}' was not renewed: ${describe(error)}`,
      );
      if (statusOf(error) !== undefined) isOver = true;
    }
  };
  const waitFrom = (begun: Date): void => {
    callOff = clock.callAt(new Date(begun.getTime() + pace.renewMs), () => {
      const now = clock.now();
      // The next waits for this one: beside a slow renewal, another would show a receipt that the first makes void.
      renewing = renew().then(() => {
        if (!isOver) waitFrom(now);
      });
    });
  };
  waitFrom(clock.now());
  return {
    end: async () => {
      isOver = true;
      callOff();
      await renewing;
      return receipt;
    },
  };
}

/** Undoes the encoding of a queue message; undefined when it does not have that encoding. */
export function decodeMessage(text: string, encoding: QueueConfig["messageEncoding"]): string | undefined {
  if (encoding === "none") return text;
  const compact = text.replaceAll(/\s/g, "");
  if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return undefined;
  return Buffer.from(compact, "base64").toString("utf8");
}

function triggerMetadata(message: DequeuedMessageItem, text: string): Record<string, TypedData> {
  const at = (date: Date): TypedData => ({ json: JSON.stringify(date.toISOString().replace("Z", "+00:00")) });
  return {
    QueueTrigger: { string: text },
    DequeueCount: { json: String(message.dequeueCount) },
    Id: { string: message.messageId },
    PopReceipt: { string: message.popReceipt },
    InsertionTime: at(message.insertedOn),
    ExpirationTime: at(message.expiresOn),
    NextVisibleTime: at(message.nextVisibleOn),
  };
}

interface Bell {
  ring(): void;
  /** Waits for the next ring, at most `ms`; a ring since the last wait counts. */
  wait(ms: number): Promise<void>;
}

function openBell(): Bell {
  let hasRung = false;
  let wakeUp: (() => void) | undefined;
  return {
    ring: () => {
      hasRung = true;
      wakeUp?.();
    },
    wait: async (ms) => {
      if (!hasRung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wakeUp = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      wakeUp = undefined;
      hasRung = false;
    },
  };
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n")[0] ?? error.name) : String(error);
}
