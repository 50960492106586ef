import { test } from "vitest";
import { LakeBackups } from "../../test/support/retention-lake.ts";
import { ModelBackups } from "../../test/support/retention-model.ts";
import { runHistories } from "../../test/support/retention-world.ts";

const TIMEOUT_MS = 120_000;

test(
  "whatever is backed up, dies and is purged, sealed points stay whole and nothing else stays",
  async ({ expect }) => {
    const seen = await runHistories(2_000, 1, async () => new ModelBackups());
    expect(seen.right).toBe(2_000);
    expect(seen.purged).toBeGreaterThan(4_000);
    expect(seen.deaths).toBeGreaterThan(2_000);
    expect(seen.objects).toBeGreaterThan(6_000);
    expect(seen.givenUp).toBeGreaterThan(1_000);
    expect(seen.putOff).toBeGreaterThan(5);
  },
  TIMEOUT_MS,
);

test(
  "so it is over the real engine, with its ranges, rows, sweeps and seals; and what is restored is what was held",
  async ({ expect }) => {
    const seen = await runHistories(100, 1, LakeBackups.open);
    expect(seen.right).toBe(100);
    expect(seen.purged).toBeGreaterThan(200);
    expect(seen.deaths).toBeGreaterThan(100);
    expect(seen.givenUp).toBeGreaterThan(50);
  },
  TIMEOUT_MS,
);
