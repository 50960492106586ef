import type { HostClock } from "../../protocol.ts";

/** Time that stands still until a test moves it. */
export class TestClock implements HostClock {
  #now: number;
  readonly #alarms = new Set<{ readonly at: number; readonly ring: () => void }>();

  constructor(start = "2026-01-01T00:00:00.000Z") {
    this.#now = Date.parse(start);
  }

  now(): Date {
    return new Date(this.#now);
  }

  callAt(at: Date, callback: () => void): () => void {
    const alarm = { at: at.getTime(), ring: callback };
    this.#alarms.add(alarm);
    setImmediate(() => this.#ringDue());
    return () => this.#alarms.delete(alarm);
  }

  /** Moments that someone waits for, earliest first. */
  get waits(): Date[] {
    return [...this.#alarms].map(({ at }) => new Date(at)).sort((a, b) => a.getTime() - b.getTime());
  }

  /**
   * Lets what is going on come to rest, then moves time forward, ringing on the way whatever is due, at its own time.
   */
  async advance(byMs: number): Promise<void> {
    await turns();
    const end = this.#now + byMs;
    for (;;) {
      const next = this.waits[0]?.getTime();
      if (next === undefined || next > end) break;
      this.#now = Math.max(this.#now, next);
      this.#ringDue();
      await turns();
    }
    this.#now = end;
    await turns();
  }

  #ringDue(): void {
    for (const alarm of this.#alarms) {
      if (alarm.at > this.#now || !this.#alarms.delete(alarm)) continue;
      alarm.ring();
    }
  }
}

/** Lets everything that waits for nothing but the event loop go on. */
export async function turns(count = 50): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Waits, without time, for a condition that the event loop brings about. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 20_000; turn += 1) {
    if (await condition()) return;
    await turns(1);
  }
  throw new Error("the condition did not come true");
}
