/**
 * Something that serves so much a second and no more: an account's requests, a processor, a partition of a table. It serves
 * in the order in which it is asked, so what it has served never passes its rate, and how long it was busy tells whether it
 * was what everything else waited for.
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
   * Asks for an amount.
   *
   * @returns the moment when it has been served, seconds
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
