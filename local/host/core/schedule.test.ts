import { test } from "vitest";
import { parseSchedule } from "./schedule.ts";

const AFTER = new Date("2026-01-01T00:00:30.500Z");

const NEXT: readonly [string, string, string][] = [
  ["every minute", "0 * * * * *", "2026-01-01T00:01:00.000Z"],
  ["every second", "* * * * * *", "2026-01-01T00:00:31.000Z"],
  ["five fields mean second 0", "*/5 * * * *", "2026-01-01T00:05:00.000Z"],
  ["a step from a value on", "5/20 * * * * *", "2026-01-01T00:00:45.000Z"],
  ["a range with a step", "0 10-30/10 * * * *", "2026-01-01T00:10:00.000Z"],
  ["a list", "0 0 6,18 * * *", "2026-01-01T06:00:00.000Z"],
  ["names of months and weekdays", "0 0 0 * Feb Mon", "2026-02-02T00:00:00.000Z"],
  ["a range of names", "0 0 0 * * MON-FRI", "2026-01-02T00:00:00.000Z"],
  ["Sunday is 0", "0 0 0 * * 0", "2026-01-04T00:00:00.000Z"],
  ["day and weekday must both fit", "0 0 0 13 * 5", "2026-02-13T00:00:00.000Z"],
  ["a leap day", "0 0 0 29 2 *", "2028-02-29T00:00:00.000Z"],
];

for (const [sentence, text, next] of NEXT) {
  test(`${sentence}: ${text}`, async ({ expect }) => {
    expect(parseSchedule(text).next(AFTER)?.toISOString()).toBe(next);
  });
}

test("a date that never comes has no next run", async ({ expect }) => {
  expect(parseSchedule("0 0 0 30 2 *").next(AFTER)).toBeUndefined();
});

test("follows a time zone through daylight saving", async ({ expect }) => {
  const daily = parseSchedule("0 0 9 * * *", "Europe/Berlin");
  expect(daily.next(new Date("2026-03-28T12:00:00Z"))?.toISOString()).toBe("2026-03-29T07:00:00.000Z");
  expect(daily.next(new Date("2026-03-27T12:00:00Z"))?.toISOString()).toBe("2026-03-28T08:00:00.000Z");
});

const REFUSED: readonly [string, RegExp][] = [
  ["00:05:00", /TimeSpan.*NCRONTAB/s],
  ["@daily", /six fields/],
  ["", /six fields/],
  ["0 0 0 1 * * *", /six fields/],
  ["0 0 0 L * *", /'L' is no day/],
  ["0 0 0 15W * *", /'15W' is no day/],
  ["0 0 0 * * 5#2", /'5#2' is no weekday/],
  ["0 0 0 * * 7", /'7' is no weekday/],
  ["60 * * * * *", /'60' is no second/],
  ["0 0 24 * * *", /'24' is no hour/],
  ["0 0 0 0 * *", /'0' is no day/],
  ["0 0 0 ? * *", /'\?' is no day/],
  ["*/0 * * * * *", /'\*\/0' is no second/],
  ["30-10 * * * * *", /'30-10' is no second/],
  ["1-2-3 * * * * *", /is no second/],
  ["+5 * * * * *", /'\+5' is no second/],
];

for (const [text, message] of REFUSED) {
  test(`refuses '${text}'`, async ({ expect }) => {
    expect(() => parseSchedule(text)).toThrow(message);
  });
}
