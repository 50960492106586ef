import { test } from "vitest";
import { ModelBackups } from "../../test/support/retention-model.ts";
import { runHistories } from "../../test/support/retention-world.ts";

// `purge.model-2.test.ts` runs as many more beside this.
const HISTORIES = 10_000;

test("whatever is backed up, dies, expires, is deleted, restored and purged, what is to stay stays whole and nothing else does", async ({
  expect,
}) => {
  const seen = await runHistories(HISTORIES, 1, async () => new ModelBackups());
  expect(seen.right).toBe(HISTORIES);
  expect(seen.kept).toBeGreaterThan(20_000);
  expect(seen.purged).toBeGreaterThan(20_000);
  expect(seen.deaths).toBeGreaterThan(15_000);
  expect(seen.objects).toBeGreaterThan(30_000);
  expect(seen.givenUp).toBeGreaterThan(4_000);
  expect(seen.putOff).toBeGreaterThan(1_000);
  expect(seen.takenBack).toBeGreaterThan(3_000);
  expect(seen.restored).toBeGreaterThan(10_000);
  expect(seen.refused).toBeGreaterThan(3_000);
  expect(seen.undeleted).toBeGreaterThan(2_000);
}, 600_000);
