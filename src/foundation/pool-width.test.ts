import fc from "fast-check";
import { test } from "vitest";
import { type Answered, decideWidth, PoolWidth } from "./pool-width.ts";

const counts = fc.record({ done: fc.nat(100), throttled: fc.nat(100), failed: fc.nat(100) });

test.for([
  ["all is well", { done: 64, throttled: 0, failed: 0 }, { kind: "widen" }],
  ["one in ten is throttled", { done: 90, throttled: 10, failed: 0 }, { kind: "widen" }],
  ["one in seven is throttled", { done: 60, throttled: 10, failed: 0 }, { kind: "stay" }],
  [
    "one in four is throttled",
    { done: 75, throttled: 25, failed: 0 },
    { kind: "narrow", pressed: 0.25, isAway: false },
  ],
  ["half fail, none is throttled", { done: 50, throttled: 0, failed: 50 }, { kind: "widen" }],
  [
    "one in four is throttled, and half fail",
    { done: 25, throttled: 25, failed: 50 },
    { kind: "narrow", pressed: 0.25, isAway: false },
  ],
  ["nearly all fail", { done: 10, throttled: 0, failed: 90 }, { kind: "narrow", pressed: 0.9, isAway: true }],
  ["all are refused", { done: 0, throttled: 10, failed: 0 }, { kind: "narrow", pressed: 1, isAway: true }],
] as const)("decides for a window in which %s", async ([, counted, verdict], { expect }) => {
  expect(decideWidth(counted)).toEqual(verdict);
});

test("more throttling never widens more", ({ expect }) => {
  const rank = { widen: 0, stay: 1, narrow: 2 } as const;
  fc.assert(
    fc.property(counts, fc.integer({ min: 1, max: 50 }), (counted, more) => {
      fc.pre(counted.done + counted.throttled + counted.failed > 0);
      const before = decideWidth(counted);
      const after = decideWidth({ ...counted, throttled: counted.throttled + more });
      // An unavailable service may be found to be only busy, which narrows less, and no more than that.
      if (before.kind === "narrow" && before.isAway) expect(after.kind).toBe("narrow");
      else expect(rank[after.kind]).toBeGreaterThanOrEqual(rank[before.kind]);
    }),
  );
});

/** Counts answers, each to a try that started in the current round. */
function feed(width: PoolWidth, answers: readonly Answered[]): void {
  for (const answered of answers) width.count(width.round, answered);
}

const times = (count: number, answered: Answered): Answered[] => Array<Answered>(count).fill(answered);

test("the width stays between one and the maximum, and changes only by full windows", ({ expect }) => {
  let changes = 0;
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.tuple(fc.constantFrom<Answered>("done", "throttled", "failed"), fc.boolean()), {
        minLength: 100,
        maxLength: 400,
      }),
      (widest, answers) => {
        const width = new PoolWidth(widest, widest);
        let counted = 0;
        for (const [answered, isLate] of answers) {
          const { now, round } = width;
          width.count(isLate ? round - 1 : round, answered);
          if (!isLate) counted += 1;
          if (width.now !== now || width.round !== round) {
            changes += 1;
            expect(counted).toBe(Math.max(10, now));
          }
          if (counted === Math.max(10, now)) counted = 0;
          expect(width.now).toBeGreaterThanOrEqual(1);
          expect(width.now).toBeLessThanOrEqual(widest);
          if (answered === "done") expect(width.isAway).toBe(false);
        }
      },
    ),
  );
  expect(changes).toBeGreaterThan(100);
});

test("after an outage the width doubles up to half of what it was, and then grows by one", ({ expect }) => {
  const width = new PoolWidth(64, 64);
  while (width.now > 1) feed(width, times(Math.max(10, width.now), "failed"));
  expect(width.isAway).toBe(true);
  const seen: number[] = [];
  for (let windows = 0; windows < 8; windows++) {
    feed(width, times(Math.max(10, width.now), "done"));
    seen.push(width.now);
  }
  expect(seen).toEqual([2, 4, 8, 16, 32, 33, 34, 35]);
});

test("after a service was busy the width grows by one", ({ expect }) => {
  const width = new PoolWidth(20, 64);
  feed(width, [...times(10, "throttled"), ...times(10, "done")]);
  expect(width.now).toBe(15);
  expect(width.isPressed).toBe(true);
  feed(width, times(15, "done"));
  expect(width.now).toBe(16);
  expect(width.isPressed).toBe(false);
});

test("an open window reports pressure once it has ten answers", ({ expect }) => {
  const width = new PoolWidth(64, 64);
  feed(width, [...times(6, "done"), ...times(3, "throttled")]);
  expect(width.isPressed).toBe(false);
  feed(width, times(1, "throttled"));
  expect(width.isPressed).toBe(true);
  feed(width, times(20, "done"));
  expect(width.isPressed).toBe(false);
});
