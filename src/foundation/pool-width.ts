/**
 * @module
 * Width of a pool, from the answers of its service. Single answers are noise: a healthy service throttles one request
 * in a thousand, a proxy breaks one connection in ten. So answers are counted in windows, and shares decide.
 */

/** Result of one try: done, throttled, or failed with another transient error. */
export type Answered = "done" | "throttled" | "failed";

/** Minimum number of answers for a decision. */
const MIN_ANSWERS = 10;

/** Up to this share of throttled requests a pool widens; above {@link NARROW_ABOVE} it narrows; between, it stays. */
const WIDEN_UP_TO = 0.1;
const NARROW_ABOVE = 0.2;

/** Single faults are no sign of pressure, unless nearly all answers are faults: then the service is unavailable. */
const AWAY_ABOVE = 0.8;

export type Counted = Readonly<Record<Answered, number>>;

const NOTHING_COUNTED: Counted = { done: 0, throttled: 0, failed: 0 };

export type WidthDecision =
  /** `pressed`: share of answers that call for narrowing, above 0, at most 1. `isAway`: nearly all were failures. */
  | { readonly kind: "narrow"; readonly pressed: number; readonly isAway: boolean }
  | { readonly kind: "stay" }
  | { readonly kind: "widen" };

/** Decides from the answers of one window, at least one, how the width changes. */
export function decideWidth({ done, throttled, failed }: Counted): WidthDecision {
  const all = done + throttled + failed;
  const failing = (throttled + failed) / all;
  const isAway = failing > AWAY_ABOVE;
  const pressed = isAway ? failing : throttled / all;
  if (pressed > NARROW_ABOVE) return { kind: "narrow", pressed, isAway };
  return { kind: pressed > WIDEN_UP_TO ? "stay" : "widen" };
}

/**
 * Width of a pool: additive increase, decrease by the share of throttled requests. A window has as many answers as the
 * pool is wide; answers to tries that started before the last narrowing are ignored.
 */
export class PoolWidth {
  readonly #widest: number;
  #now: number;
  /** Up to this width it doubles. */
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

  /** Increases with each narrowing; separates the tries before it from those after. */
  get round(): number {
    return this.#round;
  }

  /** How often the width was reduced. */
  get narrowings(): number {
    return this.#narrowings;
  }

  /** Whether there were only failures since a window with nearly all failures. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** Whether the service is under pressure: by the current window or, if that has too few answers, by the last one. */
  get isPressed(): boolean {
    const { done, throttled, failed } = this.#counted;
    const all = done + throttled + failed;
    return all < MIN_ANSWERS ? this.#wasNarrowed : throttled / all > NARROW_ABOVE;
  }

  /** @param round - value when the try started */
  count(round: number, answered: Answered): void {
    if (round === this.#round) this.#countAnswer(answered);
    if (answered === "done") this.#isAway = false;
  }

  #countAnswer(answered: Answered): void {
    this.#counted = { ...this.#counted, [answered]: this.#counted[answered] + 1 };
    const { done, throttled, failed } = this.#counted;
    if (done + throttled + failed < Math.max(MIN_ANSWERS, this.#now)) return;
    const decision = decideWidth(this.#counted);
    this.#counted = NOTHING_COUNTED;
    this.#wasNarrowed = decision.kind === "narrow";
    if (decision.kind === "narrow") this.#narrow(decision);
    else if (decision.kind === "widen") this.#widen();
  }

  /** Halves the pressed part of the width. After an outage the earlier width is soon reached again. */
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
