/**
 * Limit of an account: tokens arrive at a steady rate, and those of one second can be saved. A large amount passes as
 * long as there is any token, and then nothing until the debt is paid, like bandwidth limits.
 */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #at = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  hasToken(now: number): boolean {
    this.#fill(now);
    return this.#tokens > 0;
  }

  take(now: number, amount: number): void {
    this.#fill(now);
    this.#tokens -= amount;
  }

  #fill(now: number): void {
    this.#tokens = Math.min(this.#perSecond, this.#tokens + (now - this.#at) * this.#perSecond);
    this.#at = now;
  }
}
