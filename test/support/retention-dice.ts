import { seededRandom } from "./seeded-random.ts";

/** Deterministic choices: from a seed, or from a list of numbers that a property-based test draws and shrinks. */
export class Dice {
  readonly #random: () => number;

  /** @param source - a seed, or numbers from 0 to less than 1, after whose end the choices are always the same ones */
  constructor(source: number | readonly number[]) {
    if (typeof source === "number") {
      this.#random = seededRandom(source);
      return;
    }
    let next = 0;
    const rest = seededRandom(1);
    this.#random = () => source[next++] ?? rest();
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
