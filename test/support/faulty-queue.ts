import { VaultError } from "../../src/foundation/errors.ts";
import type { Dice } from "./retention-dice.ts";

/** One delivery of a message. @returns the messages that follow from it */
export type Delivery = () => Promise<readonly Delivery[]>;

interface Waiting {
  readonly delivery: Delivery;
  failures: number;
}

/** Max deliveries of a failing message, as in the host. */
const MAX_DEQUEUE_COUNT = 5;

/** Concurrent deliveries. */
const WORKERS = 3;

/**
 * A queue without order: while armed, some messages are delivered twice, also concurrently, some never, and some only
 * long after the job that sent them has ended.
 */
export class FaultyQueue {
  readonly #dice: Dice;
  #waiting: Waiting[] = [];
  #late: Waiting[] = [];
  readonly #running = new Set<Promise<void>>();
  #failed: { readonly error: unknown } | undefined;
  /** How many messages may still be lost, duplicated or late. */
  #left = 0;
  /** Number of duplicated, lost or late messages. */
  strays = 0;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** Delivers all late messages from now on. */
  arm(most: number): void {
    this.#left = most;
    this.#waiting.push(...this.#late.splice(0));
  }

  send(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      const copies = this.#copiesOf(delivery);
      for (let copy = 0; copy < copies; copy++) this.#waiting.push({ delivery, failures: 0 });
    }
  }

  #copiesOf(delivery: Delivery): number {
    if (this.#left === 0 || !this.#dice.oneIn(4)) return 1;
    this.#left -= 1;
    this.strays += 1;
    switch (this.#dice.below(3)) {
      case 0:
        return 2;
      case 1:
        return 0;
      default:
        this.#late.push({ delivery, failures: 0 });
        return 0;
    }
  }

  /**
   * Delivers concurrently until nothing is left or `isDone`; then some deliveries may still run.
   *
   * @param isDone - whether nobody waits any more
   * @param before - runs before each delivery
   * @throws errors of a delivery that are no failures of Lakevault
   */
  async deliverUntil(isDone: () => boolean, before: () => void): Promise<void> {
    const running = this.#running;
    while (this.#failed === undefined && (this.#waiting.length > 0 || running.size > 0) && !isDone()) {
      const hasRoom = running.size < WORKERS && this.#waiting.length > 0;
      if (hasRoom && (running.size === 0 || this.#dice.oneIn(2))) {
        before();
        const [message] = this.#waiting.splice(this.#dice.below(this.#waiting.length), 1);
        if (message === undefined) break;
        const one: Promise<void> = this.#deliver(message)
          .catch((error: unknown) => {
            this.#failed ??= { error };
          })
          .finally(() => running.delete(one));
        running.add(one);
      } else await Promise.race(running);
    }
    if (!isDone()) await this.settle();
  }

  /**
   * Waits for running deliveries.
   *
   * @throws errors of a delivery that are no failures of Lakevault
   */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
    const failed = this.#failed;
    this.#failed = undefined;
    if (failed !== undefined) throw failed.error;
  }

  async #deliver(message: Waiting): Promise<void> {
    try {
      this.send(await message.delivery());
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      message.failures += 1;
      if (message.failures < MAX_DEQUEUE_COUNT) this.#waiting.push(message);
    }
  }
}
