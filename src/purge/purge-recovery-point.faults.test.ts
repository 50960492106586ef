import { test } from "vitest";
import { FaultyBackups } from "../../test/support/faulty-backups.ts";
import { runHistories } from "../../test/support/retention-world.ts";
import { SOAK_FACTOR } from "../../test/support/soak-factor.ts";

const HISTORIES = 60 * SOAK_FACTOR;

test("however calls fail and messages are duplicated, lost or late, points are correct and restore correctly", async ({
  expect,
}) => {
  const seen = await runHistories(HISTORIES, 1, FaultyBackups.open);
  expect(seen.right).toBe(HISTORIES);
  expect(seen.faults).toBeGreaterThan(HISTORIES * 30);
  expect(seen.strays).toBeGreaterThan(HISTORIES * 5);
  expect(seen.begunAnew).toBeGreaterThan(HISTORIES * 2);
  expect(seen.failedJobs).toBeGreaterThan(HISTORIES / 4);
  expect(seen.steady).toBeGreaterThan(HISTORIES * 2);
  expect(seen.restored).toBeGreaterThan(HISTORIES);
  expect(seen.purged).toBeGreaterThan(HISTORIES);
}, 600_000);
