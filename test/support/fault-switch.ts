import { type FailureCode, VaultError } from "../../src/foundation/errors.ts";
import type { Dice } from "./retention-dice.ts";

/** Transient failures of a call. */
const PASSING: readonly FailureCode[] = ["storage/unavailable", "storage/throttled"];

/** One in how many calls is affected. */
const MEANWHILE_EVERY = 30;

/** One call in so many fails, up to the max number of faults. */
const FAULT_EVERY = 25;

type Call = (...args: unknown[]) => unknown;

/**
 * While armed, calls of the wrapped ports take time, so that those of several executions interleave; some fail before
 * their effect, and some lose their answer after it.
 */
export class FaultSwitch {
  #dice: Dice | undefined;
  #left = 0;
  #meanwhile: (() => void) | undefined;
  /** Faults so far. */
  faults = 0;

  /**
   * @param most - max number of faults
   * @param meanwhile - action while calls are pending
   */
  arm(dice: Dice, most: number, meanwhile?: () => void): void {
    this.#dice = dice;
    this.#left = most;
    this.#meanwhile = meanwhile;
  }

  disarm(): void {
    this.#dice = undefined;
  }

  wrap<T extends object>(port: T): T {
    return new Proxy(port, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property, target);
        if (typeof member !== "function") return member;
        const call: Call = (...args) => member.apply(target, args);
        return isGenerator(member) ? (...args: unknown[]) => this.#iterate(call, args) : this.#around(call);
      },
    });
  }

  #around(call: Call): Call {
    return (...args) => (this.#dice === undefined ? call(...args) : this.#slowly(call, args));
  }

  async #slowly(call: Call, args: readonly unknown[]): Promise<unknown> {
    await this.#pass();
    const value = await call(...args);
    await this.#pass();
    return value;
  }

  async *#iterate(call: Call, args: readonly unknown[]): AsyncGenerator<unknown, void, undefined> {
    for await (const value of call(...args) as AsyncIterable<unknown>) {
      await this.#pass();
      yield value;
    }
  }

  async #pass(): Promise<void> {
    const dice = this.#dice;
    if (dice === undefined) return;
    for (let turns = dice.below(4); turns > 0; turns--) await undefined;
    if (dice.oneIn(MEANWHILE_EVERY)) this.#meanwhile?.();
    if (this.#left === 0 || !dice.oneIn(FAULT_EVERY)) return;
    this.#left -= 1;
    this.faults += 1;
    throw new VaultError(dice.pick(PASSING) ?? "storage/unavailable", "the service did not answer");
  }
}

function isGenerator(member: object): boolean {
  return Object.prototype.toString.call(member) === "[object AsyncGeneratorFunction]";
}
