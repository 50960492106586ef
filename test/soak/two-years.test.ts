import { test } from "vitest";
import { backUpDaily } from "../e2e/support/daily-backups.ts";

test(
  "after two years of daily backups a vault holds what its policy keeps, and nothing else",
  {
    timeout: 3_600_000,
  },
  ({ expect }) =>
    // So that 29 February 2024 is among the days.
    backUpDaily({ firstDay: "2023-06-14", days: 730, lookEvery: 73, restoredDay: "2024-01-01" }, expect),
);
