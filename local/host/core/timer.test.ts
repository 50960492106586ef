import { test } from "vitest";
import type { InvocationRequest, InvocationResponse } from "../protocol.ts";
import { TestClock } from "../testing/test-clock.ts";
import { parseSchedule } from "./schedule.ts";
import { openTimer, type Timer, type TimerStatus, type TimerStatuses } from "./timer.ts";

const MINUTE_MS = 60_000;
const FAILED: InvocationResponse = { ok: false, error: { name: "Error", message: "no", stack: "" } };

class MemoryStatuses implements TimerStatuses {
  readonly rows = new Map<string, TimerStatus>();

  async read(name: string): Promise<TimerStatus | undefined> {
    return this.rows.get(name);
  }

  async write(name: string, status: TimerStatus): Promise<void> {
    this.rows.set(name, status);
  }
}

/** A timer on a test clock, whose function notes when and how it was called. */
class Bench {
  readonly runs: { at: string; isPastDue: boolean; retryCount: number; status: { Last: string } | null }[] = [];
  readonly warnings: string[] = [];
  readonly clock: TestClock;
  readonly statuses: MemoryStatuses;
  answer: () => Promise<InvocationResponse> = async () => ({ ok: true });

  constructor(now: string, statuses = new MemoryStatuses()) {
    this.clock = new TestClock(now);
    this.statuses = statuses;
  }

  open(schedule: string, options: Record<string, unknown> = {}, retryOptions?: Record<string, unknown>): Timer {
    return openTimer({
      definition: {
        name: "tick",
        trigger: { type: "timerTrigger", name: "timer", direction: "in", schedule, ...options },
        inputs: [],
        outputs: [],
        ...(retryOptions !== undefined && { retryOptions }),
      },
      schedule: parseSchedule(schedule),
      statuses: this.statuses,
      clock: this.clock,
      invoke: (request) => this.#invoke(request),
      log: { info: () => undefined, warn: (line) => this.warnings.push(line), error: () => undefined },
    });
  }

  async #invoke(request: InvocationRequest): Promise<InvocationResponse> {
    const { IsPastDue, ScheduleStatus } = JSON.parse(request.triggerData.json ?? "");
    const retryCount = request.retryContext?.retryCount ?? 0;
    this.runs.push({
      at: this.clock.now().toISOString().slice(11, 19),
      isPastDue: IsPastDue,
      retryCount,
      status: ScheduleStatus,
    });
    return this.answer();
  }

  times(): string[] {
    return this.runs.map(({ at }) => at);
  }
}

test("runs at each moment of its schedule", async ({ expect }) => {
  const bench = new Bench("2026-01-01T00:00:30Z");
  await bench.open("0 * * * * *").start();
  await bench.clock.advance(3 * MINUTE_MS);
  expect(bench.times()).toEqual(["00:01:00", "00:02:00", "00:03:00"]);
  expect(bench.runs.map(({ status }) => status?.Last)).toEqual([
    "0001-01-01T00:00:00+00:00",
    "2026-01-01T00:01:00.000+00:00",
    "2026-01-01T00:02:00.000+00:00",
  ]);
});

test("a run that is missed while the host is away is made up for, once", async ({ expect }) => {
  const before = new Bench("2026-01-01T00:00:30Z");
  const timer = before.open("0 0 * * * *");
  await timer.start();
  await timer.stop();

  const after = new Bench("2026-01-01T05:30:00Z", before.statuses);
  await after.open("0 0 * * * *").start();
  await after.clock.advance(45 * MINUTE_MS);
  expect(after.runs.map(({ at, isPastDue }) => [at, isPastDue])).toEqual([
    ["05:30:00", true],
    ["06:00:00", false],
  ]);
});

test("a run that the end of the host cut off is past due at the next start", async ({ expect }) => {
  const before = new Bench("2026-01-01T00:59:30Z");
  before.answer = () => new Promise(() => undefined);
  await before.open("0 0 * * * *").start();
  await before.clock.advance(MINUTE_MS);
  expect(before.times()).toEqual(["01:00:00"]);

  const after = new Bench("2026-01-01T01:01:00Z", before.statuses);
  await after.open("0 0 * * * *").start();
  await after.clock.advance(0);
  expect(after.runs.map(({ isPastDue }) => isPastDue)).toEqual([true]);
});

test("a run that outlasts the next moment leaves it past due for the next host", async ({ expect }) => {
  const before = new Bench("2026-01-01T00:59:30Z");
  let finish: () => void = () => undefined;
  before.answer = () =>
    new Promise((resolve) => {
      finish = () => resolve({ ok: true });
    });
  const timer = before.open("0 0 * * * *");
  await timer.start();
  await before.clock.advance(62 * MINUTE_MS);
  await timer.stop();
  finish();
  await timer.drain();

  const after = new Bench("2026-01-01T02:30:00Z", before.statuses);
  await after.open("0 0 * * * *").start();
  await after.clock.advance(0);
  expect(after.runs.map(({ isPastDue }) => isPastDue)).toEqual([true]);
});

test("nothing is past due when the schedule has changed", async ({ expect }) => {
  const before = new Bench("2026-01-01T00:00:30Z");
  const timer = before.open("0 0 * * * *");
  await timer.start();
  await timer.stop();

  const after = new Bench("2026-01-01T05:30:00Z", before.statuses);
  await after.open("0 0 12 * * *").start();
  await after.clock.advance(0);
  expect(after.runs).toEqual([]);
  expect(after.statuses.rows.get("tick")?.next.toISOString()).toBe("2026-01-01T12:00:00.000Z");
});

test("a timer that runs more often than every minute keeps no status", async ({ expect }) => {
  const bench = new Bench("2026-01-01T00:00:00Z");
  await bench.open("*/30 * * * * *").start();
  await bench.clock.advance(MINUTE_MS);
  expect(bench.times()).toEqual(["00:00:30", "00:01:00"]);
  expect(bench.statuses.rows.size).toBe(0);
});

test("runOnStartup runs it at the start as well", async ({ expect }) => {
  const bench = new Bench("2026-01-01T00:00:30Z");
  await bench.open("0 * * * * *", { runOnStartup: true }).start();
  await bench.clock.advance(MINUTE_MS);
  expect(bench.times()).toEqual(["00:00:30", "00:01:00"]);
});

test("never runs twice at once: what falls into a run is left out", async ({ expect }) => {
  const bench = new Bench("2026-01-01T00:00:30Z");
  let finish: () => void = () => undefined;
  bench.answer = () =>
    new Promise((resolve) => {
      finish = () => resolve({ ok: true });
    });
  const timer = bench.open("0 * * * * *");
  await timer.start();
  await bench.clock.advance(3 * MINUTE_MS);
  expect(bench.times()).toEqual(["00:01:00"]);
  const byHand = timer.runNow();
  await bench.clock.advance(0);
  expect(bench.runs).toHaveLength(1);
  finish();
  await bench.clock.advance(0);
  finish();
  await byHand;
  await bench.clock.advance(MINUTE_MS);
  expect(bench.times()).toEqual(["00:01:00", "00:03:30", "00:04:00"]);
});

test("a run by hand leaves the schedule as it is", async ({ expect }) => {
  const bench = new Bench("2026-01-01T00:00:30Z");
  const timer = bench.open("0 0 * * * *");
  await timer.start();
  const before = bench.statuses.rows.get("tick");
  await timer.runNow();
  expect(bench.runs).toHaveLength(1);
  expect(bench.statuses.rows.get("tick")).toEqual(before);
});

test("retries with a fixed delay, and gives up after the last", async ({ expect }) => {
  const bench = new Bench("2026-01-01T00:00:30Z");
  bench.answer = async () => FAILED;
  const retry = { retryStrategy: "fixedDelay", maxRetryCount: 2, delayInterval: { seconds: 10 } };
  await bench.open("0 0 * * * *", {}, retry).start();
  await bench.clock.advance(61 * MINUTE_MS);
  expect(bench.runs.map(({ at, retryCount }) => [at, retryCount])).toEqual([
    ["01:00:00", 0],
    ["01:00:10", 1],
    ["01:00:20", 2],
  ]);
});

test("retries at growing distances up to a limit, until it works", async ({ expect }) => {
  const bench = new Bench("2026-01-01T00:00:30Z");
  bench.answer = async () => (bench.runs.length < 5 ? FAILED : { ok: true });
  const retry = {
    retryStrategy: "exponentialBackoff",
    maxRetryCount: -1,
    minimumInterval: { seconds: 10 },
    maximumInterval: { seconds: 30 },
  };
  await bench.open("0 0 * * * *", {}, retry).start();
  await bench.clock.advance(65 * MINUTE_MS);
  expect(bench.times()).toEqual(["01:00:00", "01:00:10", "01:00:30", "01:01:00", "01:01:30"]);
});

test("a stop between two tries leaves the run to the next host", async ({ expect }) => {
  const bench = new Bench("2026-01-01T00:00:30Z");
  bench.answer = async () => FAILED;
  const retry = { retryStrategy: "fixedDelay", maxRetryCount: -1, delayInterval: { seconds: 10 } };
  const timer = bench.open("0 0 * * * *", {}, retry);
  await timer.start();
  await bench.clock.advance(60 * MINUTE_MS);
  await timer.stop();
  await timer.drain();
  expect(bench.statuses.rows.get("tick")?.next.toISOString()).toBe("2026-01-01T01:00:00.000Z");
});

test("a schedule that never comes round is warned of", async ({ expect }) => {
  const bench = new Bench("2026-01-01T00:00:30Z");
  await bench.open("0 0 0 30 2 *").start();
  await bench.clock.advance(MINUTE_MS);
  expect(bench.warnings).toEqual(["timer 'tick' has no next run: its schedule never comes round"]);
});
