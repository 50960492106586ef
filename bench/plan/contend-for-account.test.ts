import { test } from "vitest";
import { ASSUMPTIONS, type Assumptions } from "./assumptions.ts";
import { type Contended, contendForAccount } from "./contend-for-account.ts";

const SMALL: Assumptions = {
  ...ASSUMPTIONS,
  account: { requestsPerSecond: 1_000, ingressBytesPerSecond: 1e12, egressBytesPerSecond: 1e12 },
  engine: { ...ASSUMPTIONS.engine, pageNames: 500 },
};

function contend(workers: number, assumptions: Assumptions, cpuPerCopy = 1e-6): Promise<Contended> {
  return contendForAccount({ workers, assumptions, cpuPerCopy, warmUpSeconds: 3, seconds: 5, seed: 1 });
}

test("a pool far below the limit is never refused, and is as fast as its latency allows", async ({ expect }) => {
  const assumptions = { ...SMALL, account: { ...SMALL.account, requestsPerSecond: 1e9 } };
  const { copiesPerSecond, refused, limitShare, copySeconds } = await contend(1, assumptions);
  expect(refused).toBe(0);
  expect(limitShare).toBe(1);
  expect((copiesPerSecond * copySeconds) / ASSUMPTIONS.engine.poolWidth).toBeCloseTo(1, 1);
});

test("concurrent copies are their rate times their time, and at most the width of the pools", async ({ expect }) => {
  const { copiesPerSecond, copySeconds, underWay } = await contend(4, SMALL);
  expect(underWay).toBeCloseTo(copiesPerSecond * copySeconds, 6);
  expect(underWay).toBeLessThanOrEqual(4 * ASSUMPTIONS.engine.poolWidth);
});

test("many pools come near the limit of the account, but never exceed it", async ({ expect }) => {
  for (const workers of [4, 16]) {
    const { copiesPerSecond, refused } = await contend(workers, SMALL);
    // The tokens of one second may have been saved up.
    expect(copiesPerSecond).toBeLessThanOrEqual(1_000 * 1.2);
    expect(copiesPerSecond).toBeGreaterThan(900);
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(0.5);
  }
  expect.assertions(8);
});

test("processor time limits a pool when nothing else does", async ({ expect }) => {
  const { copiesPerSecond } = await contend(1, SMALL, 0.01);
  expect(copiesPerSecond).toBeCloseTo(100, -1);
});
