/**
 * @module
 * Every offset change of 24 zones in ten years, against an oracle without offset arithmetic: it walks through time by
 * quarters of an hour and reads the local time.
 */

import { describe, test } from "vitest";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../foundation/durations.ts";
import { slotsBetween } from "./due-slot.ts";
import type { RepeatingInterval } from "./policy-record.ts";

const QUARTER_MS = 15 * MINUTE_MS;

/**
 * Years in which Samoa skipped a day, and North Korea, Venezuela, Russia and Turkey changed their offset permanently.
 */
const FROM = Date.UTC(2010, 0, 1);
const UNTIL = Date.UTC(2020, 0, 1);

const ZONES = [
  "UTC",
  "Africa/Cairo",
  "Africa/Casablanca",
  "America/Caracas",
  "America/Havana",
  "America/Los_Angeles",
  "America/New_York",
  "America/Santiago",
  "America/Sao_Paulo",
  "America/St_Johns",
  "Asia/Calcutta",
  "Asia/Gaza",
  "Asia/Katmandu",
  "Asia/Pyongyang",
  "Asia/Tehran",
  "Australia/Lord_Howe",
  "Australia/Sydney",
  "Europe/Berlin",
  "Europe/Istanbul",
  "Europe/London",
  "Europe/Moscow",
  "Pacific/Apia",
  "Pacific/Auckland",
  "Pacific/Chatham",
] as const;

/** Local time; milliseconds as if the zone were UTC. */
type Clock = (at: number) => number;

function clockOf(zone: string): Clock {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  // Swedish dates are ISO 8601 except for the T.
  return (at) => Date.parse(`${format.format(at).replace(" ", "T")}Z`);
}

/** Finds each offset change, by a daily check and bisection. */
function changesOf(clock: Clock): number[] {
  const drift = (at: number): number => clock(at) - at;
  const changes: number[] = [];
  let before = drift(FROM);
  for (let day = FROM; day < UNTIL; day += DAY_MS) {
    const after = drift(day + DAY_MS);
    if (after !== before) {
      let [low, high] = [day, day + DAY_MS];
      while (high - low > MINUTE_MS) {
        const middle = low + Math.floor((high - low) / 2 / MINUTE_MS) * MINUTE_MS;
        if (drift(middle) === before) low = middle;
        else high = middle;
      }
      changes.push(high);
    }
    before = after;
  }
  return changes;
}

const changesFound = new Map<string, readonly number[]>();

function changesIn(zone: string): readonly number[] {
  const changes = changesFound.get(zone) ?? changesOf(clockOf(zone));
  changesFound.set(zone, changes);
  return changes;
}

/** Local time around a change, every quarter of an hour. */
function walk(clock: Clock, change: number): { readonly at: number; readonly shown: number }[] {
  const shown: { at: number; shown: number }[] = [];
  for (let at = change - 2 * DAY_MS; at <= change + 2 * DAY_MS; at += QUARTER_MS) shown.push({ at, shown: clock(at) });
  return shown;
}

/** When the local time first occurs; else when it would have occurred without the change. */
function firstShown(steps: ReturnType<typeof walk>, wanted: number): number | undefined {
  const shows = steps.find(({ shown }) => shown === wanted);
  if (shows !== undefined) return shows.at;
  const jump = steps.findIndex(({ shown }, step) => shown < wanted && (steps[step + 1]?.shown ?? shown) > wanted);
  const last = steps[jump];
  return last === undefined ? undefined : last.at + (wanted - last.shown);
}

const PERIODS = [
  { unit: "days", count: 1 },
  { unit: "days", count: 2 },
  { unit: "weeks", count: 1 },
] as const satisfies readonly RepeatingInterval["every"][];

/** Slots of a time of day before the change, so that the one after it is not the start. */
const PERIODS_BEFORE = 3;

describe.for(ZONES)("in %s", (zone) => {
  const clock = clockOf(zone);
  const changes = changesIn(zone);

  test("around each offset change, every local time runs once, at its first occurrence", ({ expect }) => {
    let compared = 0;
    for (const [nth, change] of changes.entries()) {
      const steps = walk(clock, change);
      const lands = clock(change);
      expect(Math.abs(lands - clock(change - QUARTER_MS)) % QUARTER_MS).toBe(0);
      const every = PERIODS[nth % PERIODS.length] ?? PERIODS[0];
      const period = every.count * (every.unit === "weeks" ? 7 : 1) * DAY_MS;
      // Times that are skipped or occur twice, and some others.
      const around = [-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 18, 50];
      for (const quarters of around) {
        const wanted = lands + quarters * QUARTER_MS;
        const begin = steps[0]?.at ?? 0;
        const start = startOf(clock, wanted - PERIODS_BEFORE * period);
        const times = [-3, -2, -1, 0, 1, 2]
          .map((day) => wanted + day * DAY_MS)
          .filter((time) => (time - wanted) % period === 0);
        const window = { after: new Date(begin + DAY_MS / 2), until: new Date(begin + 3.5 * DAY_MS) };
        const expected = times
          .map((time) => firstShown(steps, time))
          .filter((at) => at !== undefined && at > window.after.getTime() && at <= window.until.getTime());
        const slots = slotsBetween([{ start: new Date(start).toISOString(), every, zone }], window).map(Number);
        expect(slots, `${new Date(change).toISOString()} ${quarters}`).toEqual([...new Set(expected)]);
        compared += slots.length;
      }
    }
    expect(compared).toBeGreaterThanOrEqual(changes.length * 14);
  });

  test("a daily schedule repeats every 24 hours, except at offset changes", ({ expect }) => {
    const start = startOf(clock, Date.UTC(2010, 0, 1, 2, 30));
    const daily: RepeatingInterval = { start: new Date(start).toISOString(), every: { unit: "days", count: 1 }, zone };
    const slots = slotsBetween([daily], { after: new Date(start - 1), until: new Date(UNTIL) }).map(Number);
    const irregular = slots.filter((slot, at) => at > 0 && slot - (slots[at - 1] ?? 0) !== DAY_MS);
    for (const slot of irregular) {
      const near = changes.filter((change) => Math.abs(change - slot) <= 2 * DAY_MS);
      expect(near, new Date(slot).toISOString()).not.toEqual([]);
    }
    expect(slots.every((slot, at) => at === 0 || slot > (slots[at - 1] ?? slot))).toBe(true);
    // One a date that the clock shows.
    const dates = Math.floor(clock(UNTIL) / DAY_MS) - Math.floor(clock(start) / DAY_MS) + 1;
    const tonight = clock(UNTIL) % DAY_MS < 2.5 * HOUR_MS ? 1 : 0;
    expect(slots).toHaveLength(dates - tonight - (zone === "Pacific/Apia" ? 1 : 0));
  });
});

/** The moment of a local time that occurs exactly once. */
function startOf(clock: Clock, wanted: number): number {
  const at = wanted - (clock(wanted) - wanted);
  return at - (clock(at) - wanted);
}

test("the zones have enough offset changes", ({ expect }) => {
  expect(ZONES.flatMap(changesIn).length).toBeGreaterThan(300);
  expect(changesIn("UTC")).toEqual([]);
  expect(changesIn("Pacific/Apia")).toContain(Date.UTC(2011, 11, 30, 10));
});
