/**
 * Simulated time: actions in the order of their times, those of one time in the order in which they were planned.
 *
 * A binary heap in three parallel arrays, because a run has millions of events.
 */
export class EventQueue {
  readonly #moments: number[] = [];
  readonly #orders: number[] = [];
  readonly #actions: (() => void)[] = [];
  #planned = 0;
  #now = 0;
  #handled = 0;

  /** Seconds since the simulation began. */
  get now(): number {
    return this.#now;
  }

  /** Number of actions so far. */
  get handled(): number {
    return this.#handled;
  }

  /** Plans an action; a time in the past means now. */
  at(moment: number, action: () => void): void {
    const order = this.#planned++;
    const time = Math.max(moment, this.#now);
    let place = this.#moments.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#isAfter(parent, time, order)) break;
      this.#move(parent, place);
      place = parent;
    }
    this.#put(place, time, order, action);
  }

  /**
   * Runs the next action.
   *
   * @returns false when there was none
   */
  step(): boolean {
    const action = this.#actions[0];
    if (action === undefined) return false;
    this.#now = this.#moments[0] ?? this.#now;
    this.#removeFirst();
    this.#handled += 1;
    action();
    return true;
  }

  /** Runs all actions, also those that they plan. */
  run(): void {
    while (this.step());
  }

  #removeFirst(): void {
    const moment = this.#moments.pop() ?? 0;
    const order = this.#orders.pop() ?? 0;
    const action = this.#actions.pop();
    const length = this.#moments.length;
    if (length === 0 || action === undefined) return;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= length) break;
      const right = child + 1;
      if (right < length && this.#isAfter(child, this.#moments[right] ?? 0, this.#orders[right] ?? 0)) child = right;
      if (this.#isAfter(child, moment, order)) break;
      this.#move(child, place);
      place = child;
    }
    this.#put(place, moment, order, action);
  }

  #isAfter(place: number, moment: number, order: number): boolean {
    const other = this.#moments[place] ?? 0;
    return other > moment || (other === moment && (this.#orders[place] ?? 0) > order);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#moments[from] ?? 0, this.#orders[from] ?? 0, this.#actions[from] ?? nothing);
  }

  #put(place: number, moment: number, order: number, action: () => void): void {
    this.#moments[place] = moment;
    this.#orders[place] = order;
    this.#actions[place] = action;
  }
}

function nothing(): void {}
