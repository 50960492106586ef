import fc from "fast-check";
import { test } from "vitest";
import { ASSUMPTIONS, type Assumptions, ENGINE, type Engine } from "./assumptions.ts";
import { costOf } from "./cost-of.ts";
import { LogNormal } from "./random.ts";
import { type Outcome, type Scenario, simulateBackup } from "./simulate-backup.ts";

interface Told extends Partial<Omit<Scenario, "assumptions">> {
  readonly assumptions?: Partial<Assumptions>;
  readonly engine?: Partial<Engine>;
}

function simulate({ assumptions, engine, ...told }: Told): Outcome {
  return simulateBackup({
    kind: "first",
    blobs: 10_000_000,
    workers: 16,
    poolShare: 1,
    pagesAtOnce: 1,
    seed: 1,
    ...told,
    assumptions: { ...ASSUMPTIONS, ...assumptions, engine: { ...ENGINE, ...assumptions?.engine, ...engine } },
  });
}

const always = (seconds: number): LogNormal => LogNormal.ofMedianAndP99(seconds, seconds);
const NO_TIME = always(1e-9);

/** Nothing takes time except what a test sets. */
const IDEAL: Assumptions = {
  ...ASSUMPTIONS,
  account: { requestsPerSecond: 1e12, ingressBytesPerSecond: 1e15, egressBytesPerSecond: 1e15 },
  containers: 1,
  client: { listedName: 0, listedNameBytes: 0, copyCall: 0, unchangedEntry: 0, changedEntry: 0, indexLine: 0 },
  latency: {
    listPage: NO_TIME,
    probe: NO_TIME,
    copy: NO_TIME,
    copyBytesPerSecond: 1e15,
    segment: NO_TIME,
    tableRow: NO_TIME,
    queueCall: NO_TIME,
    durableStep: 0,
  },
  partitionPerSecond: 1e12,
  queuePerSecond: 1e12,
  coldStartSeconds: 0,
};

/** One range at a time. */
const ONE_AT_A_TIME: Partial<Engine> = { batchSize: 1, newBatchThreshold: 0 };

/** From the first range to the last. */
function copyingSeconds({ phases }: Outcome): number {
  return phases.replicated - phases.planned;
}

test("a single worker without limits takes the sum of its round trips and its processor's time", ({ expect }) => {
  const assumptions = {
    ...IDEAL,
    client: { ...IDEAL.client, listedName: 100e-6, unchangedEntry: 20e-6 },
    latency: { ...IDEAL.latency, listPage: always(0.25) },
    changedBlobs: 0,
  };
  const run = simulate({ kind: "second", blobs: 2_000_000, workers: 1, assumptions, engine: ONE_AT_A_TIME });
  expect(copyingSeconds(run) / (400 * 0.25 + 2_000_000 * 120e-6)).toBeCloseTo(1, 2);
});

test("a single worker's copies take their latency, as many at once as its pool is wide", ({ expect }) => {
  const assumptions = {
    ...IDEAL,
    latency: { ...IDEAL.latency, copy: always(0.05), copyBytesPerSecond: 1e6 },
    blobBytes: always(30_000),
  };
  const engine = { ...ONE_AT_A_TIME, poolWidth: 20 };
  const run = simulate({ blobs: 1_000_000, workers: 1, assumptions, engine });
  // Each page waits for its own last copy as well.
  expect(copyingSeconds(run) / ((1_000_000 * 0.08) / 20 + 200 * 0.08)).toBeCloseTo(1, 2);
});

test("by Little's law, running ranges are the rate of ranges times the time of one", ({ expect }) => {
  const assumptions = {
    ...IDEAL,
    latency: { ...IDEAL.latency, listPage: always(0.25) },
    changedBlobs: 0,
    waveSeconds: 0,
  };
  const run = simulate({ kind: "second", blobs: 100_000_000, workers: 4, assumptions, engine: ONE_AT_A_TIME });
  const secondsOfOne = 10 * 0.25;
  expect((run.ranges / copyingSeconds(run)) * secondsOfOne).toBeCloseTo(4, 1);
});

test("all blobs are listed, and the new or changed ones copied", ({ expect }) => {
  const scenario = fc.record({
    kind: fc.constantFrom("first" as const, "second" as const),
    blobs: fc.integer({ min: 0, max: 3_000_000 }),
    workers: fc.integer({ min: 1, max: 20 }),
    pagesAtOnce: fc.integer({ min: 1, max: 3 }),
    seed: fc.integer(),
    containers: fc.integer({ min: 1, max: 30 }),
    maxQueued: fc.constantFrom(10, 1_000, Number.POSITIVE_INFINITY),
  });
  fc.assert(
    fc.property(scenario, ({ containers, maxQueued, ...told }) => {
      const run = simulate({ ...told, assumptions: { containers }, engine: { maxQueued } });
      expect(run.listed).toBe(told.blobs);
      if (told.kind === "first") expect(run.copied).toBe(told.blobs);
      else expect(Math.abs(run.copied - told.blobs * 0.01)).toBeLessThanOrEqual(1);
    }),
    { numRuns: 60 },
  );
});

test("the same seed gives the same backup", ({ expect }) => {
  expect(simulate({ seed: 5 })).toEqual(simulate({ seed: 5 }));
  expect(simulate({ seed: 5 }).seconds).not.toBe(simulate({ seed: 6 }).seconds);
});

test("no account ever gets more requests than its limit", ({ expect }) => {
  const account = { requestsPerSecond: 2_000, ingressBytesPerSecond: 2e8, egressBytesPerSecond: 5e8 };
  const runs = [1, 8, 64].map((workers) => simulate({ workers, assumptions: { account } }));
  for (const run of runs) {
    const { replicated } = run.phases;
    expect(run.copied / replicated).toBeLessThanOrEqual(account.requestsPerSecond);
    expect(run.copiedBytes / replicated).toBeLessThanOrEqual(account.ingressBytesPerSecond);
    for (const { share } of run.busy) expect(share).toBeLessThanOrEqual(1.001);
  }
  expect(runs).toHaveLength(3);
});

test("more workers are never slower, except by chance", ({ expect }) => {
  for (const kind of ["first", "second"] as const) {
    const seconds = [1, 2, 4, 8, 16, 32, 64].map((workers) => simulate({ kind, blobs: 50_000_000, workers }).seconds);
    for (const [i, time] of seconds.entries()) expect(time).toBeLessThanOrEqual((seconds[i - 1] ?? time) * 1.03);
  }
  expect.assertions(14);
});

test.for([
  {
    name: "an account of few requests",
    told: {
      assumptions: { account: { requestsPerSecond: 500, ingressBytesPerSecond: 1e12, egressBytesPerSecond: 1e12 } },
    },
    bottleneck: "requests to both accounts",
  },
  {
    name: "an account of little bandwidth",
    told: { assumptions: { account: { ...ASSUMPTIONS.account, ingressBytesPerSecond: 1e7 } } },
    bottleneck: "bytes into the vault",
  },
  {
    name: "listings that are large",
    told: {
      kind: "second" as const,
      assumptions: { account: { ...ASSUMPTIONS.account, egressBytesPerSecond: 1e7 } },
    },
    bottleneck: "bytes of listings",
  },
  {
    name: "a slow parser",
    told: { kind: "second" as const, assumptions: { client: { ...ASSUMPTIONS.client, listedName: 0.002 } } },
    bottleneck: "processors",
  },
  { name: "one copy at a time", told: { engine: { poolWidth: 1 } }, bottleneck: "copies in flight" },
  { name: "a slow table", told: { assumptions: { partitionPerSecond: 5 } }, bottleneck: "rows of work" },
  {
    name: "one range for many workers",
    told: {
      kind: "second" as const,
      blobs: 40_000,
      workers: 64,
      assumptions: { containers: 1, client: { ...ASSUMPTIONS.client, listedName: 0.01 } },
    },
    bottleneck: "too few ranges",
  },
  { name: "hardly anything to do", told: { kind: "second" as const, blobs: 1_000 }, bottleneck: "fixed steps" },
])("$name is named as what a backup waits for", ({ told, bottleneck }, { expect }) => {
  expect(simulate(told).bottleneck).toBe(bottleneck);
});

test("simulating several pages at once changes the time little", ({ expect }) => {
  for (const kind of ["first", "second"] as const) {
    const fine = simulate({ kind, blobs: 200_000_000, workers: 64 });
    const coarse = simulate({ kind, blobs: 200_000_000, workers: 64, pagesAtOnce: 2 });
    expect(coarse.seconds / fine.seconds).toBeCloseTo(1, 1);
    // Fewer pieces end, so fewer places to split are searched.
    expect(Math.abs(coarse.calls.sourceLists / fine.calls.sourceLists - 1)).toBeLessThan(0.1);
  }
  expect.assertions(4);
});

test("the history has as many events for a thousand times the blobs", ({ expect }) => {
  expect(simulate({ blobs: 100_000_000 }).historyEvents).toBe(simulate({ blobs: 100_000 }).historyEvents);
});

test.for([
  { engine: {}, name: "lanes, and a limit to open ranges", most: ASSUMPTIONS.containers * 256 },
  { engine: { maxQueued: 1_000, maxLanes: 8 }, name: "few lanes, and a look at the queue", most: 6_400 },
])("$name keep the queue within a bound that knows no blobs", ({ engine, most }, { expect }) => {
  const depths = (["first", "second"] as const).flatMap((kind) =>
    [100_000_000, 1_000_000_000].map((blobs) => simulate({ kind, blobs, workers: 64, engine }).deepestQueue),
  );
  expect(depths).toHaveLength(4);
  // Ranges that end at the same time do not see each other's parts.
  for (const depth of depths) expect(depth).toBeLessThanOrEqual(most + 64 * 6);
});

test("a first backup costs little more than its copies", ({ expect }) => {
  const run = simulate({ blobs: 10_000_000 });
  const cost = costOf(run);
  expect(cost.copying).toBeCloseTo((10_000_000 * (0.1 + 0.0044)) / 10_000, 6);
  expect(run.calls.sourceLists).toBeGreaterThanOrEqual(2_000);
  expect(run.calls.sourceLists).toBeLessThan(2_000 * 1.5);
  expect(cost.total / cost.copying).toBeLessThan(1.1);
});
