import fc from "fast-check";
import { describe, test } from "vitest";
import { DAY_MS, HOUR_MS } from "../foundation/durations.ts";
import { dueSlot, slotsBetween } from "./due-slot.ts";
import type { RepeatingInterval } from "./policy-record.ts";

const LONG_AGO = new Date(0);

const daily = (start: string, zone = "UTC", count = 1): RepeatingInterval => ({
  start,
  every: { unit: "days", count },
  zone,
});
const weekly = (start: string, zone = "UTC", count = 1): RepeatingInterval => ({
  start,
  every: { unit: "weeks", count },
  zone,
});

const elapsed = (start: string, unit: "hours" | "minutes", count: number, zone = "UTC"): RepeatingInterval => ({
  start,
  every: { unit, count },
  zone,
});

function slotOf(interval: RepeatingInterval | readonly RepeatingInterval[], now: string, after = LONG_AGO) {
  const intervals = Array.isArray(interval) ? (interval as RepeatingInterval[]) : [interval as RepeatingInterval];
  return dueSlot(intervals, { after, until: new Date(now) })?.slot.toISOString();
}

describe("the newest slot", () => {
  test.for([
    ["is the start itself", daily("2026-01-10T02:00:00Z"), "2026-01-10T02:00:00Z", "2026-01-10T02:00:00.000Z"],
    ["is none before the start", daily("2026-01-10T02:00:00Z"), "2026-01-10T01:59:59.999Z", undefined],
    ["comes every day", daily("2026-01-10T02:00:00Z"), "2026-03-01T01:59:59Z", "2026-02-28T02:00:00.000Z"],
    [
      "repeats every third day",
      daily("2026-01-10T02:00:00Z", "UTC", 3),
      "2026-01-15T23:00:00Z",
      "2026-01-13T02:00:00.000Z",
    ],
    ["comes every week", weekly("2026-01-04T02:00:00Z"), "2026-01-24T00:00:00Z", "2026-01-18T02:00:00.000Z"],
    [
      "repeats every other week",
      weekly("2026-01-04T02:00:00Z", "UTC", 2),
      "2026-01-31T00:00:00Z",
      "2026-01-18T02:00:00.000Z",
    ],
    [
      "repeats every four hours",
      elapsed("2026-01-10T02:00:00Z", "hours", 4),
      "2026-01-11T01:59:59Z",
      "2026-01-10T22:00:00.000Z",
    ],
    [
      "repeats every quarter of an hour",
      elapsed("2026-01-10T02:05:00Z", "minutes", 15),
      "2026-01-10T23:59:59Z",
      "2026-01-10T23:50:00.000Z",
    ],
    ["is found years later", daily("2016-01-10T02:00:00Z"), "2026-01-10T03:00:00Z", "2026-01-10T02:00:00.000Z"],
  ] as const)("%s", ([, interval, now, slot], { expect }) => {
    expect(slotOf(interval, now)).toBe(slot);
  });

  test("is the latest of several schedules", ({ expect }) => {
    const twice = [daily("2026-01-01T02:00:00Z"), daily("2026-01-01T14:00:00Z")];
    expect(slotOf(twice, "2026-01-05T13:00:00Z")).toBe("2026-01-05T02:00:00.000Z");
    expect(slotOf(twice, "2026-01-05T15:00:00Z")).toBe("2026-01-05T14:00:00.000Z");
  });

  test("is one of every weekday that has a schedule", ({ expect }) => {
    const weekdays = [weekly("2026-01-05T02:00:00Z"), weekly("2026-01-07T20:00:00Z"), weekly("2026-01-09T02:00:00Z")];
    const window = { after: new Date("2026-01-12T02:00:00Z"), until: new Date("2026-01-19T02:00:00Z") };
    expect(slotsBetween(weekdays, window).map((slot) => slot.toISOString())).toEqual([
      "2026-01-14T20:00:00.000Z",
      "2026-01-16T02:00:00.000Z",
      "2026-01-19T02:00:00.000Z",
    ]);
  });

  test("lists the older slots that it replaces", ({ expect }) => {
    const window = { after: new Date("2026-01-05T02:00:00Z"), until: new Date("2026-01-08T12:00:00Z") };
    expect(dueSlot([daily("2026-01-01T02:00:00Z")], window)).toEqual({
      slot: new Date("2026-01-08T02:00:00Z"),
      skipped: [new Date("2026-01-06T02:00:00Z"), new Date("2026-01-07T02:00:00Z")],
    });
  });

  test("is one where several schedules meet", ({ expect }) => {
    const both = [daily("2026-01-01T02:00:00Z"), weekly("2026-01-07T02:00:00Z")];
    const window = { after: new Date("2026-01-13T12:00:00Z"), until: new Date("2026-01-14T12:00:00Z") };
    expect(dueSlot(both, window)).toEqual({ slot: new Date("2026-01-14T02:00:00Z"), skipped: [] });
  });

  test("lies in the window, whose start is excluded and whose end is included", ({ expect }) => {
    const interval = daily("2026-01-01T02:00:00Z");
    const slot = new Date("2026-01-05T02:00:00Z");
    expect(dueSlot([interval], { after: slot, until: new Date(slot.getTime() + 5 * HOUR_MS) })).toBeUndefined();
    expect(dueSlot([interval], { after: new Date(slot.getTime() - 1), until: slot })).toEqual({ slot, skipped: [] });
  });

  test("is none without a schedule", ({ expect }) => {
    expect(slotOf([], "2026-01-05T13:00:00Z")).toBeUndefined();
  });
});

describe("daylight saving", () => {
  const berlin = daily("2026-01-01T02:30:00+01:00", "Europe/Berlin");
  const slotsOn = (interval: RepeatingInterval, from: string, until: string): string[] =>
    slotsBetween([interval], { after: new Date(from), until: new Date(until) }).map((slot) => slot.toISOString());

  test("keeps the local time of day", ({ expect }) => {
    expect(slotOf(berlin, "2026-01-15T12:00:00Z")).toBe("2026-01-15T01:30:00.000Z");
    expect(slotOf(berlin, "2026-07-15T12:00:00Z")).toBe("2026-07-15T00:30:00.000Z");
  });

  test("runs a skipped local time once, an hour later by the clock", ({ expect }) => {
    // At 02:00 on 29 March 2026 clocks in Berlin go to 03:00.
    expect(slotsOn(berlin, "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z")).toEqual([
      "2026-03-28T01:30:00.000Z",
      "2026-03-29T01:30:00.000Z",
      "2026-03-30T00:30:00.000Z",
    ]);
  });

  test.for([
    ["winter", "2026-01-01T02:30:00+01:00"],
    ["summer", "2026-07-01T02:30:00+02:00"],
  ] as const)(
    "runs a local time that occurs twice once, at its first occurrence, if it began in %s",
    ([, start], { expect }) => {
      // At 03:00 on 25 October 2026 clocks in Berlin go back to 02:00.
      const slots = slotsOn(daily(start, "Europe/Berlin"), "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z");
      expect(slots).toEqual(["2026-10-24T00:30:00.000Z", "2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"]);
    },
  );

  test("begins at the start, also when that is the second occurrence of its local time", ({ expect }) => {
    const slots = slotsOn(
      daily("2026-10-25T02:30:00+01:00", "Europe/Berlin"),
      "2026-10-24T00:00:00Z",
      "2026-10-26T12:00:00Z",
    );
    expect(slots).toEqual(["2026-10-25T01:30:00.000Z", "2026-10-26T01:30:00.000Z"]);
  });

  test("does not shift hours and minutes, which count elapsed time", ({ expect }) => {
    const slots = slotsOn(
      elapsed("2026-10-24T22:30:00+02:00", "hours", 2, "Europe/Berlin"),
      "2026-10-24T21:00:00Z",
      "2026-10-25T03:00:00Z",
    );
    expect(slots).toEqual(["2026-10-24T22:30:00.000Z", "2026-10-25T00:30:00.000Z", "2026-10-25T02:30:00.000Z"]);
  });

  test("runs once where a zone skipped a whole day", ({ expect }) => {
    // Samoa went from 29 to 31 December 2011.
    const slots = slotsOn(
      daily("2011-12-01T12:00:00-10:00", "Pacific/Apia"),
      "2011-12-29T00:00:00Z",
      "2012-01-01T00:00:00Z",
    );
    expect(slots).toEqual(["2011-12-29T22:00:00.000Z", "2011-12-30T22:00:00.000Z", "2011-12-31T22:00:00.000Z"]);
  });
});

const ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
  "Pacific/Apia",
] as const;

const EPOCH = Date.parse("2010-01-01T00:00:00Z");
const every = fc.oneof(
  fc.record({ unit: fc.constantFrom("days" as const, "weeks" as const), count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ unit: fc.constant("hours" as const), count: fc.integer({ min: 1, max: 50 }) }),
  fc.record({ unit: fc.constant("minutes" as const), count: fc.integer({ min: 60, max: 2000 }) }),
);
const interval: fc.Arbitrary<RepeatingInterval> = fc
  .record({ offsetMinutes: fc.nat(2 * 365 * 24 * 60), zone: fc.constantFrom(...ZONES), every })
  .map(({ offsetMinutes, ...rest }) => ({ start: new Date(EPOCH + offsetMinutes * 60_000).toISOString(), ...rest }));
const schedule = fc.array(interval, { minLength: 1, maxLength: 3 });

describe("under any ticking", () => {
  const day = fc.nat(3 * 365);
  const pauses = fc.array(fc.integer({ min: 1, max: 3 * DAY_MS }), { minLength: 5, maxLength: 60 });

  test("every slot either runs once or is reported as skipped once, and the latest due one always runs", ({
    expect,
  }) => {
    const seen = { ran: 0, skipped: 0 };
    fc.assert(
      fc.property(schedule, day, pauses, (intervals, createdOn, waits) => {
        const created = EPOCH + createdOn * DAY_MS;
        const last = created + waits.reduce((sum, wait) => sum + wait, 0);
        const slots = slotsBetween(intervals, { after: new Date(created), until: new Date(last) }).map(Number);
        const handled: number[] = [];
        let after = created;
        let now = created;
        for (const wait of waits) {
          now += wait;
          const due = dueSlot(intervals, { after: new Date(after), until: new Date(now) });
          if (due !== undefined) {
            after = due.slot.getTime();
            handled.push(...due.skipped.map(Number), after);
            seen.ran += 1;
            seen.skipped += due.skipped.length;
          }
          expect(handled.at(-1)).toBe(slots.filter((time) => time <= now).at(-1));
        }
        expect(handled).toEqual(slots);
      }),
      { numRuns: 60 },
    );
    expect(seen.ran).toBeGreaterThan(200);
    expect(seen.skipped).toBeGreaterThan(200);
  });

  test("skips none when ticks are more frequent than slots", ({ expect }) => {
    let ran = 0;
    fc.assert(
      fc.property(interval, day, fc.integer({ min: 1, max: 6 }), (one, createdOn, tens) => {
        const created = EPOCH + createdOn * DAY_MS;
        let after = created;
        for (let now = created; now <= created + 7 * DAY_MS; now += tens * 10 * 60_000) {
          const due = dueSlot([one], { after: new Date(after), until: new Date(now) });
          if (due === undefined) continue;
          after = due.slot.getTime();
          expect(due.skipped).toEqual([]);
          ran += 1;
        }
      }),
      { numRuns: 30 },
    );
    expect(ran).toBeGreaterThan(50);
  });
});

test("slots ascend, and two halves of a window have the slots of the whole", ({ expect }) => {
  let found = 0;
  fc.assert(
    fc.property(
      schedule,
      fc.nat(4 * 365),
      fc.nat(40 * DAY_MS),
      fc.nat(40 * DAY_MS),
      (intervals, day, first, second) => {
        const [from, middle, until] = [0, first, first + second].map((ms) => new Date(EPOCH + day * DAY_MS + ms));
        if (from === undefined || middle === undefined || until === undefined) throw new Error("no window");
        const whole = slotsBetween(intervals, { after: from, until });
        expect(whole).toEqual([
          ...slotsBetween(intervals, { after: from, until: middle }),
          ...slotsBetween(intervals, { after: middle, until }),
        ]);
        expect(whole.every((slot, at) => at === 0 || slot > (whole[at - 1] ?? slot))).toBe(true);
        found += whole.length;
      },
    ),
    { numRuns: 60 },
  );
  expect(found).toBeGreaterThan(500);
});
