import { test } from "vitest";
import { backUpDaily } from "./support/daily-backups.ts";
import { GIVEN_URL } from "./support/estate.ts";

// With a 29 February, and the night in which the clocks of Berlin leave half past two out. Two years: `npm run soak:two-years`.
test.skipIf(GIVEN_URL !== undefined)(
  "after eight weeks of daily backups a vault holds what its policy keeps, and nothing else",
  { timeout: 600_000 },
  ({ expect }) => backUpDaily({ firstDay: "2024-02-10", days: 56, lookEvery: 14, restoredDay: "2024-03-01" }, expect),
);
