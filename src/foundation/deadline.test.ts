import { test } from "vitest";
import { deadline } from "./deadline.ts";

test("there is time until the given number of milliseconds has passed, from now or from a moment", ({ expect }) => {
  let now = 1_000;
  const clock = (): Date => new Date(now);
  const fromNow = deadline(clock, 500);
  const fromBefore = deadline(clock, 500, new Date(800));
  const seen = [1_000, 1_299, 1_300, 1_499, 1_500].map((at) => {
    now = at;
    return [fromNow(), fromBefore()];
  });
  expect(seen).toEqual([
    [true, true],
    [true, true],
    [true, false],
    [true, false],
    [false, false],
  ]);
});
