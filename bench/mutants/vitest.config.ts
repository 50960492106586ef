import { defineConfig } from "vitest/config";

// The tests that are run against each mutant: those next to the code, without the long models, and those of the copies over
// Azurite.
export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/integration/blob-copies.test.ts", "test/contract/azurite/blob-ports.test.ts"],
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
