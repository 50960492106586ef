import { test } from "vitest";
import { DAY_MS } from "../foundation/durations.ts";
import { decideDueScrub, shareOf } from "./decide-due-scrub.ts";

const SETTINGS = { everyDays: 30 };
const day = (number: number): Date => new Date(Date.UTC(2026, 0, 1) + number * DAY_MS);
const INSTANCE = { id: "1".repeat(32), createdAt: day(0).toISOString() };
const ended = { startedAt: day(0).toISOString(), takenUpAt: day(1).toISOString(), endedAt: day(2).toISOString() };
const open = { startedAt: day(0).toISOString(), takenUpAt: day(1).toISOString() };

test.for([
  ["a finished round is followed by another 30 days after its start", ended, 30, true],
  ["not before", ended, 29.9, false],
  ["an unfinished round is continued one day after it was taken up", open, 2, true],
  ["not before", open, 1.9, false],
] as const)("%s", ([, state, now, isDue], { expect }) => {
  expect(decideDueScrub(INSTANCE, state, SETTINGS, day(now)).isDue).toBe(isDue);
});

test("a requested scrub is due at once", ({ expect }) => {
  expect(decideDueScrub(INSTANCE, ended, SETTINGS, day(3), true)).toEqual({
    isDue: true,
    because: "it was requested",
    dueAt: day(30),
  });
});

test("first rounds are spread over the time between two rounds", ({ expect }) => {
  const days = new Set<number>();
  for (let number = 0; number < 1_000; number++) {
    const { dueAt } = decideDueScrub({ ...INSTANCE, id: String(number) }, undefined, SETTINGS, day(0));
    expect(dueAt.getTime()).toBeGreaterThanOrEqual(day(0).getTime());
    expect(dueAt.getTime()).toBeLessThan(day(30).getTime());
    days.add(Math.floor((dueAt.getTime() - day(0).getTime()) / DAY_MS));
  }
  expect(days.size).toBe(30);
});

test("a share of texts is about that share, and differs for other texts", ({ expect }) => {
  const chosen = (round: number): number[] =>
    Array.from({ length: 10_000 }, (_, n) => n).filter((n) => shareOf(`${round}\n${n}`) < 0.01);
  const [first, second] = [chosen(1), chosen(2)];
  expect(first.length).toBeGreaterThan(60);
  expect(first.length).toBeLessThan(150);
  expect(first.filter((n) => second.includes(n)).length).toBeLessThan(10);
  expect(chosen(1)).toEqual(first);
});
