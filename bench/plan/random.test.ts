import { test } from "vitest";
import { LogNormal, normalQuantile, Random } from "./random.ts";

const DRAWS = 200_000;

test("the same seed gives the same numbers, another one different numbers", ({ expect }) => {
  const draw = (seed: number): number[] => {
    const random = new Random(seed);
    return Array.from({ length: 5 }, () => random.next());
  };
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
});

test("quantiles of the normal distribution are those of the tables", ({ expect }) => {
  for (const [share, quantile] of [
    [0.5, 0],
    [0.975, 1.959964],
    [0.99, 2.326348],
    [0.001, -3.090232],
  ] as const) {
    expect(normalQuantile(share)).toBeCloseTo(quantile, 5);
  }
  expect.assertions(4);
});

test("many draws have the median, mean and 99th percentile of the distribution", ({ expect }) => {
  const latency = LogNormal.ofMedianAndP99(20, 100);
  const size = LogNormal.ofMedianAndMean(16, 128);
  const random = new Random(7);
  const drawn = Array.from({ length: DRAWS }, () => latency.sample(random)).sort((a, b) => a - b);
  expect(drawn[DRAWS / 2]).toBeCloseTo(20, 0);
  expect((drawn[DRAWS * 0.99] ?? 0) / 100).toBeCloseTo(1, 1);
  expect(drawn.reduce((sum, value) => sum + value, 0) / DRAWS / latency.mean).toBeCloseTo(1, 2);
  expect(size.mean).toBeCloseTo(128, 6);
});

test("the largest of many is drawn as if all of them were", ({ expect }) => {
  const latency = LogNormal.ofMedianAndP99(20, 100);
  const random = new Random(7);
  const rounds = 4_000;
  let drawn = 0;
  let largest = 0;
  for (let round = 0; round < rounds; round++) {
    drawn += latency.sampleLargest(random, 50);
    largest += Math.max(...Array.from({ length: 50 }, () => latency.sample(random)));
  }
  expect(drawn / largest).toBeCloseTo(1, 1);
});

test("a distribution of one value is that value", ({ expect }) => {
  const fixed = LogNormal.ofMedianAndP99(3, 3);
  expect([fixed.mean, fixed.sample(new Random(1)), fixed.sampleLargest(new Random(1), 100)]).toEqual([3, 3, 3]);
});
