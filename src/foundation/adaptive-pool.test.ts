import { AsyncLocalStorage } from "node:async_hooks";
import fc from "fast-check";
import { test } from "vitest";
import { seededRandom } from "../../test/support/seeded-random.ts";
import { AdaptivePool, type PoolSettings } from "./adaptive-pool.ts";
import { VaultError } from "./errors.ts";
import { type Answered, PoolWidth } from "./pool-width.ts";

/** Virtual time: when nothing else can happen, the earliest sleeper wakes, one at a time. */
class VirtualTime {
  now = Date.UTC(2026, 0, 1);
  #sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  readonly clock = () => new Date(this.now);
  readonly sleep = (ms: number) =>
    new Promise<void>((wake) => {
      this.#sleepers.push({ at: this.now + ms, wake });
    });

  /** Runs everything until nobody sleeps; `step` is called whenever all is idle. */
  async pass(step: () => void = () => undefined): Promise<number> {
    for (let steps = 0; ; steps++) {
      await new Promise((resolve) => setImmediate(resolve));
      step();
      const next = this.#sleepers.reduce<number>(
        (best, { at }, i) => (at < (this.#sleepers[best]?.at ?? Number.POSITIVE_INFINITY) ? i : best),
        -1,
      );
      const [sleeper] = next === -1 ? [] : this.#sleepers.splice(next, 1);
      if (sleeper === undefined) return steps;
      this.now = sleeper.at;
      sleeper.wake();
    }
  }
}

function open(settings: Partial<PoolSettings> = {}, random = () => 0.5): { time: VirtualTime; pool: AdaptivePool } {
  const time = new VirtualTime();
  return { time, pool: new AdaptivePool({ widest: 8, retryForMs: 60_000, ...settings }, { ...time, random }) };
}

function busy(retryAfterMs?: number): VaultError {
  const options = retryAfterMs === undefined ? {} : { retryAfterMs };
  return new VaultError("storage/throttled", "the vault account throttles requests", options);
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Observes a promise, so that its rejection is never unhandled while time advances. */
function outcome<T>(promise: Promise<T>): Promise<{ value?: T; error?: unknown }> {
  return promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

test("returns results in input order and never runs more tasks than the width", async ({ expect }) => {
  const { time, pool } = open({ widest: 3 });
  let running = 0;
  let most = 0;
  const mapped = pool.map([50, 10, 40, 20, 30, 0], async (ms) => {
    running += 1;
    most = Math.max(most, running);
    await time.sleep(ms);
    running -= 1;
    return ms * 10;
  });
  await time.pass();
  expect(await mapped).toEqual([500, 100, 400, 200, 300, 0]);
  expect(most).toBe(3);
  expect(await pool.map([], () => Promise.resolve(1))).toEqual([]);
  expect(await pool.run(() => Promise.resolve("one"))).toBe("one");
  expect(await pool.map([1, 2], () => Promise.resolve(undefined))).toEqual([undefined, undefined]);
});

test("starts nothing after a permanent error, and ends only when nothing runs any more", async ({ expect }) => {
  const { time, pool } = open({ widest: 3 });
  const begun: number[] = [];
  let ended = 0;
  const mapped = outcome(
    pool.map(numbers(10), async (n) => {
      begun.push(n);
      await time.sleep(10 * (n + 1));
      ended += 1;
      if (n === 0) throw new VaultError("datasource/forbidden", "first");
      if (n === 1) throw new VaultError("datasource/forbidden", "second");
    }),
  );
  const endedBefore = mapped.then(() => ended);
  await time.pass();
  expect((await mapped).error).toMatchObject({ message: "first" });
  expect(await endedBefore).toBe(3);
  expect(begun).toEqual([0, 1, 2]);
  expect(pool.pressure).toEqual({ width: 3, widest: 3, halvings: 0 });
  expect(await pool.run(() => Promise.resolve("still at work"))).toBe("still at work");
});

test("an error that the task throws synchronously counts like any other", async ({ expect }) => {
  const { pool } = open();
  await expect(
    pool.run(() => {
      throw new TypeError("no promise");
    }),
  ).rejects.toThrow("no promise");
  expect(await pool.run(() => Promise.resolve(1))).toBe(1);
});

const failed = () => new VaultError("storage/unavailable", "the vault account cannot be reached");

test("throttling of many concurrent tries narrows the pool once, by its share", async ({ expect }) => {
  const { time, pool } = open({ widest: 16 });
  const refused = new Set<number>();
  const widths = new Set<number>();
  const mapped = pool.map(numbers(16), async (n) => {
    await time.sleep(100 + n);
    if (refused.has(n) || n % 2 === 0) return n;
    refused.add(n);
    throw busy();
  });
  await time.pass(() => widths.add(pool.pressure.width));
  expect(await mapped).toEqual(numbers(16));
  expect(refused.size).toBe(8);
  // Half of the answers are throttled, so the width shrinks by a quarter.
  expect([...widths]).toEqual([16, 12]);
  expect(pool.pressure).toMatchObject({ halvings: 1, last: { code: "storage/throttled" } });
});

test.for([
  ["faults", failed, 0.3],
  ["refusals", busy, 0.07],
] as const)("single %s cost one try each and do not narrow the pool", async ([, error, share], { expect }) => {
  const chance = seededRandom(3);
  const { time, pool } = open({ widest: 32 }, seededRandom(4));
  let tries = 0;
  const widths = new Set<number>();
  const mapped = pool.map(numbers(2_000), async (n) => {
    tries += 1;
    await time.sleep(20 + (n % 7));
    if (chance() < share) throw error();
    return n;
  });
  await time.pass(() => widths.add(pool.pressure.width));
  expect(await mapped).toEqual(numbers(2_000));
  expect(tries).toBeGreaterThan(2_000 * (1 + share / 2));
  expect(Math.min(...widths)).toBeGreaterThan(28);
});

test("an unavailable service is probed by one try at a time; all continue soon after it is back", async ({
  expect,
}) => {
  const { time, pool } = open({ widest: 64, retryForMs: 600_000 }, seededRandom(5));
  const start = time.now;
  const backAt = start + 120_000;
  let asked = 0;
  let lateAsked = 0;
  const mapped = pool.map(numbers(1_000), async (n) => {
    if (time.now < backAt) asked += 1;
    if (time.now < backAt && time.now > start + 30_000) lateAsked += 1;
    await time.sleep(10);
    if (time.now < backAt) throw failed();
    return n;
  });
  let trickle = 64;
  await time.pass(() => {
    if (time.now < backAt) trickle = Math.min(trickle, pool.pressure.width);
  });
  expect(await mapped).toEqual(numbers(1_000));
  expect(trickle).toBe(1);
  expect(asked).toBeLessThan(500);
  // One try at most every few seconds, on average.
  expect(lateAsked).toBeLessThan(90);
  expect(pool.pressure.last).toMatchObject({ code: "storage/unavailable" });
  // Without faults, 1,000 tasks of 10 ms at width 64 take less than a second.
  expect(time.now - backAt).toBeLessThan(15_000);
  expect(pool.pressure.width).toBeGreaterThan(32);
});

test("nothing starts before the Retry-After of a service under pressure", async ({ expect }) => {
  const { time, pool } = open({ widest: 10 }, () => 0);
  const begunAt: number[] = [];
  const start = time.now;
  let refused = 0;
  const task = async (n: number) => {
    begunAt.push(time.now - start);
    await time.sleep(10);
    if (refused < 10) {
      refused += 1;
      throw busy(5_000);
    }
    return n;
  };
  const mapped = Promise.all([pool.map(numbers(8), task), pool.map(numbers(8), task), pool.run(() => task(0))]);
  await time.pass();
  expect(await mapped).toEqual([numbers(8), numbers(8), 0]);
  expect(begunAt.slice(0, 10)).toEqual(Array(10).fill(0));
  expect(begunAt.length).toBe(27);
  expect(Math.min(...begunAt.slice(10))).toBe(5_010);
});

test("an occasional Retry-After of a healthy service delays only that input", async ({ expect }) => {
  const { time, pool } = open({ widest: 10 }, () => 0);
  const start = time.now;
  const done: number[] = [];
  let tries = 0;
  const mapped = pool.map(numbers(200), async () => {
    tries += 1;
    const isRefused = tries % 20 === 1;
    await time.sleep(10);
    if (isRefused) throw busy(5_000);
    done.push(time.now - start);
  });
  await time.pass();
  await mapped;
  // Waiting inputs keep their slots, so a few finish late; but not one in five seconds.
  expect(done.filter((at) => at < 5_000).length).toBeGreaterThan(100);
  expect(Math.max(...done)).toBeGreaterThan(5_000);
});

test("a failed task waits for the Retry-After, even when its own back-off is over", async ({ expect }) => {
  const { time, pool } = open({}, () => 0);
  const begunAt: number[] = [];
  const start = time.now;
  const done = pool.run(async () => {
    begunAt.push(time.now - start);
    await time.sleep(1);
    if (begunAt.length < 3) throw busy(begunAt.length * 1_000);
  });
  await time.pass();
  await done;
  expect(begunAt).toEqual([0, 1_001, 3_002]);
});

test("back-offs double up to the limit, with jitter", async ({ expect }) => {
  const { time, pool } = open({ retryForMs: 1_000_000, firstBackoffMs: 200, maxBackoffMs: 3_000 }, () => 0.75);
  const waits: number[] = [];
  let before = time.now;
  const done = pool.run(async () => {
    waits.push(time.now - before);
    before = time.now;
    await Promise.resolve();
    if (waits.length < 8) throw busy();
  });
  await time.pass();
  await done;
  expect(waits).toEqual([0, 150, 300, 600, 1_200, 2_250, 2_250, 2_250]);
});

test("retries until the time for retries is over, once more at its end, and then throws", async ({ expect }) => {
  const { time, pool } = open({ retryForMs: 10_000 }, () => 0.999);
  const start = time.now;
  const triedAt: number[] = [];
  const done = outcome(
    pool.run(async () => {
      triedAt.push(time.now - start);
      await Promise.resolve();
      throw busy();
    }),
  );
  await time.pass();
  expect((await done).error).toMatchObject({ code: "storage/throttled" });
  expect(triedAt.at(-1)).toBe(10_000);
  expect(triedAt.length).toBeGreaterThan(5);
});

test("throws at once when Retry-After exceeds the time for retries, and the others still wait", async ({ expect }) => {
  const { time, pool } = open({ retryForMs: 10_000, widest: 1 });
  const start = time.now;
  const refused = numbers(10).map(() => outcome(pool.run(() => Promise.reject(busy(60_000)))));
  const other = pool.run(() => Promise.resolve(time.now - start));
  await time.pass();
  for (const done of refused) expect((await done).error).toMatchObject({ retryAfterMs: 60_000 });
  expect(await other).toBe(60_000);
});

test("a failed batch does not wait for the back-offs of its other inputs, nor keep their slots", async ({ expect }) => {
  const { time, pool } = open({ widest: 4, start: 4, firstBackoffMs: 20_000, maxBackoffMs: 20_000 });
  const start = time.now;
  const tries = new Map<number, number>();
  const mapped = outcome(
    pool.map(numbers(4), async (n) => {
      tries.set(n, (tries.get(n) ?? 0) + 1);
      await time.sleep(n === 3 ? 50 : 10);
      throw n === 3 ? new VaultError("format/corrupt", "for good") : busy();
    }),
  ).then(({ error }) => ({ error, at: time.now - start }));
  const others = pool.map(numbers(2), async () => {
    await time.sleep(10);
    return time.now - start;
  });
  await time.pass();
  expect(await mapped).toMatchObject({ error: { message: "for good" }, at: 50 });
  expect(await others).toEqual([60, 60]);
  expect([...tries.values()]).toEqual([1, 1, 1, 1]);
});

test("batches take turns, and a late one does not wait for a long one", async ({ expect }) => {
  const { time, pool } = open({ widest: 2 });
  const order: string[] = [];
  const task = (name: string) => async (n: number) => {
    order.push(`${name}${n}`);
    await time.sleep(10);
  };
  const all = Promise.all([
    pool.map(numbers(1_000), task("a")),
    pool.map(numbers(3), task("b")),
    pool.run(() => task("c")(0)),
  ]);
  await time.pass();
  await all;
  expect(order.slice(0, 8)).toEqual(["a0", "a1", "a2", "b0", "c0", "a3", "b1", "a4"]);
  expect(order.length).toBe(1_004);
});

/** One try: takes its time, then succeeds or fails. */
const aTry = fc.record({
  ms: fc.integer({ min: 1, max: 500 }),
  answered: fc.constantFrom<Answered>("done", "throttled", "failed", "throttled"),
  retryAfterMs: fc.option(fc.integer({ min: 1, max: 2_000 }), { nil: undefined, freq: 10 }),
});

test("the width matches the counted answers for any service, and every input gets its result", async ({ expect }) => {
  let steps = 0;
  let narrowings = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.array(aTry, { maxLength: 6 }), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 40 }),
      async (widest, script, cut) => {
        const { time, pool } = open({ widest, retryForMs: Number.MAX_SAFE_INTEGER });
        const law = new PoolWidth(widest, widest);
        const tries = new Map<number, number>();
        let running = 0;
        let resting = time.now;
        let broken = 0;
        // Ends come one at a time, because every try takes a time of its own.
        let serial = 0;
        const task = async (n: number): Promise<number> => {
          const { round } = law;
          running += 1;
          if (running > law.now || time.now < resting) broken += 1;
          const nth = tries.get(n) ?? 0;
          tries.set(n, nth + 1);
          const { ms, answered, retryAfterMs } = script[n]?.[nth] ?? { ms: 50, answered: "done" };
          serial += 1;
          await time.sleep(ms + serial / 1_024);
          running -= 1;
          law.count(round, answered);
          if (answered === "done") return n * 2;
          if (answered === "failed") throw failed();
          if (law.isPressed) resting = Math.max(resting, time.now + (retryAfterMs ?? 0));
          throw busy(retryAfterMs);
        };
        const inputs = numbers(script.length);
        const mapped = Promise.all([pool.map(inputs.slice(0, cut), task), pool.map(inputs.slice(cut), task)]);
        steps += await time.pass(() => expect(pool.pressure.width).toBe(law.now));
        expect((await mapped).flat()).toEqual(inputs.map((n) => n * 2));
        expect(broken).toBe(0);
        expect(running).toBe(0);
        expect(pool.pressure.halvings).toBe(law.narrowings);
        narrowings += law.narrowings;
      },
    ),
    { numRuns: 150 },
  );
  expect(steps).toBeGreaterThan(1_000);
  expect(narrowings).toBeGreaterThan(50);
});

test("settles near the limit of the service, and is never far above", async ({ expect }) => {
  const { time, pool } = open({ widest: 64, retryForMs: 600_000 });
  const bears = 20;
  let running = 0;
  let refused = 0;
  const widths: number[] = [];
  const mapped = pool.map(numbers(6_000), async (n) => {
    running += 1;
    const tooMany = running > bears;
    await time.sleep(tooMany ? 5 : 40 + (n % 7));
    running -= 1;
    if (!tooMany) return;
    refused += 1;
    throw busy();
  });
  await time.pass(() => widths.push(pool.pressure.width));
  await mapped;
  const later = widths.slice(widths.length / 4);
  const mean = later.reduce((sum, width) => sum + width, 0) / later.length;
  expect(mean).toBeGreaterThan(bears * 0.9);
  expect(Math.max(...later)).toBeLessThanOrEqual(bears * 1.4);
  expect(refused).toBeLessThan(6_000 * 0.15);
});

test("has low cost per task, with many inputs and with many callers", async ({ expect }) => {
  const { pool } = open({ widest: 64 });
  const many = 20_000;
  let done = 0;
  const task = async (): Promise<void> => {
    done += 1;
  };
  const start = performance.now();
  await pool.map(numbers(many), task);
  await Promise.all(numbers(many).map(() => pool.run(task)));
  expect(done).toBe(2 * many);
  // Ten times the duration on a slow machine: a queue of quadratic cost would need minutes.
  expect(performance.now() - start).toBeLessThan(10_000);
});

test("processes all inputs while there is time, and reports what was not done after it", async ({ expect }) => {
  const { time, pool } = open({ widest: 4 });
  const start = time.now;
  const task = async (n: number) => {
    await time.sleep(10);
    return n * 2;
  };
  const calm = pool.mapWhile(numbers(6), () => true, task);
  await time.pass();
  expect(await calm).toEqual({ results: [0, 2, 4, 6, 8, 10] });

  const over = time.now + 15;
  const stopped = pool.mapWhile(numbers(20), () => time.now < over, task);
  await time.pass();
  expect([...(await stopped).results]).toEqual([0, 2, 4, 6, 8, 10, 12, 14, ...Array(12).fill(undefined)]);
  expect(time.now - start).toBeLessThan(3_000);
});

test("the first input starts even when the time is over, and no other", async ({ expect }) => {
  const { time, pool } = open({ widest: 4 });
  const done = pool.mapWhile(
    numbers(5),
    () => false,
    async (n) => n + 1,
  );
  await time.pass();
  expect([...(await done).results]).toEqual([1, undefined, undefined, undefined, undefined]);
});

test.for([
  ["wait for their next retry", { retryAfterMs: undefined, fillers: 0 }],
  ["wait for a Retry-After", { retryAfterMs: 300_000, fillers: 0 }],
  ["have not had their turn", { retryAfterMs: undefined, fillers: 4 }],
] as const)(
  "inputs that %s when the time is over are dropped, and nobody waits for them",
  async ([, { retryAfterMs, fillers }], { expect }) => {
    const { time, pool } = open(
      { widest: 4, retryForMs: 10_000_000, firstBackoffMs: 400_000, maxBackoffMs: 400_000 },
      () => 0.9,
    );
    const start = time.now;
    // Tasks of others occupy all slots for long.
    const others = pool.map(numbers(fillers), () => time.sleep(1_000_000));
    let tries = 0;
    const timed = pool
      .mapWhile(
        numbers(100),
        () => time.now < start + 60_000,
        async () => {
          tries += 1;
          await time.sleep(10);
          throw busy(retryAfterMs);
        },
      )
      .then((mapped) => ({ mapped, at: time.now - start }));
    await time.pass();
    const { mapped, at } = await timed;
    expect(at).toBeGreaterThanOrEqual(60_000);
    expect(at).toBeLessThanOrEqual(61_000);
    expect(mapped.results.filter((result) => result !== undefined)).toEqual([]);
    expect(mapped.gaveUp).toBeUndefined();
    expect(tries).toBe(fillers === 0 ? 4 : 0);
    await others;
    expect(await pool.run(async () => "still at work")).toBe("still at work");
  },
);

test("checks the time before every try, however many there are", async ({ expect }) => {
  const chance = seededRandom(9);
  const { time, pool } = open({ widest: 8, retryForMs: 10_000_000 }, seededRandom(10));
  const over = time.now + 30_000;
  let late = 0;
  let tries = 0;
  const timed = pool.mapWhile(
    numbers(5_000),
    () => time.now < over,
    async (n) => {
      tries += 1;
      if (time.now >= over) late += 1;
      await time.sleep(100);
      if (chance() < 0.6) throw busy();
      return n;
    },
  );
  await time.pass();
  const { results } = await timed;
  expect(tries).toBeGreaterThan(100);
  expect(late).toBe(0);
  const done = results.filter((result) => result !== undefined).length;
  expect(done).toBeGreaterThan(20);
  expect(done).toBeLessThan(5_000);
  expect(time.now - over).toBeLessThan(10_000);
});

test("when the time for retries of an input is over, returns the results so far and the reason", async ({ expect }) => {
  const { time, pool } = open({ widest: 2, retryForMs: 1_000 });
  const timed = pool.mapWhile(
    numbers(10),
    () => true,
    async (n) => {
      await time.sleep(10);
      if (n === 1) throw busy();
      await time.sleep(300);
      return n;
    },
  );
  await time.pass();
  const { results, gaveUp } = await timed;
  expect(gaveUp).toMatchObject({ code: "storage/throttled" });
  expect(results[0]).toBe(0);
  expect(results[1]).toBeUndefined();
  expect(results[9]).toBeUndefined();
  const lasting = outcome(
    pool.mapWhile(
      [1],
      () => true,
      () => Promise.reject(new VaultError("format/corrupt", "for good")),
    ),
  );
  expect((await lasting).error).toMatchObject({ code: "format/corrupt" });
});

test("a task runs in the async context of its caller, whichever call freed the slot", async ({ expect }) => {
  const { time, pool } = open({ widest: 1 });
  const who = new AsyncLocalStorage<string>();
  const seen: [string, string | undefined][] = [];
  const ask = (name: string) =>
    who.run(name, () =>
      pool.map(numbers(3), async () => {
        seen.push([name, who.getStore()]);
        await time.sleep(10);
      }),
    );
  const asked = Promise.all([ask("a"), ask("b")]);
  await time.pass();
  await asked;
  expect(seen.length).toBe(6);
  for (const [asker, store] of seen) expect(store).toBe(asker);
});
