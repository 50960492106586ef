/**
 * @module
 * How wide a pool is, by what its service answers. One answer says little: a service that is well refuses one request in a
 * thousand, a proxy breaks one connection in ten. So answers are counted in windows, and the share of each kind decides.
 */

/** What one try came to: done, refused because the service is asked for too much, or failed for any other passing reason. */
export type Answered = "done" | "throttled" | "failed";

/** Answers by which something is decided, at least; fewer say nothing. */
const MIN_ANSWERS = 10;

/** Up to this share of refusals a pool widens; above {@link NARROW_ABOVE} it narrows, and between them it stays. */
const WIDEN_UP_TO = 0.1;
const NARROW_ABOVE = 0.2;

/** Single faults are no sign of pressure, unless nearly all answers are faults: then the service is away. */
const AWAY_ABOVE = 0.8;

export type Counted = Readonly<Record<Answered, number>>;

const NOTHING_COUNTED: Counted = { done: 0, throttled: 0, failed: 0 };

export type WidthDecision =
  /** `pressed`: share of the answers that speak for narrowing, above 0, at most 1. `isAway`: nearly all were failures. */
  | { readonly kind: "narrow"; readonly pressed: number; readonly isAway: boolean }
  | { readonly kind: "stay" }
  | { readonly kind: "widen" };

/** Decides what the answers of one window, at least one, mean for the width. */
export function judge({ done, throttled, failed }: Counted): WidthDecision {
  const all = done + throttled + failed;
  const failing = (throttled + failed) / all;
  const isAway = failing > AWAY_ABOVE;
  const pressed = isAway ? failing : throttled / all;
  if (pressed > NARROW_ABOVE) return { kind: "narrow", pressed, isAway };
  return { kind: pressed > WIDEN_UP_TO ? "stay" : "widen" };
}

/**
 * The width of a pool: additive increase, decrease by the share of refusals. A window is as many answers as the pool is
 * wide; answers to tries that began before the last narrowing do not count.
 */
export class PoolWidth {
  readonly #widest: number;
  #now: number;
  /** Up to here the width doubles. */
  #recoverTo = 0;
  #counted = NOTHING_COUNTED;
  #wasNarrowed = false;
  #isAway = false;
  #round = 0;
  #narrowings = 0;

  /** @param start - at least 1 */
  constructor(start: number, widest: number) {
    this.#now = Math.min(start, widest);
    this.#widest = widest;
  }

  get now(): number {
    return this.#now;
  }

  /** Grows with each narrowing; tells the tries before it from those after. */
  get round(): number {
    return this.#round;
  }

  /** Times that the width has become less. */
  get narrowings(): number {
    return this.#narrowings;
  }

  /** Whether nothing but failures came since nearly all answers of a window were failures. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** Whether the service is under pressure: by the window that is open, or while that says nothing by the one before. */
  get isPressed(): boolean {
    const { done, throttled, failed } = this.#counted;
    const all = done + throttled + failed;
    return all < MIN_ANSWERS ? this.#wasNarrowed : throttled / all > NARROW_ABOVE;
  }

  /** @param round - as it was when the try began */
  count(round: number, answered: Answered): void {
    if (round === this.#round) this.#judge(answered);
    if (answered === "done") this.#isAway = false;
  }

  #judge(answered: Answered): void {
    this.#counted = { ...this.#counted, [answered]: this.#counted[answered] + 1 };
    const { done, throttled, failed } = this.#counted;
    if (done + throttled + failed < Math.max(MIN_ANSWERS, this.#now)) return;
    const verdict = judge(this.#counted);
    this.#counted = NOTHING_COUNTED;
    this.#wasNarrowed = verdict.kind === "narrow";
    if (verdict.kind === "narrow") this.#narrow(verdict);
    else if (verdict.kind === "widen") this.#widen();
  }

  /** The part of the width that was pressed is halved. What was borne before is soon tried again after the service was away. */
  #narrow({ pressed, isAway }: { readonly pressed: number; readonly isAway: boolean }): void {
    this.#isAway ||= isAway;
    this.#recoverTo = isAway ? Math.max(this.#recoverTo, Math.floor(this.#now / 2)) : 0;
    this.#round += 1;
    if (this.#now > 1) this.#narrowings += 1;
    this.#now = Math.max(1, Math.floor(this.#now * (1 - pressed / 2)));
  }

  #widen(): void {
    const wider = this.#now < this.#recoverTo ? Math.min(2 * this.#now, this.#recoverTo) : this.#now + 1;
    this.#now = Math.min(this.#widest, wider);
  }
}
