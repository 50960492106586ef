import { test } from "vitest";
import { LakeBackups } from "../../test/support/retention-lake.ts";
import { runHistories } from "../../test/support/retention-world.ts";
import { SOAK_FACTOR } from "../../test/support/soak-factor.ts";

const HISTORIES = 70 * SOAK_FACTOR;

test("with the real engine (ranges, rows, sweeps, seals), restores return what was backed up, whatever happened", async ({
  expect,
}) => {
  const seen = await runHistories(HISTORIES, 1, LakeBackups.open);
  expect(seen.right).toBe(HISTORIES);
  expect(seen.purged).toBeGreaterThan(HISTORIES * 1.14);
  expect(seen.deaths).toBeGreaterThan(HISTORIES * 0.86);
  expect(seen.givenUp).toBeGreaterThan(HISTORIES * 0.23);
  expect(seen.takenBack).toBeGreaterThan(HISTORIES * 0.17);
  expect(seen.restored).toBeGreaterThan(HISTORIES * 0.57);
  expect(seen.undeleted).toBeGreaterThan(HISTORIES * 0.11);
}, 600_000);
