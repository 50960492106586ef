import fc from "fast-check";
import { test } from "vitest";
import { EventQueue } from "./event-queue.ts";

test("actions run by their times, and those of one time in the order in which they were planned", ({ expect }) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 200 }), (moments) => {
      const queue = new EventQueue();
      const seen: { moment: number; order: number }[] = [];
      for (const [order, moment] of moments.entries()) queue.at(moment, () => seen.push({ moment: queue.now, order }));
      queue.run();
      const wanted = moments.map((moment, order) => ({ moment, order }));
      expect(seen).toEqual(wanted.sort((a, b) => a.moment - b.moment || a.order - b.order));
    }),
  );
});

test("an action can plan others, and time never goes backwards", ({ expect }) => {
  const queue = new EventQueue();
  const seen: number[] = [];
  queue.at(3, () => {
    seen.push(queue.now);
    queue.at(1, () => seen.push(queue.now));
    queue.at(5, () => seen.push(queue.now));
  });
  queue.at(4, () => seen.push(queue.now));
  queue.run();
  expect(seen).toEqual([3, 3, 4, 5]);
  expect(queue.handled).toBe(4);
  expect(queue.step()).toBe(false);
});
