import { test } from "vitest";
import { mapBounded } from "./bounded-pool.ts";

test("a pool never runs more tasks than its width, and keeps the order of its results", async ({ expect }) => {
  let running = 0;
  let most = 0;
  const results = await mapBounded([5, 1, 4, 2, 3, 0], 3, async (steps) => {
    running += 1;
    most = Math.max(most, running);
    for (let i = 0; i < steps; i++) await Promise.resolve();
    running -= 1;
    return steps * 10;
  });
  expect(results).toEqual([50, 10, 40, 20, 30, 0]);
  expect(most).toBe(3);
});

test("a pool begins nothing after an error, and ends only when nothing runs any more", async ({ expect }) => {
  const begun: number[] = [];
  let ended = 0;
  const failing = mapBounded([0, 1, 2, 3, 4], 2, async (input) => {
    begun.push(input);
    if (input === 0) throw new Error("first");
    for (let i = 0; i < 10; i++) await Promise.resolve();
    ended += 1;
  });
  await expect(failing).rejects.toThrow("first");
  expect(begun).toEqual([0, 1]);
  expect(ended).toBe(1);
});
