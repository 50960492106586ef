import { readFileSync } from "node:fs";
import { describe, test } from "vitest";
import { staleSnapshots } from "../azure/decide-frozen-copy.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { purgeTimeOf } from "../retention/plan-retention.ts";
import { DAY_MS, MINUTE_MS } from "./durations.ts";
import { FULL_SAFETY, NO_SAFETY } from "./safety.ts";

/** What the host allows an execution, from `host.json`. */
function functionTimeoutMs(): number {
  const host = JSON.parse(readFileSync(new URL("../../host.json", import.meta.url), "utf8")) as {
    readonly functionTimeout: string;
  };
  const [hours = 0, minutes = 0, seconds = 0] = host.functionTimeout.split(":").map(Number);
  return ((hours * 60 + minutes) * 60 + seconds) * 1_000;
}

/** Azure's front end gives up a request then. */
const REQUEST_MS = 230_000;

describe("each number is longer than what it waits for", () => {
  test("no execution is alive when its snapshot, its rows or its late write are dealt with", ({ expect }) => {
    const { staleSnapshotMs, lateWorkMs, lateWriteMs } = FULL_SAFETY;
    for (const each of [staleSnapshotMs, lateWorkMs, lateWriteMs]) expect(each).toBeGreaterThan(functionTimeoutMs());
  });

  test("no request is alive when its mark, claim or turn counts no more", ({ expect }) => {
    for (const each of [FULL_SAFETY.claimMs, FULL_SAFETY.jobTurnMs])
      expect(each).toBeGreaterThan(REQUEST_MS + MINUTE_MS);
  });

  test("debris is older than any job, and a deletion can be undone as long as in Azure", ({ expect }) => {
    expect(FULL_SAFETY.debrisAgeMs).toBeGreaterThanOrEqual(14 * DAY_MS);
    expect(FULL_SAFETY.minSoftDeleteDays).toBe(14);
    expect(FULL_SAFETY.timeGrainMs).toBe(1_000);
    expect(FULL_SAFETY.undeleteGraceMs).toBeGreaterThanOrEqual(10 * MINUTE_MS);
  });
});

describe("without them", () => {
  test("the snapshot of a copy that is under way would go", ({ expect }) => {
    const now = new Date("2026-03-01T12:00:00Z");
    const ours = { id: "2026-03-01T11:59:00.0000000Z", etag: "0x1", takenAt: new Date(now.getTime() - MINUTE_MS) };
    const seen = { now, snapshots: [ours], objects: [], base: undefined } as unknown as Parameters<
      typeof staleSnapshots
    >[0];
    expect(staleSnapshots(seen)).toEqual([]);
    expect(staleSnapshots(seen, NO_SAFETY)).toEqual([ours]);
  });

  test("an instance would go at the very moment until which it can be undeleted", ({ expect }) => {
    const purgeAt = "2026-03-15T00:00:00.000Z";
    const deletion = { deletedAt: "2026-03-01T00:00:00.000Z", purgeAt, activity: "a" };
    const instance = { deletion } as BackupInstance;
    expect(purgeTimeOf(instance, NO_SAFETY)).toEqual(new Date(purgeAt));
    expect(purgeTimeOf(instance)?.getTime()).toBe(Date.parse(purgeAt) + FULL_SAFETY.undeleteGraceMs);
  });

  test("nothing is left of any of them", ({ expect }) => {
    expect(Object.values(NO_SAFETY).every((value) => value === 0)).toBe(true);
    expect(Object.values(FULL_SAFETY).every((value) => value > 0)).toBe(true);
  });
});
