import { seededRandom } from "./seeded-random.ts";

/** Deterministic choices from a seed. */
export class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** @returns a whole number from 0 on */
  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** True once in so many calls on average. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** @returns undefined when there is nothing to pick from */
  pick<T>(values: readonly T[]): T | undefined {
    return values[this.below(values.length)];
  }

  shuffle<T>(values: readonly T[]): T[] {
    const shuffled: T[] = [];
    for (const value of values) shuffled.splice(this.below(shuffled.length + 1), 0, value);
    return shuffled;
  }
}
