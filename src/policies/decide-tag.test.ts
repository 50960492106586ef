import fc from "fast-check";
import { DateTime } from "luxon";
import { describe, test } from "vitest";
import { DAY_MS } from "../foundation/durations.ts";
import { decideTag, type TaggedBackup } from "./decide-tag.ts";
import type { ScheduleCriterion, TaggingCriterion } from "./retention-rules.ts";

const BY_DEFAULT: TaggingCriterion = { tag: "Default", priority: 99, isDefault: true, criteria: [] };

const tagged = (tag: string, priority: number, ...criteria: ScheduleCriterion[]): TaggingCriterion => ({
  tag,
  priority,
  isDefault: false,
  criteria,
});

const backup = (slot: string, changes: Partial<TaggedBackup> = {}): TaggedBackup => ({
  slot: new Date(slot),
  zone: "UTC",
  earlierSlot: undefined,
  ...changes,
});

const YEARLY = tagged("Yearly", 10, { absolute: ["FirstOfYear"] });
const MONTHLY = tagged("Monthly", 15, { absolute: ["FirstOfMonth"] });
const WEEKLY = tagged("Weekly", 20, { absolute: ["FirstOfWeek"] });
const DAILY = tagged("Daily", 25, { absolute: ["FirstOfDay"] });
const LADDER = [BY_DEFAULT, DAILY, WEEKLY, MONTHLY, YEARLY];

test.for([
  ["2026-01-01T02:00:00Z", "2025-12-31T02:00:00Z", "Yearly", "FirstOfYear in UTC"],
  ["2026-02-01T02:00:00Z", "2026-01-31T02:00:00Z", "Monthly", "FirstOfMonth in UTC"],
  ["2026-02-08T02:00:00Z", "2026-02-07T02:00:00Z", "Weekly", "FirstOfWeek in UTC"],
  ["2026-02-09T02:00:00Z", "2026-02-08T02:00:00Z", "Daily", "FirstOfDay in UTC"],
  ["2026-02-09T14:00:00Z", "2026-02-09T02:00:00Z", "Default", "no criterion matches"],
] as const)("a backup at %s after one at %s is tagged '%s'", ([slot, before, tag, because], { expect }) => {
  expect(decideTag(LADDER, backup(slot, { earlierSlot: new Date(before) }))).toEqual({ tag, because });
});

test("the first of the month is the first that succeeded, not the first that was due", ({ expect }) => {
  const after = (slot: string, earlier: string) =>
    decideTag([MONTHLY, BY_DEFAULT], backup(slot, { earlierSlot: new Date(earlier) })).tag;
  expect(after("2026-02-03T02:00:00Z", "2026-01-30T02:00:00Z")).toBe("Monthly");
  expect(after("2026-02-04T02:00:00Z", "2026-02-03T02:00:00Z")).toBe("Default");
  // A second attempt at the same slot is not its own predecessor.
  expect(after("2026-02-03T02:00:00Z", "2026-02-03T02:00:00Z")).toBe("Monthly");
});

test.for([
  ["2026-01-01T00:00:00.000Z", "2025-12-31T23:59:59.999Z", "Yearly"],
  ["2026-02-01T00:00:00.000Z", "2026-01-31T23:59:59.999Z", "Monthly"],
  ["2026-02-15T00:00:00.000Z", "2026-02-14T23:59:59.999Z", "Weekly"],
  ["2026-02-10T00:00:00.000Z", "2026-02-09T23:59:59.999Z", "Daily"],
  // One at the very first moment is the first.
  ["2026-01-01T00:15:00.000Z", "2026-01-01T00:00:00.000Z", "Default"],
  ["2026-02-28T00:00:00.000Z", "2026-02-01T00:00:00.000Z", "Weekly"],
  ["2026-02-21T00:00:00.000Z", "2026-02-15T00:00:00.000Z", "Daily"],
  ["2026-02-10T00:15:00.000Z", "2026-02-10T00:00:00.000Z", "Default"],
] as const)("at the very change, a backup at %s after one at %s is tagged '%s'", ([slot, before, tag], { expect }) => {
  expect(decideTag(LADDER, backup(slot, { earlierSlot: new Date(before) })).tag).toBe(tag);
});

test("months and days start in the policy's time zone", ({ expect }) => {
  const at = (zone: string) =>
    decideTag(LADDER, backup("2026-01-31T23:30:00Z", { zone, earlierSlot: new Date("2026-01-31T22:30:00Z") })).tag;
  expect(at("UTC")).toBe("Default");
  expect(at("Europe/Berlin")).toBe("Monthly");
  expect(at("America/New_York")).toBe("Default");
});

test("a backup on demand gets the requested tag, else the default, whatever the criteria", ({ expect }) => {
  const slot = "2026-01-01T02:00:00Z";
  expect(decideTag(LADDER, backup(slot, { onDemand: { tag: "Weekly" } }))).toEqual({
    tag: "Weekly",
    because: "started on demand with this tag",
  });
  expect(decideTag(LADDER, backup(slot, { onDemand: {} })).tag).toBe("Default");
  expect(decideTag([], backup(slot, { onDemand: {} })).tag).toBe("Default");
});

test("evaluates the lowest priority first and the default last, whatever the order and its priority", ({ expect }) => {
  const all: ScheduleCriterion = { absolute: ["AllBackup"] };
  const greedy: TaggingCriterion = { ...BY_DEFAULT, priority: -5 };
  const criteria = [greedy, tagged("second", 3, all), tagged("first", 2, all), tagged("third", 9, all)];
  expect(decideTag(criteria, backup("2026-02-08T02:00:00Z")).tag).toBe("first");
});

test("every present member must match, and one of a tag's criteria is enough", ({ expect }) => {
  const criteria = [
    tagged(
      "some",
      1,
      { daysOfTheWeek: [2], weeksOfTheMonth: [2], monthsOfYear: [1, 3] },
      { daysOfMonth: [15], scheduleTimes: ["2000-01-01T14:30:00Z"] },
    ),
    BY_DEFAULT,
  ];
  const at = (slot: string) => decideTag(criteria, backup(slot));
  expect(at("2026-01-13T02:00:00Z")).toEqual({ tag: "some", because: "week 2, Tuesday, January in UTC" });
  expect(at("2026-02-10T02:00:00Z").tag).toBe("Default");
  expect(at("2026-01-06T02:00:00Z").tag).toBe("Default");
  expect(at("2026-05-15T14:30:00Z")).toEqual({ tag: "some", because: "day 15 of the month, 14:30 in UTC" });
  expect(at("2026-05-15T14:31:00Z").tag).toBe("Default");
});

test("a schedule time that daylight saving skips matches the backup that runs instead", ({ expect }) => {
  const criteria = [tagged("night", 1, { scheduleTimes: ["2026-01-01T02:30:00+01:00"] }), BY_DEFAULT];
  const at = (slot: string) => decideTag(criteria, backup(slot, { zone: "Europe/Berlin" })).tag;
  expect(at("2026-03-28T01:30:00Z")).toBe("night");
  // On 29 March 2026 clocks in Berlin go from 02:00 to 03:00.
  expect(at("2026-03-29T01:30:00Z")).toBe("night");
  expect(at("2026-03-29T02:30:00Z")).toBe("Default");
  expect(at("2026-03-30T00:30:00Z")).toBe("night");
  expect(at("2026-03-30T01:30:00Z")).toBe("Default");
});

const ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"];

const CLOCKS = new Map(
  ZONES.map((timeZone) => [
    timeZone,
    new Intl.DateTimeFormat("en-US", { timeZone, dateStyle: "short", timeStyle: "short", hourCycle: "h23" }),
  ]),
);

/** Local time and calendar, without the library that the code under test uses. */
function calendar(at: Date, zone: string) {
  const parts = CLOCKS.get(zone)?.formatToParts(at) ?? [];
  const of = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  return { year: 2000 + of("year"), month: of("month"), day: of("day"), clock: `${of("hour")}:${of("minute")}` };
}

/** Tags by checking every day of the month and every earlier backup. */
function oracle(
  tagging: readonly TaggingCriterion[],
  { slot, zone, earlierSlots }: { slot: Date; zone: string; earlierSlots: readonly Date[] },
): string {
  const now = calendar(slot, zone);
  const paper = Date.UTC(now.year, now.month - 1, now.day);
  const weekday = (day: number): number => new Date(day).getUTCDay();
  const isInMonth = (day: number): boolean => new Date(day).getUTCMonth() === now.month - 1;
  const sundayOf = (day: number): number => day - weekday(day) * DAY_MS;
  let occurrence = 0;
  for (let day = paper; isInMonth(day); day -= DAY_MS) if (weekday(day) === weekday(paper)) occurrence += 1;
  const isLastOccurrence = !isInMonth(paper + 7 * DAY_MS);

  const before = earlierSlots.filter((earlier) => earlier < slot).map((earlier) => calendar(earlier, zone));
  const isAlone = (marker: string): boolean =>
    !before.some((earlier) => {
      const day = Date.UTC(earlier.year, earlier.month - 1, earlier.day);
      if (marker === "FirstOfDay") return day === paper;
      if (marker === "FirstOfWeek") return sundayOf(day) === sundayOf(paper);
      if (marker === "FirstOfMonth") return earlier.year === now.year && earlier.month === now.month;
      return marker === "FirstOfYear" && earlier.year === now.year;
    });
  const isMatch = (criterion: ScheduleCriterion): boolean =>
    [
      criterion.absolute?.some((marker) => isAlone(marker)),
      criterion.daysOfTheWeek?.some((day) => day % 7 === weekday(paper)),
      criterion.weeksOfTheMonth?.some((week) => (week === "last" ? isLastOccurrence : week === occurrence)),
      criterion.daysOfMonth?.some((day) => (day === "last" ? !isInMonth(paper + DAY_MS) : day === now.day)),
      criterion.monthsOfYear?.some((month) => month === now.month),
      criterion.scheduleTimes?.some((time) => calendar(new Date(time), zone).clock === now.clock),
    ].every((verdict) => verdict !== false);

  let best: TaggingCriterion | undefined;
  for (const one of tagging) {
    if (one.isDefault || !one.criteria.some(isMatch)) continue;
    if (best === undefined || one.priority < best.priority) best = one;
  }
  return best?.tag ?? "Default";
}

const some = <T>(values: readonly T[], most: number): fc.Arbitrary<T[]> =>
  fc.array(fc.constantFrom(...values), { minLength: 1, maxLength: most });
const numbers = (until: number): number[] => Array.from({ length: until }, (_, i) => i + 1);

const criterion: fc.Arbitrary<ScheduleCriterion> = fc
  .record(
    {
      absolute: some(["AllBackup", "FirstOfDay", "FirstOfWeek", "FirstOfMonth", "FirstOfYear"] as const, 2),
      daysOfTheWeek: some(numbers(7), 4),
      weeksOfTheMonth: some([...numbers(4), "last" as const], 3),
      daysOfMonth: some([...numbers(28), "last" as const], 12),
      monthsOfYear: some(numbers(12), 6),
      scheduleTimes: some(["2026-01-15T05:00:00Z", "2026-07-15T17:00:00Z", "2026-01-15T23:00:00Z"], 3),
    },
    { requiredKeys: [] },
  )
  .map((made): ScheduleCriterion => {
    const few = Object.fromEntries(Object.entries(made).slice(-2));
    return Object.keys(few).length === 0 ? { absolute: ["FirstOfMonth"] } : few;
  });

const tagging = fc
  .uniqueArray(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 4 })
  .chain((priorities) =>
    fc.tuple(
      ...priorities.map((priority) =>
        fc
          .array(criterion, { minLength: 1, maxLength: 3 })
          .map((criteria) => tagged(`tag ${priority}`, priority, ...criteria)),
      ),
    ),
  )
  .map((criteria) => [BY_DEFAULT, ...criteria]);

/** Zones that change their offset at night, in either half of the year. */
const NIGHTS = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"];

describe("under any criteria", () => {
  test("the tag equals that of an independent calendar", ({ expect }) => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(
        tagging,
        fc.constantFrom(...ZONES),
        fc.integer({ min: 0, max: 6 * 365 }),
        fc.constantFrom(5, 11, 17, 23),
        fc.array(fc.integer({ min: -1, max: 400 }), { maxLength: 4 }),
        (criteria, zone, day, hour, daysBefore) => {
          const slot = new Date(Date.UTC(2024, 0, 1) + day * DAY_MS + hour * 3_600_000);
          const earlierSlots = daysBefore.map(
            (days) => new Date(slot.getTime() - days * DAY_MS - (days % 3) * 3_600_000),
          );
          const earlierSlot = earlierSlots
            .filter((earlier) => earlier < slot)
            .sort((a, b) => a.getTime() - b.getTime())
            .at(-1);
          const { tag, because } = decideTag(criteria, { slot, zone, earlierSlot });
          expect(tag).toBe(oracle(criteria, { slot, zone, earlierSlots }));
          expect(because).not.toBe("");
          const kind = tag === "Default" ? "default" : "criterion";
          seen.set(kind, (seen.get(kind) ?? 0) + 1);
        },
      ),
      { numRuns: 600 },
    );
    expect(Math.min(...seen.values())).toBeGreaterThan(50);
    expect(seen.size).toBe(2);
  });

  test("a daily schedule has exactly one first of each week, month and year", ({ expect }) => {
    let days = 0;
    for (const zone of NIGHTS) {
      const counts = new Map<string, number>();
      let earlierSlot: Date | undefined;
      let local = DateTime.fromISO("2023-12-31T03:30:00", { zone });
      for (; local.year < 2027; local = local.plus({ days: 1 })) {
        const slot = local.toJSDate();
        const { tag } = decideTag(LADDER, { slot, zone, earlierSlot });
        counts.set(tag, (counts.get(tag) ?? 0) + 1);
        earlierSlot = slot;
        days += 1;
      }
      // The last day of 2023 is the first backup ever.
      expect(counts.get("Yearly"), zone).toBe(4);
      expect(counts.get("Monthly"), zone).toBe(33);
      expect(counts.get("Daily"), zone).toBe(days / (NIGHTS.indexOf(zone) + 1) - 4 - 33 - (counts.get("Weekly") ?? 0));
      expect(counts.has("Default"), zone).toBe(false);
    }
    expect(days).toBeGreaterThan(3_000);
  });
});

test.for([
  [{ absolute: ["AllBackup"] }, "AllBackup in UTC"],
  [{ weeksOfTheMonth: ["last"] }, "last week in UTC"],
  [{ weeksOfTheMonth: [5] }, "week 5 in UTC"],
  [{ daysOfMonth: ["last"] }, "last day of the month in UTC"],
  [{ daysOfMonth: [31] }, "day 31 of the month in UTC"],
] as const)(
  "the second backup of 31 August matches %o, and the decision has the reason",
  ([criterion, because], { expect }) => {
    const second = backup("2026-08-31T14:00:00Z", { earlierSlot: new Date("2026-08-31T02:00:00Z") });
    const decided = decideTag([BY_DEFAULT, tagged("Kept", 10, criterion as unknown as ScheduleCriterion)], second);
    expect(decided).toEqual({ tag: "Kept", because });
  },
);

test("a day in an unknown zone is refused, not tagged", ({ expect }) => {
  const decide = () => decideTag([BY_DEFAULT, MONTHLY], backup("2026-08-31T14:00:00Z", { zone: "Nowhere/Town" }));
  expect(decide).toThrow(RangeError);
});

test("a default criterion with criteria of its own is still tried last", ({ expect }) => {
  const eager: TaggingCriterion = { ...BY_DEFAULT, priority: 1, criteria: [{ absolute: ["AllBackup"] }] };
  expect(decideTag([eager, DAILY], backup("2026-08-31T14:00:00Z"))).toMatchObject({ tag: "Daily" });
});
