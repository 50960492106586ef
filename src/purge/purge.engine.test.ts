import { test } from "vitest";
import { LakeBackups } from "../../test/support/retention-lake.ts";
import { runHistories } from "../../test/support/retention-world.ts";

const HISTORIES = 140;

test("with the real engine, its ranges, rows, sweeps and seals, what is restored is what was held, whatever happened", async ({
  expect,
}) => {
  const seen = await runHistories(HISTORIES, 1, LakeBackups.open);
  expect(seen.right).toBe(HISTORIES);
  expect(seen.purged).toBeGreaterThan(200);
  expect(seen.deaths).toBeGreaterThan(150);
  expect(seen.givenUp).toBeGreaterThan(40);
  expect(seen.takenBack).toBeGreaterThan(30);
  expect(seen.restored).toBeGreaterThan(100);
  expect(seen.undeleted).toBeGreaterThan(20);
}, 600_000);
