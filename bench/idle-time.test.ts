import { test } from "vitest";
import { idleSeconds } from "./idle-time.ts";

const FUNCTIONS = ["functions:", "  containerCopy: queue", "  sealRecoveryPoint: activity", "  scheduler: timer"];
const at = (time: string): number => Date.parse(`2026-01-01T${time}Z`);

test("time without a function of a job is idle, however functions overlap", ({ expect }) => {
  const output = [
    ...FUNCTIONS,
    "10:00:02.000 info  containerCopy done in 1000 ms",
    "10:00:02.500 debug sealRecoveryPoint done in 1000 ms",
    "10:00:04.000 error containerCopy failed after 500 ms: because",
    "10:00:08.000 info  scheduler done in 8000 ms",
    "10:00:09.000 debug subscriptions done in 5000 ms",
    "10:00:30.000 info  containerCopy done in 1000 ms",
  ];
  // Busy from 1 to 2.5 and from 3.5 to 4.
  expect(idleSeconds(output, { from: at("10:00:00.000"), until: at("10:00:10.000") })).toBe(8);
});

test("functions that overlap the start or the end of the job count within it", ({ expect }) => {
  const output = [
    ...FUNCTIONS,
    "10:00:01.000 info  containerCopy done in 60000 ms",
    "10:00:11.000 debug containerCopy done in 2000 ms",
  ];
  expect(idleSeconds(output, { from: at("10:00:00.000"), until: at("10:00:10.000") })).toBe(8);
});

test("a job may continue past midnight", ({ expect }) => {
  const output = [...FUNCTIONS, "00:00:01.000 info  containerCopy done in 2000 ms"];
  expect(idleSeconds(output, { from: at("23:59:58.000"), until: at("23:59:58.000") + 4_000 })).toBe(2);
});
