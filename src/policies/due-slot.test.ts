import fc from "fast-check";
import { DateTime } from "luxon";
import { describe, test } from "vitest";
import type { RepeatingInterval } from "./contract.ts";
import { dueSlot } from "./due-slot.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
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

function slotOf(interval: RepeatingInterval | readonly RepeatingInterval[], now: string, after = LONG_AGO) {
  const intervals = Array.isArray(interval) ? (interval as RepeatingInterval[]) : [interval as RepeatingInterval];
  return dueSlot(intervals, { after, now: new Date(now) })?.toISOString();
}

describe("the newest slot", () => {
  test.for([
    ["is the start itself", daily("2026-01-10T02:00:00Z"), "2026-01-10T02:00:00Z", "2026-01-10T02:00:00.000Z"],
    ["is none before the start", daily("2026-01-10T02:00:00Z"), "2026-01-10T01:59:59.999Z", undefined],
    ["comes every day", daily("2026-01-10T02:00:00Z"), "2026-03-01T01:59:59Z", "2026-02-28T02:00:00.000Z"],
    [
      "comes every third day",
      daily("2026-01-10T02:00:00Z", "UTC", 3),
      "2026-01-15T23:00:00Z",
      "2026-01-13T02:00:00.000Z",
    ],
    ["comes every week", weekly("2026-01-04T02:00:00Z"), "2026-01-24T00:00:00Z", "2026-01-18T02:00:00.000Z"],
    [
      "comes every other week",
      weekly("2026-01-04T02:00:00Z", "UTC", 2),
      "2026-01-31T00:00:00Z",
      "2026-01-18T02:00:00.000Z",
    ],
    ["is found years later", daily("2016-01-10T02:00:00Z"), "2026-01-10T03:00:00Z", "2026-01-10T02:00:00.000Z"],
  ] as const)("%s", ([, interval, now, slot], { expect }) => {
    expect(slotOf(interval, now)).toBe(slot);
  });

  test("is the newest of several schedules", ({ expect }) => {
    const twice = [daily("2026-01-01T02:00:00Z"), daily("2026-01-01T14:00:00Z")];
    expect(slotOf(twice, "2026-01-05T13:00:00Z")).toBe("2026-01-05T02:00:00.000Z");
    expect(slotOf(twice, "2026-01-05T15:00:00Z")).toBe("2026-01-05T14:00:00.000Z");
  });

  test("lies in the window, whose start is excluded and whose end is included", ({ expect }) => {
    const interval = daily("2026-01-01T02:00:00Z");
    const slot = new Date("2026-01-05T02:00:00Z");
    expect(dueSlot([interval], { after: slot, now: new Date(slot.getTime() + 5 * HOUR_MS) })).toBeUndefined();
    expect(dueSlot([interval], { after: new Date(slot.getTime() - 1), now: slot })).toEqual(slot);
  });

  test("is none without a schedule", ({ expect }) => {
    expect(slotOf([], "2026-01-05T13:00:00Z")).toBeUndefined();
  });
});

describe("daylight saving", () => {
  const berlin = daily("2026-01-01T02:30:00+01:00", "Europe/Berlin");

  test("keeps the local time of day", ({ expect }) => {
    expect(slotOf(berlin, "2026-01-15T12:00:00Z")).toBe("2026-01-15T01:30:00.000Z");
    expect(slotOf(berlin, "2026-07-15T12:00:00Z")).toBe("2026-07-15T00:30:00.000Z");
  });

  test("runs a local time that is left out once, an hour later by the clock", ({ expect }) => {
    // At 02:00 on 29 March 2026 clocks in Berlin go to 03:00.
    expect(slotOf(berlin, "2026-03-29T12:00:00Z")).toBe("2026-03-29T01:30:00.000Z");
    expect(slotOf(berlin, "2026-03-29T01:29:59Z")).toBe("2026-03-28T01:30:00.000Z");
    expect(slotOf(berlin, "2026-03-30T12:00:00Z")).toBe("2026-03-30T00:30:00.000Z");
  });

  test("runs a local time that comes twice once", ({ expect }) => {
    // At 03:00 on 25 October 2026 clocks in Berlin go back to 02:00.
    const slots = new Set<string | undefined>();
    const from = Date.parse("2026-10-24T12:00:00Z");
    for (let at = from; at < from + DAY_MS; at += HOUR_MS / 4) slots.add(slotOf(berlin, new Date(at).toISOString()));
    expect([...slots]).toEqual(["2026-10-24T00:30:00.000Z", expect.stringMatching(/^2026-10-25T0[01]:30:00.000Z$/)]);
  });
});

const ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
  "Pacific/Apia",
  "America/Sao_Paulo",
  "Africa/Casablanca",
] as const;

const EPOCH = Date.parse("2010-01-01T00:00:00Z");
const interval: fc.Arbitrary<RepeatingInterval> = fc
  .record({
    offsetMinutes: fc.integer({ min: 0, max: 2 * 365 * 24 * 60 }),
    zone: fc.constantFrom(...ZONES),
    unit: fc.constantFrom("days" as const, "weeks" as const),
    count: fc.integer({ min: 1, max: 6 }),
  })
  .map(({ offsetMinutes, zone, unit, count }) => ({
    start: DateTime.fromMillis(EPOCH + offsetMinutes * 60_000, { zone }).toISO() ?? "",
    every: { unit, count },
    zone,
  }));

/** All slots up to a moment, by counting days from the start. */
function allSlots(intervals: readonly RepeatingInterval[], until: number): number[] {
  const slots = new Set<number>();
  for (const { start, zone, every } of intervals) {
    const first = DateTime.fromISO(start, { zone });
    const days = every.count * (every.unit === "weeks" ? 7 : 1);
    for (let n = 0; ; n++) {
      const at = first.plus({ days: n * days }).toMillis();
      if (at > until + 2 * DAY_MS) break;
      if (at <= until) slots.add(at);
    }
  }
  return [...slots].sort((a, b) => a - b);
}

describe("under any ticking", () => {
  const schedule = fc.array(interval, { minLength: 1, maxLength: 3 });

  test("the slot is the newest that counting finds", ({ expect }) => {
    fc.assert(
      fc.property(schedule, fc.integer({ min: 0, max: 4 * 365 }), fc.nat(DAY_MS), (intervals, day, ms) => {
        const now = EPOCH + day * DAY_MS + ms;
        const slot = dueSlot(intervals, { after: LONG_AGO, now: new Date(now) });
        expect(slot?.getTime()).toBe(allSlots(intervals, now).at(-1));
      }),
      { numRuns: 150 },
    );
  });

  test("no slot runs twice, none is made up, and the newest that has come has always run", ({ expect }) => {
    let ran = 0;
    fc.assert(
      fc.property(
        schedule,
        fc.integer({ min: 0, max: 3 * 365 }),
        fc.array(fc.integer({ min: 1, max: 3 * DAY_MS }), { minLength: 5, maxLength: 60 }),
        (intervals, day, pauses) => {
          const created = EPOCH + day * DAY_MS;
          const last = created + pauses.reduce((sum, pause) => sum + pause, 0);
          const slots = allSlots(intervals, last).filter((slot) => slot > created);
          const handled: number[] = [];
          let after = created;
          let now = created;
          for (const pause of pauses) {
            now += pause;
            const slot = dueSlot(intervals, { after: new Date(after), now: new Date(now) });
            if (slot !== undefined) {
              after = slot.getTime();
              handled.push(after);
            }
            const newestCome = slots.filter((time) => time <= now).at(-1);
            expect(handled.at(-1)).toBe(newestCome);
          }
          expect(new Set(handled).size).toBe(handled.length);
          expect(slots).toEqual(expect.arrayContaining(handled));
          ran += handled.length;
        },
      ),
      { numRuns: 150 },
    );
    expect(ran).toBeGreaterThan(200);
  });

  test("every slot runs when ticks come more often than slots", ({ expect }) => {
    let ran = 0;
    fc.assert(
      fc.property(
        interval,
        fc.integer({ min: 0, max: 3 * 365 }),
        fc.integer({ min: 1, max: 60 }),
        (one, day, minutes) => {
          const created = EPOCH + day * DAY_MS;
          const until = created + 21 * DAY_MS;
          const handled: number[] = [];
          let after = created;
          for (let now = created; now <= until; now += minutes * 10 * 60_000) {
            const slot = dueSlot([one], { after: new Date(after), now: new Date(now) });
            if (slot === undefined) continue;
            after = slot.getTime();
            handled.push(after);
          }
          const lastTick = until - ((until - created) % (minutes * 10 * 60_000));
          expect(handled).toEqual(allSlots([one], lastTick).filter((slot) => slot > created));
          ran += handled.length;
        },
      ),
      { numRuns: 60 },
    );
    expect(ran).toBeGreaterThan(50);
  });
});
