/**
 * Finds out whether a refusal is about one blob or about all, with a request that works whenever the accounts do.
 *
 * Concurrent callers share probes: each call is answered by a probe that started after it.
 */
export class AccountProbe {
  readonly #probe: () => Promise<void>;
  #current: Promise<unknown> = Promise.resolve();
  #next: Promise<void> | undefined;

  /** @param probe - throws when the accounts refuse or fail */
  constructor(probe: () => Promise<void>) {
    this.#probe = probe;
  }

  /** @throws what the probe throws */
  check(): Promise<void> {
    this.#next ??= this.#begin();
    return this.#next;
  }

  async #begin(): Promise<void> {
    await this.#current;
    this.#next = undefined;
    const probing = this.#probe();
    this.#current = probing.catch(() => undefined);
    await probing;
  }
}
