import { test } from "vitest";
import { runScrubHistories } from "../../test/support/scrub-model.ts";

const TIMEOUT_MS = 120_000;

test(
  "over vaults of the real engine, all debris is deleted, all damage is found, and nothing that a point needs is deleted",
  async ({ expect }) => {
    const seen = await runScrubHistories(150, 1);
    expect(seen.points).toBeGreaterThan(250);
    expect(seen.removed).toBeGreaterThan(350);
    expect(seen.damaged).toBeGreaterThan(250);
    expect(seen.deaths).toBeGreaterThan(500);
    expect(seen.meanwhile).toBeGreaterThan(200);
  },
  TIMEOUT_MS,
);
