import fc from "fast-check";
import { describe, test } from "vitest";
import { stays } from "../../test/support/retention-oracle.ts";
import { DAY_MS } from "../foundation/durations.ts";
import { expiryOf, type RetentionRule } from "../policies/retention-rules.ts";
import { decideRetention, type RetainedPoint, type RetentionTerms } from "./decide-retention.ts";

const RULES: readonly RetentionRule[] = [
  { name: "Default", keep: "P7D" },
  { name: "Monthly", keep: "P12M" },
];

const terms = (changes: Partial<RetentionTerms> = {}): RetentionTerms => ({
  rules: RULES,
  protection: "protected",
  isImmutable: false,
  ...changes,
});

const point = (sequence: number, time: string, changes: Partial<RetainedPoint> = {}): RetainedPoint => ({
  id: `point-${sequence}`,
  sequence,
  time: new Date(time),
  tag: "Default",
  ...changes,
});

const OLD = point(1, "2026-01-01T02:00:00Z");
const NEWEST = point(9, "2026-01-02T02:00:00Z");
const NOW = new Date("2026-06-01T00:00:00Z");

/** The decision about the first point. */
const decide = (one: RetainedPoint, changes: Partial<RetentionTerms> = {}, now = NOW) =>
  decideRetention([one, NEWEST], terms(changes), now)[0];

test("a point expires when its rule's time ends, to the millisecond", ({ expect }) => {
  const expiredAt = new Date("2026-01-08T02:00:00Z");
  expect(decide(OLD, {}, expiredAt)).toEqual({
    id: "point-1",
    keep: false,
    because: "kept 7 days by rule 'Default'",
    expiredAt,
  });
  expect(decide(OLD, {}, new Date(expiredAt.getTime() - 1))).toEqual({
    id: "point-1",
    keep: true,
    because: "kept 7 days by rule 'Default'",
    until: expiredAt,
  });
});

test.for([
  ["2026-01-31T02:00:00Z", "P1M", "2026-02-28T02:00:00.000Z"],
  ["2024-02-29T02:00:00Z", "P1Y", "2025-02-28T02:00:00.000Z"],
  ["2026-01-31T02:00:00Z", "P120M", "2036-01-31T02:00:00.000Z"],
  ["2026-03-28T23:30:00Z", "P1D", "2026-03-29T23:30:00.000Z"],
  ["2026-01-01T00:00:00Z", "P521W", "2035-12-27T00:00:00.000Z"],
  ["2026-01-01T00:00:00Z", "P10Y", "2036-01-01T00:00:00.000Z"],
] as const)("a point of %s that is kept for %s expires at %s", ([time, keep, until], { expect }) => {
  expect(expiryOf(new Date(time), keep)?.toISOString()).toBe(until);
});

describe("what is uncertain is kept", () => {
  test.for<readonly [string, Partial<RetainedPoint>, Partial<RetentionTerms>]>([
    ["a restore is reading it", { isPinned: true }, {}],
    ["a restore is reading it", { isPinned: true, softDeletedUntil: new Date(0) }, { protection: "stopped" }],
    ["newest recovery point of a protected instance", { sequence: 10 }, {}],
    ["protection is stopped and the data is kept forever", {}, { protection: "kept-forever" }],
    ["its tag 'Weekly' has no retention rule", { tag: "Weekly" }, {}],
    ["the policy cannot be read", {}, { rules: undefined }],
    ["the retention rule 'Default' cannot be read", {}, { rules: [{ name: "Default", keep: "PT12H" }] }],
    ["the retention rule 'Default' cannot be read", {}, { rules: [...RULES, ...RULES] }],
    ["the vault is immutable, and the time promised for the point is not recorded", {}, { isImmutable: true }],
  ])("%s", ([because, changes, given], { expect }) => {
    const decision = decide({ ...OLD, ...changes }, given);
    expect(decision).toEqual({ id: "point-1", keep: true, because });
  });
});

test("when only the rules count, the newest point expires too", ({ expect }) => {
  const decisions = decideRetention([OLD, NEWEST], terms({ protection: "stopped" }), NOW);
  expect(decisions.map(({ keep }) => keep)).toEqual([false, false]);
});

test("all points of a deleted instance expire when it can no longer be undeleted, the newest too", ({ expect }) => {
  const softDeletedUntil = new Date("2026-01-20T00:00:00Z");
  const deleted = [OLD, NEWEST].map((one) => ({ ...one, softDeletedUntil }));
  const keptAt = (now: Date) => decideRetention(deleted, terms(), now).map(({ keep }) => keep);
  expect(keptAt(new Date(softDeletedUntil.getTime() - 1))).toEqual([true, true]);
  expect(keptAt(softDeletedUntil)).toEqual([false, false]);
});

test("a deleted point is kept until it can no longer be undeleted, and then expires whatever its rule", ({
  expect,
}) => {
  const softDeletedUntil = new Date("2026-01-20T00:00:00Z");
  const deleted = { ...OLD, tag: "Monthly", softDeletedUntil };
  const before = new Date(softDeletedUntil.getTime() - 1);
  expect(decide(deleted, {}, before)).toMatchObject({ keep: true, until: softDeletedUntil });
  expect(decide(deleted, {}, softDeletedUntil)).toMatchObject({ keep: false, expiredAt: softDeletedUntil });
  const newest = { ...deleted, sequence: 10 };
  expect(decide(newest, { protection: "kept-forever", rules: undefined })).toMatchObject({ keep: false });
});

test("deleted points do not count as the newest point", ({ expect }) => {
  const deleted = { ...NEWEST, softDeletedUntil: new Date("2026-07-01T00:00:00Z") };
  const decisions = decideRetention([OLD, deleted], terms(), NOW);
  expect(decisions.map(({ because }) => because)).toEqual(["newest recovery point of a protected instance", "deleted"]);
});

test("an immutable vault keeps points as long as promised, or longer by the current policy", ({ expect }) => {
  const promisedUntil = new Date("2026-03-01T00:00:00Z");
  const promised = { ...OLD, promisedUntil };
  const february = new Date("2026-02-01T00:00:00Z");
  expect(decide(promised, { isImmutable: true }, february)).toMatchObject({ keep: true, until: promisedUntil });
  expect(decide(promised, {}, february)).toMatchObject({ keep: false });
  expect(decide(promised, { isImmutable: true })).toMatchObject({ keep: false, expiredAt: promisedUntil });
  const monthly = { ...promised, tag: "Monthly" };
  expect(decide(monthly, { isImmutable: true })).toMatchObject({ until: new Date("2027-01-01T02:00:00Z") });
  const deleted = { ...promised, softDeletedUntil: new Date("2026-01-10T00:00:00Z") };
  expect(decide(deleted, { isImmutable: true }, february)).toMatchObject({ keep: true, until: promisedUntil });
});

const TAGS = ["Default", "Weekly", "Monthly", "Yearly"];
const moment = fc.integer({ min: 0, max: 4_000 }).map((day) => new Date(Date.UTC(2020, 0, 1) + day * DAY_MS));

const points = fc
  .array(
    fc.record({
      time: moment,
      tag: fc.constantFrom(...TAGS),
      promisedUntil: fc.option(moment, { nil: undefined }),
      isPinned: fc.boolean(),
      softDeletedUntil: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, moment),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((made) => made.map((fields, i): RetainedPoint => ({ id: `p${i}`, sequence: i + 1, ...fields })));

const counts = fc.record({
  unit: fc.constantFrom(["D", 1_000] as const, ["W", 150] as const, ["M", 36] as const, ["Y", 3] as const),
  share: fc.integer({ min: 1, max: 100 }),
  more: fc.integer({ min: 0, max: 100 }),
});

/** Rules, and the same rules with equal or longer times. */
const rules = fc.array(counts, { minLength: TAGS.length, maxLength: TAGS.length }).map((drawn) => {
  const keepOf = (n: number, extra: boolean): string => {
    const { unit, share, more } = drawn[n] ?? { unit: ["D", 1] as const, share: 1, more: 0 };
    return `P${Math.ceil((unit[1] * share) / 100) + (extra ? more : 0)}${unit[0]}`;
  };
  return {
    short: TAGS.slice(1).map((name, n) => ({ name, keep: keepOf(n, false) })),
    long: TAGS.slice(1).map((name, n) => ({ name, keep: keepOf(n, true) })),
  };
});

const protection = fc.constantFrom("protected" as const, "stopped" as const, "kept-forever" as const);

const expired = (given: readonly RetainedPoint[], terms: RetentionTerms, now: Date): string[] =>
  decideRetention(given, terms, now).flatMap(({ id, keep }) => (keep ? [] : [id]));

test("a longer rule or an immutable vault never expires more points, and later no point is back", ({ expect }) => {
  let checked = 0;
  fc.assert(
    fc.property(
      points,
      rules,
      protection,
      fc.boolean(),
      moment,
      fc.nat(2_000),
      (given, drawn, state, isImmutable, now, days) => {
        const terms = { rules: drawn.short, protection: state, isImmutable };
        const gone = expired(given, terms, now);
        expect(gone).toEqual(expect.arrayContaining(expired(given, { ...terms, rules: drawn.long }, now)));
        expect(gone).toEqual(expect.arrayContaining(expired(given, { ...terms, isImmutable: true }, now)));
        expect(expired(given, terms, new Date(now.getTime() + days * DAY_MS))).toEqual(expect.arrayContaining(gone));
        checked += gone.length;
      },
    ),
    { numRuns: 600 },
  );
  expect(checked).toBeGreaterThan(200);
});

test("an oracle that counts day by day decides the same", ({ expect }) => {
  const seen = { stay: 0, go: 0 };
  fc.assert(
    fc.property(points, rules, protection, fc.boolean(), moment, (given, drawn, state, isImmutable, now) => {
      const terms = { rules: drawn.short, protection: state, isImmutable };
      for (const [i, { keep }] of decideRetention(given, terms, now).entries()) {
        const one = given[i];
        if (one === undefined) throw new Error("there are as many decisions as points");
        expect(keep).toBe(stays(one, given, terms, now));
        seen[keep ? "stay" : "go"] += 1;
      }
    }),
    { numRuns: 600 },
  );
  expect(seen.stay).toBeGreaterThan(1_000);
  expect(seen.go).toBeGreaterThan(200);
});

test("a protected instance keeps a point forever, whatever expires", ({ expect }) => {
  fc.assert(
    fc.property(points, rules, moment, (given, drawn, now) => {
      const alive = given.map((one) => ({ ...one, softDeletedUntil: undefined }));
      const gone = expired(alive, terms({ rules: drawn.short }), now);
      expect(gone).not.toContain(alive.at(-1)?.id);
      expect(gone.length).toBeLessThan(alive.length);
    }),
    { numRuns: 300 },
  );
  expect.hasAssertions();
});

test("every point gets one decision, in order, with a fitting time", ({ expect }) => {
  const seen = new Set<boolean>();
  fc.assert(
    fc.property(points, rules, protection, fc.boolean(), moment, (given, drawn, state, isImmutable, now) => {
      const decisions = decideRetention(given, { rules: drawn.short, protection: state, isImmutable }, now);
      expect(decisions.map(({ id }) => id)).toEqual(given.map(({ id }) => id));
      for (const decision of decisions) {
        seen.add(decision.keep);
        expect(decision.because).not.toBe("");
        if (!decision.keep) expect(decision.expiredAt.getTime()).toBeLessThanOrEqual(now.getTime());
        else if (decision.until !== undefined) expect(decision.until.getTime()).toBeGreaterThan(now.getTime());
      }
    }),
    { numRuns: 300 },
  );
  expect(seen.size).toBe(2);
});

test("no points, no decisions", ({ expect }) => {
  expect(decideRetention([], terms(), NOW)).toEqual([]);
});
