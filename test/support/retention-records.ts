import { DAY_MS } from "../../src/foundation/durations.ts";
import { expiryOf, type RetentionRule } from "../../src/policies/retention-rules.ts";
import type { RetainedPoint, RetentionTerms } from "../../src/retention/decide-retention.ts";
import type { SealedPoint } from "../../src/vault/list-seals.ts";
import type { Dice } from "./retention-dice.ts";

const TAGS = ["Default", "Weekly", "Monthly", "Yearly"];
const KEEPS = ["P1D", "P3D", "P7D", "P2W", "P1M", "P2M", "P1Y"];

/** How long deleted data can be undeleted. */
const UNDELETE_MS = 14 * DAY_MS;

type Row = Omit<RetainedPoint, "isPinned">;

/** State of an instance beside its vault: the time, its policy and state, its points' rows, and pins. */
export class InstanceRecords {
  readonly #dice: Dice;
  readonly #rows = new Map<string, Row>();
  /** Recovery points by the restore that pins them. */
  readonly #pins = new Map<string, string>();
  #now = new Date("2026-01-30T02:00:00.000Z");
  #rules: readonly RetentionRule[] | undefined = TAGS.map((name) => ({ name, keep: "P7D" }));
  #protection: RetentionTerms["protection"] = "protected";
  #isImmutable = false;
  /** End of the time for undelete, if the whole instance is deleted. */
  #deletedUntil: Date | undefined;
  /** Number of undeletes. */
  undeleted = 0;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  get now(): Date {
    return this.#now;
  }

  get terms(): RetentionTerms {
    return { rules: this.#rules, protection: this.#protection, isImmutable: this.#isImmutable };
  }

  get ids(): string[] {
    return [...this.#rows.keys()];
  }

  /** Creates the row of a point that was just sealed, with a random tag. */
  add({ id, sequence }: SealedPoint): void {
    const tag = this.#dice.pick(TAGS) ?? "";
    const keep = this.#rules?.find(({ name }) => name === tag)?.keep;
    const promisedUntil = keep === undefined ? undefined : expiryOf(this.#now, keep);
    this.#rows.set(id, { id, sequence, time: this.#now, tag, promisedUntil });
  }

  remove(id: string): void {
    this.#rows.delete(id);
  }

  pin(restore: string, id: string): void {
    this.#pins.set(restore, id);
  }

  unpin(restore: string): void {
    this.#pins.delete(restore);
  }

  isPinned(id: string): boolean {
    return [...this.#pins.values()].includes(id);
  }

  /** All points as retention sees them. */
  points(): RetainedPoint[] {
    return [...this.#rows.values()].map((row) => ({
      ...row,
      isPinned: this.isPinned(row.id),
      softDeletedUntil: row.softDeletedUntil ?? this.#deletedUntil,
    }));
  }

  /** Advances time, mostly by whole days, so that points expire to the millisecond. */
  pass(): void {
    const days = this.#dice.pick([0, 0, 1, 1, 3, 7, 14, 31]) ?? 0;
    this.#now = new Date(this.#now.getTime() + days * DAY_MS - (this.#dice.oneIn(6) && days > 0 ? 1 : 0));
  }

  /**
   * One random action of an owner.
   *
   * @param isGoing - whether the purge of a point has started: then nobody can undelete it
   */
  change(isGoing: (id: string) => boolean): void {
    const until = new Date(this.#now.getTime() + UNDELETE_MS);
    const kind = this.#dice.below(10);
    if (kind < 3) this.#changePolicy();
    else if (kind < 5) this.#deletePoint(until);
    else if (kind === 5) this.#undeletePoint(isGoing);
    else if (kind === 6) this.#deletedUntil ??= until;
    else if (kind === 7) this.undeleteInstance();
    else if (kind === 8) this.#protection = this.#protection === "protected" ? "kept-forever" : "protected";
    else this.#isImmutable = !this.#isImmutable;
  }

  /** Deletes a point whose time for undelete is over, if nothing forbids it. */
  deleteForGood(): void {
    if (!this.#isImmutable) this.#deletePoint(this.#now);
  }

  /** Deletes everything, if nothing forbids it, so that nothing can be undeleted. */
  deleteInstanceForGood(): void {
    if (!this.#isImmutable) this.#deletedUntil = this.#now;
  }

  /** @returns whether backups are possible: it is not deleted, though its protection may be stopped */
  undeleteInstance(): boolean {
    if (this.#deletedUntil === undefined) return true;
    // After its points are purged, the same account may be protected again.
    if (this.#deletedUntil <= this.#now && this.#rows.size > 0) return false;
    this.#deletedUntil = undefined;
    this.#protection = "kept-forever";
    this.undeleted += 1;
    return true;
  }

  /** @returns whether backups are made from now on */
  resume(): boolean {
    if (!this.undeleteInstance()) return false;
    this.#protection = "protected";
    return true;
  }

  /** Removes everything that forbids deletion. */
  unlock(): void {
    this.#isImmutable = false;
  }

  #changePolicy(): void {
    const dice = this.#dice;
    if (dice.oneIn(8)) {
      this.#rules = undefined;
      return;
    }
    this.#rules = TAGS.flatMap((name) => {
      const rule = { name, keep: dice.oneIn(16) ? "PT12H" : (dice.pick(KEEPS) ?? "") };
      if (dice.oneIn(10)) return [];
      return dice.oneIn(16) ? [rule, rule] : [rule];
    });
  }

  #deletePoint(until: Date): void {
    const row = this.#dice.pick([...this.#rows.values()]);
    if (row === undefined) return;
    const earlier = row.softDeletedUntil !== undefined && row.softDeletedUntil < until;
    if (!earlier) this.#rows.set(row.id, { ...row, softDeletedUntil: until });
  }

  #undeletePoint(isGoing: (id: string) => boolean): void {
    const row = this.#dice.pick([...this.#rows.values()].filter(({ softDeletedUntil }) => softDeletedUntil));
    if (row?.softDeletedUntil === undefined || row.softDeletedUntil <= this.#now || isGoing(row.id)) return;
    this.#rows.set(row.id, { ...row, softDeletedUntil: undefined });
    this.undeleted += 1;
  }
}
