import { setImmediate } from "node:timers/promises";
import type { HostClock } from "../protocol.ts";

/** A clock that stands still until a test moves it. */
export class TestClock implements HostClock {
  #nowMs: number;
  readonly #alarms = new Set<{ readonly atMs: number; readonly callback: () => void }>();

  constructor(now: string) {
    this.#nowMs = Date.parse(now);
  }

  now(): Date {
    return new Date(this.#nowMs);
  }

  callAt(at: Date, callback: () => void): () => void {
    const alarm = { atMs: at.getTime(), callback };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  /** Moves on, alarm by alarm in order of time; what an alarm sets off gets to run, and to set further alarms. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await setImmediate();
    for (;;) {
      const due = [...this.#alarms].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
      const next = due[0];
      if (next === undefined) break;
      this.#alarms.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
      await setImmediate();
    }
    this.#nowMs = untilMs;
  }
}
