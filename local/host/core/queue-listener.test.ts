import type { DequeuedMessageItem } from "@azure/storage-queue";
import { test } from "vitest";
import type { InvocationResponse } from "../protocol.ts";
import { TestClock } from "../testing/test-clock.ts";
import { type ListenedQueue, openQueueListener } from "./queue-listener.ts";
import { developmentPace, productionPace } from "./queue-pace.ts";

const PACE = developmentPace(60_000);
const { leaseMs: LEASE_MS, renewMs: RENEW_MS } = PACE;

const MESSAGE: DequeuedMessageItem = {
  messageId: "m1",
  messageText: Buffer.from("{}").toString("base64"),
  popReceipt: "receipt 0",
  dequeueCount: 1,
  insertedOn: new Date(0),
  expiresOn: new Date(0),
  nextVisibleOn: new Date(0),
};

/** A queue with one message, whose receipt changes with each renewal. */
class FakeQueue implements ListenedQueue {
  readonly name = "work";
  /** The receipts that were shown for a renewal. */
  readonly renewals: string[] = [];
  readonly visibilityTimeouts: number[] = [];
  made = 0;
  /** The receipt that was shown for the removal. */
  deletedBy: string | undefined;
  /** What stands between a renewal and its answer. */
  beforeAnswer: () => Promise<void> = async () => undefined;
  #wasReceived = false;

  async createIfNotExists(): Promise<void> {
    this.made += 1;
  }

  async receiveMessages() {
    const receivedMessageItems = this.#wasReceived ? [] : [MESSAGE];
    this.#wasReceived = true;
    return { receivedMessageItems };
  }

  async updateMessage(_id: string, popReceipt: string, _message: undefined, visibilityTimeout: number) {
    this.renewals.push(popReceipt);
    this.visibilityTimeouts.push(visibilityTimeout);
    const answer = { popReceipt: `receipt ${this.renewals.length}` };
    await this.beforeAnswer();
    return answer;
  }

  async deleteMessage(_id: string, popReceipt: string): Promise<void> {
    this.deletedBy = popReceipt;
  }

  async sendMessage(): Promise<void> {
    throw new Error("nothing is poisoned here");
  }
}

/** Listens to a queue, and returns when the function of its message has begun. */
async function listenTo(queue: FakeQueue, { pace = PACE, isPoison = false } = {}) {
  const clock = new TestClock("2026-01-01T00:00:00Z");
  const warnings: string[] = [];
  const begun = Promise.withResolvers<void>();
  const work = Promise.withResolvers<InvocationResponse>();
  const listener = openQueueListener({
    functionName: "work",
    queue,
    ...(!isPoison && { poisonQueue: queue }),
    pace,
    config: {
      batchSize: 1,
      newBatchThreshold: 0,
      maxDequeueCount: 5,
      visibilityTimeoutMs: 0,
      maxPollingIntervalMs: 60_000,
      messageEncoding: "base64",
    },
    clock,
    onPoisoned: () => undefined,
    invoke: () => {
      begun.resolve();
      return work.promise;
    },
    log: {
      info: () => undefined,
      warn: (message) => warnings.push(message),
      error: (message) => warnings.push(message),
    },
  });
  await listener.start();
  await begun.promise;
  return {
    clock,
    warnings,
    /** Lets the function end, and the listener with it. */
    end: async (response: InvocationResponse = { ok: true }) => {
      work.resolve(response);
      await listener.drain();
      await listener.stop();
    },
  };
}

test("a message is leased anew for as long as its function runs, each time by the receipt of the last", async ({
  expect,
}) => {
  const queue = new FakeQueue();
  const { clock, warnings, end } = await listenTo(queue);
  await clock.advance(12 * RENEW_MS);
  expect(queue.renewals).toEqual(Array.from({ length: 12 }, (_, n) => `receipt ${n}`));
  expect(new Set(queue.visibilityTimeouts)).toEqual(new Set([LEASE_MS / 1000]));
  await end();
  expect(queue.deletedBy).toBe("receipt 12");
  await clock.advance(10 * RENEW_MS);
  expect(queue.renewals).toHaveLength(12);
  expect(warnings).toEqual([]);
});

test("a slow renewal has none beside it, and the next follows at once", async ({ expect }) => {
  const queue = new FakeQueue();
  const { clock, warnings, end } = await listenTo(queue);
  const answer = Promise.withResolvers<void>();
  queue.beforeAnswer = () => answer.promise;
  await clock.advance(3 * RENEW_MS);
  expect(queue.renewals).toEqual(["receipt 0"]);
  answer.resolve();
  await clock.advance(0);
  expect(queue.renewals).toEqual(["receipt 0", "receipt 1"]);
  await end();
  expect(queue.deletedBy).toBe("receipt 2");
  expect(warnings).toEqual([]);
});

test("a function that ends during a renewal waits for it, as it makes the receipt void that was there", async ({
  expect,
}) => {
  const queue = new FakeQueue();
  const { clock, end } = await listenTo(queue);
  const answer = Promise.withResolvers<void>();
  queue.beforeAnswer = () => answer.promise;
  await clock.advance(RENEW_MS);
  const ended = end();
  await clock.advance(0);
  expect(queue.deletedBy).toBeUndefined();
  answer.resolve();
  await ended;
  expect(queue.deletedBy).toBe("receipt 1");
});

test("a renewal that got no answer is tried again; one that was refused is the last", async ({ expect }) => {
  const queue = new FakeQueue();
  const { clock, warnings, end } = await listenTo(queue);
  queue.beforeAnswer = async () => {
    throw new Error("the connection was cut");
  };
  await clock.advance(2 * RENEW_MS);
  expect(queue.renewals).toEqual(["receipt 0", "receipt 0"]);
  queue.beforeAnswer = async () => {
    throw Object.assign(new Error("the message is another's"), { statusCode: 404 });
  };
  await clock.advance(5 * RENEW_MS);
  expect(queue.renewals).toHaveLength(3);
  expect(warnings.map((warning) => warning.split(": ").at(-1))).toEqual([
    "the connection was cut",
    "the connection was cut",
    "the message is another's",
  ]);
  await end();
});

test("in production a message is leased for ten minutes, and the host makes no queue", async ({ expect }) => {
  const queue = new FakeQueue();
  const { clock, end } = await listenTo(queue, { pace: productionPace(10) });
  await clock.advance(600_000);
  expect(queue.visibilityTimeouts).toEqual([600, 600]);
  await end();
  expect(queue.made).toBe(0);
});

test("a message that a poison queue's function cannot take is neither removed, given back nor sent elsewhere", async ({
  expect,
}) => {
  const queue = new FakeQueue();
  const { warnings, end } = await listenTo(queue, { isPoison: true });
  await end({ ok: false, error: { name: "Error", message: "no", stack: "" } });
  expect(queue.deletedBy).toBeUndefined();
  expect(queue.visibilityTimeouts).toEqual([]);
  expect(warnings).toEqual([expect.stringContaining("stays hidden until its lease ends")]);
});
