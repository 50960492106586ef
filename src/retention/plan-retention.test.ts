import { test } from "vitest";
import { dailyLake } from "../../test/support/daily-lake.ts";
import { VAULT } from "../../test/support/memory-lake.ts";
import { planRetention } from "./plan-retention.ts";

const INSTANCE = "1".repeat(32);

test("planning changes nothing; a retention writes the missing row of a sealed point", async ({ expect }) => {
  const { lake, points } = await dailyLake(3);
  const [, lost = ""] = points;
  const row = (await lake.recoveryPoints.get(INSTANCE, lost))?.value;
  await lake.recoveryPoints.remove(INSTANCE, lost);
  const instance = (await lake.instances.get(VAULT, "lake"))?.value;
  if (row === undefined || instance === undefined) throw new Error("no point, or no instance");
  const decided = await planRetention(lake.deps, instance, VAULT);
  expect(decided.points.map(({ point }) => point.id)).toEqual(points);
  expect(decided.missingRows.map(({ id }) => id)).toEqual([lost]);
  expect(await lake.recoveryPoints.get(INSTANCE, lost)).toBeUndefined();
  await lake.retain("one");
  const { totals, ...expected } = row;
  expect((await lake.recoveryPoints.get(INSTANCE, lost))?.value).toEqual(expected);
});
