import { test } from "vitest";
import { runScrubHistories } from "../../test/support/scrub-model.ts";
import { SOAK_FACTOR } from "../../test/support/soak-factor.ts";

const HISTORIES = 50 * SOAK_FACTOR;
const TIMEOUT_MS = 120_000;

test(
  "over vaults of the real engine, all debris goes, all damage is found, and nothing that a point needs is ever removed",
  async ({ expect }) => {
    const seen = await runScrubHistories(HISTORIES, 1);
    expect(seen.points).toBeGreaterThan(HISTORIES * 1.42);
    expect(seen.removed).toBeGreaterThan(HISTORIES * 1.98);
    expect(seen.damaged).toBeGreaterThan(HISTORIES * 1.42);
    expect(seen.deaths).toBeGreaterThan(HISTORIES * 2.83);
    expect(seen.meanwhile).toBeGreaterThan(HISTORIES * 1.13);
  },
  TIMEOUT_MS,
);
