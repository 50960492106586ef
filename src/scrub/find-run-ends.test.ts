import fc from "fast-check";
import { test } from "vitest";
import { findRunEnds } from "./find-run-ends.ts";

/** Files by the last point that needs them, and unreadable points. */
const runs = fc.integer({ min: 1, max: 40 }).chain((count) =>
  fc.record({
    count: fc.constant(count),
    ends: fc.array(fc.integer({ min: 0, max: count - 1 }), { maxLength: 30 }),
    dumb: fc.uniqueArray(fc.integer({ min: 1, max: Math.max(1, count - 1) })),
  }),
);

test("the end of each run is the last readable point that needs the file", async ({ expect }) => {
  await fc.assert(
    fc.asyncProperty(runs, async ({ count, ends, dumb }) => {
      const things = ends.map((end) => ({ end }));
      const found = await findRunEnds(things, count, async (point, some) =>
        some.map(({ end }) => (dumb.includes(point) ? undefined : end >= point)),
      );
      for (const thing of things) {
        const told = Array.from({ length: thing.end + 1 }, (_, point) => point).filter(
          (point) => !dumb.includes(point),
        );
        expect(found.get(thing)).toBe(told.at(-1));
      }
    }),
  );
});

test("a file that the newest point needs costs as many checks as a bisection", async ({ expect }) => {
  let asked = 0;
  const ends = await findRunEnds(["a", "b"], 1_000, async (_, some) => {
    asked += 1;
    return some.map(() => true);
  });
  expect([...ends.values()]).toEqual([999, 999]);
  expect(asked).toBeLessThanOrEqual(10);
});
