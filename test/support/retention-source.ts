import type { MemoryAccount, MemoryBlob } from "./memory-account.ts";
import type { Dice } from "./retention-dice.ts";

const CONTAINERS = ["raw", "curated"];
const NAMES = ["a", "a!", "a/b", "a/c", "b", "long".repeat(300)];

/** A protected account in which blobs and containers come, change, go, and come back, blobs with their old ETags too. */
export class ChangingSource {
  readonly #account: MemoryAccount;
  readonly #dice: Dice;
  /** By ETag, of all that ever was there. */
  readonly #contents = new Map<string, string>();
  /** Versions that can come back: container, name and the blob. */
  readonly #gone: [string, string, MemoryBlob][] = [];

  constructor(account: MemoryAccount, dice: Dice) {
    this.#account = account;
    this.#dice = dice;
    for (const name of CONTAINERS) account.createContainer(name);
    for (let i = 0; i < 4; i++) this.change();
  }

  contentOf(etag: string): string | undefined {
    return this.#contents.get(etag);
  }

  change(): void {
    const container = this.#dice.pick(CONTAINERS) ?? "";
    const blobs = this.#account.containers.get(container);
    if (blobs === undefined) this.#account.createContainer(container);
    else if (!this.#dice.oneIn(12)) this.changeBlob();
    else {
      for (const [lost, blob] of blobs) this.#gone.push([container, lost, blob]);
      this.#account.containers.delete(container);
    }
  }

  changeBlob(): void {
    const dice = this.#dice;
    const container = dice.pick([...this.#account.containers.keys()]);
    if (container === undefined) return;
    const blobs = this.#account.container(container);
    const name = dice.pick(NAMES) ?? "";
    const before = blobs.get(name);
    const kind = dice.below(8);
    if (kind < 2 && before !== undefined) {
      this.#gone.push([container, name, before]);
      blobs.delete(name);
    } else if (kind < 5 && this.#gone.length > 0) {
      // An undelete, or a version that was written over and is now the current one again.
      const [where, what, blob] = dice.pick(this.#gone) ?? [container, name, before];
      if (blob !== undefined) this.#account.containers.get(where)?.set(what, blob);
    } else if (kind === 5 && before !== undefined) {
      blobs.set(name, { ...before, tier: dice.pick(["Hot", "Cool"]) ?? "Hot" });
    } else {
      if (before !== undefined) this.#gone.push([container, name, before]);
      const { etag, content } = this.#account.write(container, name, `content ${this.#contents.size}`);
      this.#contents.set(etag, content);
    }
  }
}
