import fc from "fast-check";
import { test } from "vitest";
import { ModelBackups } from "../../test/support/retention-model.ts";
import { addOutcome, nothingYet, runChosenHistory } from "../../test/support/retention-world.ts";
import { SOAK_FACTOR } from "../../test/support/soak-factor.ts";

/** Far more of them, by seeds: `npm run soak:retention`. */
const HISTORIES = 1_200 * SOAK_FACTOR;

/** What happens in a history, as numbers that fast-check draws and, for one that fails, shrinks; it makes hundreds of choices. */
const choices = fc.noBias(
  fc.array(
    fc.integer({ min: 0, max: 2 ** 30 - 1 }).map((n) => n / 2 ** 30),
    { maxLength: 300, size: "max" },
  ),
);

test("whatever is backed up, dies, expires, is deleted, restored and purged, what is to stay stays whole and nothing else does", async ({
  expect,
}) => {
  const seen = nothingYet();
  await fc.assert(
    fc.asyncProperty(choices, async (drawn) => addOutcome(seen, await runChosenHistory(drawn, new ModelBackups()))),
    { numRuns: HISTORIES, seed: 1, interruptAfterTimeLimit: 300_000, markInterruptAsFailure: true },
  );
  expect(seen.kept).toBeGreaterThan(HISTORIES * 2);
  expect(seen.purged).toBeGreaterThan(HISTORIES * 1.5);
  expect(seen.deaths).toBeGreaterThan(HISTORIES);
  expect(seen.objects).toBeGreaterThan(HISTORIES * 2);
  expect(seen.givenUp).toBeGreaterThan(HISTORIES * 0.25);
  expect(seen.putOff).toBeGreaterThan(HISTORIES * 0.05);
  expect(seen.takenBack).toBeGreaterThan(HISTORIES * 0.2);
  expect(seen.restored).toBeGreaterThan(HISTORIES * 0.5);
  expect(seen.refused).toBeGreaterThan(HISTORIES * 0.15);
  expect(seen.undeleted).toBeGreaterThan(HISTORIES * 0.1);
}, 600_000);

test("a history that fails is shrunk to the few choices that matter", async ({ expect }) => {
  const fails = fc.asyncProperty(choices, async (drawn) => {
    const { purged } = await runChosenHistory(drawn, new ModelBackups());
    if (purged > 0) throw new Error("something was purged");
  });
  const { failed, counterexample, numShrinks } = await fc.check(fails, { numRuns: 20, seed: 1 });
  expect(failed).toBe(true);
  expect(numShrinks).toBeGreaterThan(0);
  expect(counterexample?.[0].length).toBeLessThan(150);
}, 60_000);
