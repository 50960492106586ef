/**
 * Something with a maximum rate: an account's requests, a processor, a partition of a table. It serves requests in
 * order, so it never exceeds its rate, and its busy time shows whether it was the bottleneck.
 */
export class RateServer {
  readonly name: string;
  readonly perSecond: number;
  #freeAt = 0;
  #served = 0;

  constructor(name: string, perSecond: number) {
    this.name = name;
    this.perSecond = perSecond;
  }

  /**
   * Requests an amount.
   *
   * @returns the time when it has been served, seconds
   */
  serve(now: number, amount: number): number {
    if (now > this.#freeAt) this.#freeAt = now;
    this.#freeAt += amount / this.perSecond;
    this.#served += amount;
    return this.#freeAt;
  }

  get served(): number {
    return this.#served;
  }

  /** Time that it took to serve everything so far, seconds. */
  get busySeconds(): number {
    return this.#served / this.perSecond;
  }
}
