import { test } from "vitest";
import { LakeBackups } from "../../test/support/retention-lake.ts";
import { ModelBackups } from "../../test/support/retention-model.ts";
import { type Backups, History, NOTHING_YET } from "../../test/support/retention-world.ts";
import { seededRandom } from "../../test/support/seeded-random.ts";

/** Runs histories until one is wrong. @returns what came about in them all */
async function runHistories(count: number, open: () => Promise<Backups>): Promise<Record<string, number>> {
  const seen: Record<string, number> = { ...NOTHING_YET };
  for (let seed = 1; seed <= count; seed++) {
    const history = new History(await open(), seededRandom(seed));
    try {
      await history.run(6);
    } catch (error) {
      throw new Error(`the history of seed ${seed} is wrong`, { cause: error });
    }
    for (const [what, times] of Object.entries(history.outcome)) seen[what] = (seen[what] ?? 0) + times;
  }
  return seen;
}

test("whatever is backed up, dies and is purged, sealed points stay whole and nothing else stays", async ({
  expect,
}) => {
  const seen = await runHistories(2_000, async () => new ModelBackups());
  expect(seen["purged"]).toBeGreaterThan(4_000);
  expect(seen["deaths"]).toBeGreaterThan(2_000);
  expect(seen["objects"]).toBeGreaterThan(6_000);
  expect(seen["givenUp"]).toBeGreaterThan(1_000);
  expect(seen["putOff"]).toBeGreaterThan(5);
}, 120_000);

test("and so it is over the real engine, with its ranges, rows, sweeps and seals", async ({ expect }) => {
  const seen = await runHistories(100, () => LakeBackups.open());
  expect(seen["purged"]).toBeGreaterThan(200);
  expect(seen["deaths"]).toBeGreaterThan(100);
  expect(seen["givenUp"]).toBeGreaterThan(50);
}, 120_000);
