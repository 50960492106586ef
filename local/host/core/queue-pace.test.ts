import { test } from "vitest";
import { developmentPace, openBackoff, productionPace } from "./queue-pace.ts";

test("in production pauses grow from 100 ms to the longest, and begin anew after a message", ({ expect }) => {
  const next = openBackoff(productionPace(2_000), () => 0.5);
  const pauses = Array.from({ length: 8 }, () => next(false));
  expect(pauses).toEqual([100, 200, 300, 500, 900, 1_700, 2_000, 2_000]);
  expect(next(true)).toBe(100);
  expect(next(false)).toBe(200);
});

test("chance moves a pause by a fifth of its step to either side", ({ expect }) => {
  const pausesWith = (chance: number): number[] => {
    const next = openBackoff(productionPace(60_000), () => chance);
    return Array.from({ length: 4 }, () => Math.round(next(false)));
  };
  expect([pausesWith(0), pausesWith(1)]).toEqual([
    [100, 180, 260, 420],
    [100, 220, 340, 580],
  ]);
});

test("a developer waits half a second at most, always the same", ({ expect }) => {
  const next = openBackoff(developmentPace(60_000));
  expect([next(false), next(false), next(true), next(false)]).toEqual([500, 500, 500, 500]);
  expect(developmentPace(100).maxPauseMs).toBe(100);
});

test("a lease of ten minutes is renewed at half, as WebJobs does", ({ expect }) => {
  expect(productionPace(60_000)).toMatchObject({ leaseMs: 600_000, renewMs: 300_000, makesQueues: false });
});
