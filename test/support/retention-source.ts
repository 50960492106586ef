import { isSourceMarker } from "../../src/vault/names.ts";
import type { MemoryAccount, MemoryBlob } from "./memory-account.ts";
import type { Dice } from "./retention-dice.ts";

const CONTAINERS = ["raw", "curated"];
const NAMES = ["a", "a!", "a/b", "a/c", "b", "long".repeat(300)];

/**
 * A protected account with random changes: blobs and containers are created, changed, deleted, and undeleted with old
 * ETags.
 */
export class ChangingSource {
  readonly #account: MemoryAccount;
  readonly #dice: Dice;
  /** All versions that ever existed, by ETag. */
  readonly #contents = new Map<string, string>();
  /** Versions that can be undeleted: container, name and the blob. */
  readonly #gone: [string, string, MemoryBlob][] = [];

  /** Changed blobs, by container and name, since the set was last cleared. */
  readonly touched = new Set<string>();

  constructor(account: MemoryAccount, dice: Dice) {
    this.#account = account;
    this.#dice = dice;
    for (const name of CONTAINERS) account.createContainer(name);
    for (let i = 0; i < 4; i++) this.change();
  }

  /** The content of every blob except markers, by container and name. */
  contents(): Map<string, string> {
    return new Map(
      [...this.#account.containers].flatMap(([container, blobs]) =>
        [...blobs]
          .filter(([name]) => !isSourceMarker(container, { name }))
          .map(([name, { content }]) => [`${container}/${name}`, content] as const),
      ),
    );
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
      for (const [lost, blob] of blobs) {
        this.#gone.push([container, lost, blob]);
        this.touched.add(`${container}/${lost}`);
      }
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
    this.touched.add(`${container}/${name}`);
    const kind = dice.below(8);
    if (kind < 2 && before !== undefined) {
      this.#gone.push([container, name, before]);
      blobs.delete(name);
    } else if (kind < 5 && this.#gone.length > 0) {
      // An undelete, or an old version that became current again.
      const [where, what, blob] = dice.pick(this.#gone) ?? [container, name, before];
      if (blob !== undefined) this.#account.containers.get(where)?.set(what, blob);
      this.touched.add(`${where}/${what}`);
    } else if (kind === 5 && before !== undefined) {
      blobs.set(name, { ...before, tier: dice.pick(["Hot", "Cool"]) ?? "Hot" });
    } else {
      if (before !== undefined) this.#gone.push([container, name, before]);
      const { etag, content } = this.#account.write(container, name, `content ${this.#contents.size}`);
      this.#contents.set(etag, content);
    }
  }
}
