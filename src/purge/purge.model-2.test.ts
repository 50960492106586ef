import { test } from "vitest";
import { ModelBackups } from "../../test/support/retention-model.ts";
import { runHistories } from "../../test/support/retention-world.ts";

const HISTORIES = 10_000;
const FIRST_SEED = 10_001;

test("so it is in as many more histories", async ({ expect }) => {
  const seen = await runHistories(HISTORIES, FIRST_SEED, async () => new ModelBackups());
  expect(seen.right).toBe(HISTORIES);
  expect(seen.purged).toBeGreaterThan(20_000);
  expect(seen.deaths).toBeGreaterThan(15_000);
}, 600_000);
