import { test } from "vitest";
import { laneCount, MAX_LANES, nextInLane } from "./lanes.ts";

test.for([0, 1, 2, MAX_LANES - 1, MAX_LANES, MAX_LANES + 1, 3 * MAX_LANES + 7])(
  "the lanes of %i parts have each part once, in order",
  (parts, { expect }) => {
    const lanes = laneCount(parts);
    expect(lanes).toBe(Math.min(parts, 256));
    const done: number[] = [];
    for (let lane = 0; lane < lanes; lane++) {
      for (let part: number | undefined = lane; part !== undefined; part = nextInLane(part, lanes, parts))
        done.push(part);
    }
    expect(done.toSorted((a, b) => a - b)).toEqual(Array.from({ length: parts }, (_, part) => part));
  },
);
