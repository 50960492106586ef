import { MAX_ALERT_NAMES } from "../alerts/alert.ts";
import { addDamage, type Damage, damageFrom, damageOf } from "./damage-runs.ts";
import type { FilePosition, FindingKind, PointPosition, ScrubCounts, ScrubState } from "./scrub-state.ts";

/** Limits the size of the row of a round, whatever the paths are. */
const MAX_NAME_LENGTH = 300;

/** A round in memory, between reading and writing its row. */
export class Round {
  #state: ScrubState;
  #settled: ScrubState;

  constructor(state: ScrubState) {
    this.#state = state;
    this.#settled = state;
  }

  get state(): ScrubState {
    return this.#state;
  }

  /** Damage at its last move: later findings are made again from there. */
  get settled(): ScrubState {
    return this.#settled;
  }

  moveTo(position: PointPosition | FilePosition): void {
    this.#state = { ...this.#state, position };
    this.#settled = this.#state;
  }

  count(more: Partial<ScrubCounts>): void {
    const counts: Record<string, number> = { ...this.#state.counts };
    for (const [name, number] of Object.entries(more)) counts[name] = (counts[name] ?? 0) + number;
    this.#state = { ...this.#state, counts: counts as ScrubCounts };
  }

  /**
   * Adds a finding.
   *
   * @param until - number of the last point that needs it; absent: it marks no point as damaged
   */
  found(kind: FindingKind, name: string, until?: number): void {
    const { first, damage } = this.#state;
    this.count({ [kind]: 1 });
    const names = first[kind];
    if (names.length < MAX_ALERT_NAMES) {
      this.#state = { ...this.#state, first: { ...first, [kind]: [...names, shortened(name)] } };
    }
    if (until === undefined || kind === "unconfirmed") return;
    this.#state = { ...this.#state, damage: [...addDamage(damage, kind, until, 1)] };
  }

  /** Records that entries may not have been compared, because their segment cannot be read. */
  leftSegmentUnread(): void {
    this.#state = { ...this.#state, hasUnreadSegments: true };
  }

  /** Drops damage that only points before this one need. */
  comesTo(sequence: number): void {
    this.#state = { ...this.#state, damage: [...damageFrom(this.#state.damage, sequence)] };
  }

  /** @returns undefined when nothing that this point needs is damaged */
  damageOf(sequence: number): Damage | undefined {
    return damageOf(this.#state.damage, sequence);
  }

  end(at: Date): void {
    this.#state = { ...this.#state, damage: [], endedAt: at.toISOString() };
  }
}

function shortened(name: string): string {
  return name.length <= MAX_NAME_LENGTH ? name : `${name.slice(0, MAX_NAME_LENGTH).toWellFormed()}…`;
}
