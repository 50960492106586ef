import fc from "fast-check";
import { test } from "vitest";
import { LISTING_ORDERS, type ListingOrder, nameComparator } from "../vault/listing-order.ts";
import type { SegmentRef } from "../vault/segment.ts";
import { cutAlongSegments, cutByProbing, PLAN_SETTINGS, type UnknownContainer } from "./cut-container.ts";
import { remembering, splitRange } from "./split-range.ts";

/** A container of names in memory, which counts calls. */
class Names implements UnknownContainer {
  readonly order: ListingOrder;
  readonly names: readonly string[];
  calls = 0;
  readonly #pageSize: number;

  constructor(names: Iterable<string>, options: { readonly order?: ListingOrder; readonly pageSize?: number } = {}) {
    this.order = options.order ?? "utf-16";
    this.names = [...new Set(names)].sort(nameComparator(this.order));
    this.#pageSize = options.pageSize ?? 5_000;
  }

  async first(from: string): Promise<string | undefined> {
    this.calls += 1;
    const compare = nameComparator(this.order);
    return this.names.find((name) => compare(name, from) >= 0);
  }

  async page(from: string): Promise<{ readonly names: readonly string[]; readonly more: boolean }> {
    this.calls += 1;
    const compare = nameComparator(this.order);
    const left = this.names.filter((name) => compare(name, from) >= 0);
    return { names: left.slice(0, this.#pageSize), more: left.length > this.#pageSize };
  }

  /** How many names each range has. */
  lengths(cuts: readonly string[]): number[] {
    const compare = nameComparator(this.order);
    return [undefined, ...cuts].map(
      (from, i) =>
        this.names.filter(
          (name) =>
            (from === undefined || compare(name, from) >= 0) &&
            (cuts[i] === undefined || compare(name, cuts[i] ?? "") < 0),
        ).length,
    );
  }
}

const still = () => new Date(0);

const PADDED = (n: number, digits: number): string => String(n).padStart(digits, "0");

const LAKES: Readonly<Record<string, () => string[]>> = {
  "days of parts": () =>
    Array.from(
      { length: 12_000 },
      (_, i) =>
        `curated/sales/year=2026/month=${PADDED((i % 12) + 1, 2)}/day=${PADDED((i % 28) + 1, 2)}/part-${PADDED(i, 6)}.parquet`,
    ),
  "hashed names": () => Array.from({ length: 12_000 }, (_, i) => ((i * 2_654_435_761) % 2 ** 32).toString(16)),
  "one flat run of numbers": () => Array.from({ length: 12_000 }, (_, i) => `log-${PADDED(i, 9)}`),
  "names beyond ASCII": () =>
    Array.from({ length: 12_000 }, (_, i) => `${String.fromCharCode(0x4e00 + (i % 500))}/${i}`),
};

test.for(Object.keys(LAKES))(
  "a first backup of %s is cut into ranges that many workers can share",
  async (kind, { expect }) => {
    const lake = new Names(LAKES[kind]?.() ?? [], { pageSize: 200 });
    const { cuts, expected } = await cutByProbing(lake, { ...PLAN_SETTINGS, rangeNames: 500 }, still);
    const lengths = lake.lengths(cuts);
    expect(cuts.toSorted(nameComparator("utf-16"))).toEqual(cuts);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(lake.names.length);
    expect(lengths.length).toBeGreaterThan(6);
    // The longest range decides how long the last worker runs before it splits off half of its rest.
    expect(Math.max(...lengths)).toBeLessThan(lake.names.length / 2);
    expect(lake.calls).toBeLessThan(PLAN_SETTINGS.maxProbes * 1.5);
    if (expected !== undefined) expect(expected).toBeGreaterThan(1_000);
  },
);

test("a container of one page is one range, and costs one call", async ({ expect }) => {
  const lake = new Names(["a", "b"]);
  expect(await cutByProbing(lake, PLAN_SETTINGS, still)).toEqual({ cuts: [], expected: 2 });
  expect(lake.calls).toBe(1);
  expect(await cutByProbing(new Names([]), PLAN_SETTINGS, still)).toEqual({ cuts: [], expected: 0 });
});

test("a container of a few pages is not cut into tiny ranges", async ({ expect }) => {
  const lake = new Names(LAKES["days of parts"]?.() ?? []);
  expect((await cutByProbing(lake, PLAN_SETTINGS, still)).cuts).toEqual([]);
});

test("a split separates any two names, wherever they are, and costs few calls", async ({ expect }) => {
  let split = 0;
  const name = fc.string({
    unit: fc.constantFrom("a", "b", "/", "0", "9", "z", "ü", "😀"),
    minLength: 1,
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(name, { maxLength: 12 }),
      fc.constantFrom(...LISTING_ORDERS),
      fc.option(name, { nil: undefined }),
      async (names, order, until) => {
        const lake = new Names(names, { order });
        const compare = nameComparator(order);
        const inside = lake.names.filter((one) => until === undefined || compare(one, until) < 0);
        const at = await splitRange(lake, "", until);
        expect(lake.calls).toBeLessThanOrEqual(24);
        if (at === undefined) return;
        split += 1;
        const below = inside.filter((one) => compare(one, at) < 0).length;
        expect(below).toBeGreaterThan(0);
        expect(below).toBeLessThan(inside.length);
      },
    ),
    { numRuns: 500 },
  );
  expect(split).toBeGreaterThan(200);
});

const segment = (i: number, entries: number): SegmentRef => ({
  path: `manifests/rp/raw/${i}`,
  sha256: "0".repeat(64),
  first: `s${PADDED(i, 4)}/a`,
  last: `s${PADDED(i, 4)}/z`,
  entries,
  bytes: 0,
});

test("a later backup is cut between segments, into ranges of about the planned length", ({ expect }) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 60 }), (lengths) => {
      const segments = lengths.map((entries, i) => segment(i, entries));
      const { cuts, expected } = cutAlongSegments(segments, PLAN_SETTINGS);
      expect(expected).toBe(lengths.reduce((sum, entries) => sum + entries, 0));
      const starts = cuts.map((cut) => segments.findIndex(({ first }) => first >= cut));
      for (const start of starts) {
        expect(start).toBeGreaterThan(0);
        expect((segments[start - 1]?.last ?? "") < (cuts[starts.indexOf(start)] ?? "")).toBe(true);
      }
      const ranges = [0, ...starts].map((from, i) => lengths.slice(from, starts[i]).reduce((sum, n) => sum + n, 0));
      for (const names of ranges.slice(0, -1)) {
        expect(names).toBeGreaterThan(PLAN_SETTINGS.rangeNames - 20_001);
        expect(names).toBeLessThan(PLAN_SETTINGS.rangeNames + 40_001);
      }
    }),
  );
});

test("a huge container has longer ranges instead of more", ({ expect }) => {
  const segments = Array.from({ length: 20_000 }, (_, i) => segment(i, 20_000));
  const { cuts } = cutAlongSegments(segments, PLAN_SETTINGS);
  expect(cuts.length).toBeGreaterThan(PLAN_SETTINGS.maxRanges * 0.9);
  expect(cuts.length).toBeLessThan(PLAN_SETTINGS.maxRanges);
});

test("what was found once is cached, and is the same", async ({ expect }) => {
  let spared = 0;
  const name = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(name.filter((text) => text !== "")),
      fc.array(name, { maxLength: 20 }),
      fc.constantFrom(...LISTING_ORDERS),
      async (names, asked, order) => {
        const lake = new Names(names, { order });
        const probe = remembering(lake);
        for (const from of asked) expect(await probe.first(from)).toBe(await new Names(names, { order }).first(from));
        expect(probe.calls).toBe(lake.calls);
        spared += asked.length - lake.calls;
      },
    ),
  );
  expect(spared).toBeGreaterThan(100);
});

test("the search for cuts ends with its time, and what was found is used", async ({ expect }) => {
  const lake = new Names(LAKES["days of parts"]?.() ?? [], { pageSize: 20 });
  let now = 0;
  const first = lake.first.bind(lake);
  lake.first = (from) => {
    now += 1_000;
    return first(from);
  };
  const settings = { ...PLAN_SETTINGS, rangeNames: 50 };
  const { cuts } = await cutByProbing(lake, settings, () => new Date(now));
  expect(now).toBeLessThanOrEqual(settings.budgetMs + 1_000);
  expect(cuts.length).toBeGreaterThan(1);
  expect(lake.lengths(cuts).reduce((sum, length) => sum + length, 0)).toBe(lake.names.length);
});
