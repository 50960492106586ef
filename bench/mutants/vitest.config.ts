import { defineConfig } from "vitest/config";

// The tests that are run against each mutant: those next to the code, without the long models.
export default defineConfig({
  test: {
    include: ["src/**/*.test.ts"],
    exclude: [
      "**/*.model*.test.ts",
      "**/*.engine.test.ts",
      "**/*.faults.test.ts",
      "**/*.integration.test.ts",
      "src/api/**",
      "src/app/**",
    ],
    testTimeout: 60_000,
  },
});
