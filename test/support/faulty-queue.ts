import { VaultError } from "../../src/foundation/errors.ts";
import type { Dice } from "./retention-dice.ts";

/** One delivery of a message. @returns those that follow from it */
export type Delivery = () => Promise<readonly Delivery[]>;

interface Waiting {
  readonly delivery: Delivery;
  failures: number;
}

/** Deliveries after which a message that keeps failing is given up, as the host does. */
const MAX_DEQUEUE_COUNT = 5;

/** Deliveries at once. */
const WORKERS = 3;

/**
 * A queue without any order: while it is armed, some messages are delivered twice, also at the same time, some not at all,
 * and some only when the job that sent them has long ended.
 */
export class FaultyQueue {
  readonly #dice: Dice;
  #waiting: Waiting[] = [];
  #late: Waiting[] = [];
  readonly #running = new Set<Promise<void>>();
  #failed: { readonly error: unknown } | undefined;
  /** Messages that may still vanish, come twice or come late. */
  #left = 0;
  /** Messages that came twice, vanished or came late. */
  strays = 0;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** Whatever came late until now comes from here on. */
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
   * Delivers, several at once, until nothing is left or nobody waits any more; then some may still be under way.
   *
   * @param isDone - whether anybody still waits
   * @param before - happens before each delivery
   * @throws what a delivery throws that is no failure of Lakevault's own
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
   * Waits for what is still being delivered, when nobody waited for it any more.
   *
   * @throws what a delivery has thrown that is no failure of Lakevault's own
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
