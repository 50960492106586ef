import { test } from "vitest";
import { ModelBackups } from "../../test/support/retention-model.ts";
import { runHistories } from "../../test/support/retention-world.ts";
import { SOAK_FACTOR } from "../../test/support/soak-factor.ts";

/** `npm run soak:retention` runs far more. */
const HISTORIES = 1_200 * SOAK_FACTOR;

test("whatever is backed up, crashes, expires, is deleted, restored and purged, only what is needed is kept, and is complete", async ({
  expect,
}) => {
  const seen = await runHistories(HISTORIES, 1, async () => new ModelBackups());
  expect(seen.right).toBe(HISTORIES);
  expect(seen.kept).toBeGreaterThan(HISTORIES * 2);
  expect(seen.purged).toBeGreaterThan(HISTORIES * 2);
  expect(seen.deaths).toBeGreaterThan(HISTORIES * 1.5);
  expect(seen.objects).toBeGreaterThan(HISTORIES * 3);
  expect(seen.givenUp).toBeGreaterThan(HISTORIES * 0.4);
  expect(seen.putOff).toBeGreaterThan(HISTORIES * 0.1);
  expect(seen.takenBack).toBeGreaterThan(HISTORIES * 0.3);
  expect(seen.restored).toBeGreaterThan(HISTORIES * 1);
  expect(seen.refused).toBeGreaterThan(HISTORIES * 0.3);
  expect(seen.undeleted).toBeGreaterThan(HISTORIES * 0.2);
}, 600_000);
