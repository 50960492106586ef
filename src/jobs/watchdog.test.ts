import fc from "fast-check";
import { describe, test } from "vitest";
import {
  BEAT_EVERY_MS,
  decideRestart,
  decideWatch,
  ENDING_MS,
  MAX_RESTARTS,
  QUEUED_MS,
  QUIET_MS,
  type WatchFacts,
} from "./watchdog.ts";
import type { WatchRecord } from "./work.ts";

const START = Date.parse("2026-01-01T00:00:00.000Z");
const at = (ms: number): string => new Date(START + ms).toISOString();
const watch = (changes: Partial<WatchRecord> = {}): WatchRecord => ({
  kind: "watch",
  seenAt: at(0),
  restarts: 0,
  ...changes,
});
const facts = (ms: number, changes: Partial<WatchFacts> = {}): WatchFacts => ({
  watch: watch(),
  isCancelling: false,
  areOthersRunning: false,
  now: new Date(START + ms),
  ...changes,
});

test("the numbers fit: heartbeats before quiet, the longest retry too, and a check each minute within two minutes", ({
  expect,
}) => {
  expect(3 * BEAT_EVERY_MS).toBeLessThan(QUIET_MS);
  expect(40_000 + BEAT_EVERY_MS).toBeLessThanOrEqual(QUIET_MS);
  expect(QUIET_MS + 60_000).toBeLessThan(120_000);
  expect(QUEUED_MS).toBeGreaterThan(10 * 60_000);
});

describe("a job is", () => {
  test.for<readonly [string, Partial<WatchFacts>, number, string]>([
    ["left alone up to the limit", {}, QUIET_MS, "wait"],
    ["checked after it", {}, QUIET_MS + 1, "look"],
    ["left alone while its worker has heartbeats", { watch: watch({ beatAt: at(60_000) }) }, 60_000 + QUIET_MS, "wait"],
    ["checked when its heartbeats stopped", { watch: watch({ beatAt: at(60_000) }) }, 60_001 + QUIET_MS, "look"],
    ["left alone for longer while other jobs run", { areOthersRunning: true }, QUEUED_MS, "wait"],
    ["checked in the end even so", { areOthersRunning: true }, QUEUED_MS + 1, "look"],
    ["left alone for twice as long after one restart", { watch: watch({ restarts: 1 }) }, 2 * QUIET_MS, "wait"],
    ["checked after that", { watch: watch({ restarts: 1 }) }, 2 * QUIET_MS + 1, "look"],
    ["left alone for at most sixteen times as long", { watch: watch({ restarts: 8 }) }, 16 * QUIET_MS, "wait"],
    ["checked after that, too", { watch: watch({ restarts: 8 }) }, 16 * QUIET_MS + 1, "look"],
    ["left to end itself when it is cancelled", { isCancelling: true }, ENDING_MS, "wait"],
    ["ended when it does not", { isCancelling: true }, ENDING_MS + 1, "end"],
    ["left to end itself when it has failed", { watch: watch({ failedAt: at(0) }) }, ENDING_MS, "wait"],
    ["ended when it does not end", { watch: watch({ failedAt: at(0) }) }, ENDING_MS + 1, "end"],
  ])("%s", ([, changes, ms, action], { expect }) => {
    const decided = decideWatch(facts(ms, changes));
    expect(decided.action).toBe(action);
    expect(decided.because).not.toBe("");
  });
});

describe("a job without signs of life", () => {
  test.for<readonly [string, Partial<WatchRecord>, string]>([
    ["made progress without heartbeat: note it", { progress: "before" }, "note"],
    ["was never checked: note its progress", {}, "note"],
    ["made progress, and its heartbeats stopped: restart", { progress: "before", beatAt: at(0) }, "restart"],
    ["makes no progress: restart", { progress: "now" }, "restart"],
    ["makes no progress after many restarts: once more", { progress: "now", restarts: MAX_RESTARTS - 1 }, "restart"],
    ["makes no progress after the max restarts: fail", { progress: "now", restarts: MAX_RESTARTS }, "fail"],
    ["made progress after as many restarts: not failed", { progress: "before", restarts: MAX_RESTARTS }, "note"],
    [
      "made progress, and its heartbeats stopped: not failed",
      { progress: "b", beatAt: at(0), restarts: MAX_RESTARTS },
      "restart",
    ],
  ])("%s", ([, changes, action], { expect }) => {
    expect(decideRestart(watch(changes), "now").action).toBe(action);
  });

  test("and that has failed has a code and a hint", ({ expect }) => {
    const decided = decideRestart(watch({ progress: "now", restarts: MAX_RESTARTS }), "now");
    expect(decided).toMatchObject({
      failure: { code: "job/stalled", hint: expect.stringContaining("start the job again") },
    });
  });
});

test("a job without progress fails within two hours, after few restarts; one with progress never does", ({
  expect,
}) => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 300, maxLength: 300 }), ([...getsOn]) => {
      let known = watch();
      let restarts = 0;
      let progress = 0;
      let idleSince = 0;
      for (let minute = 1; minute <= 300; minute++) {
        const now = minute * 60_000;
        if (getsOn[minute - 1] === true && minute % 40 === 0) {
          progress += 1;
          idleSince = now;
        }
        if (decideWatch(facts(now, { watch: known })).action !== "look") continue;
        const decided = decideRestart(known, String(progress));
        const hasProgress = known.progress !== String(progress);
        known = { ...known, seenAt: at(now), progress: String(progress), restarts: hasProgress ? 0 : known.restarts };
        if (decided.action === "restart") {
          known = { ...known, restarts: known.restarts + 1 };
          restarts += 1;
        }
        if (decided.action !== "fail") continue;
        expect(now - idleSince).toBeGreaterThan(60 * 60_000);
        expect(now - idleSince).toBeLessThan(3 * 60 * 60_000);
        return;
      }
      expect(progress).toBeGreaterThan(0);
      expect(restarts).toBeGreaterThan(0);
    }),
  );
});
