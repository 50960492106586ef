/**
 * Finds out whether a refusal is about one blob or about all, by doing what is known to work when the accounts are sound.
 *
 * Many ask at once; each is answered by a try that began after it asked, and those who ask in the meantime share the next.
 */
export class AccountProbe {
  readonly #probe: () => Promise<void>;
  #current: Promise<unknown> = Promise.resolve();
  #next: Promise<void> | undefined;

  /** @param probe - throws when the accounts do not do it */
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
