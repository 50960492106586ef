import { defineConfig } from "vitest/config";

// Projects by what they need: nothing, a process of their own, Azurite, or the whole app on a host. The last takes long, and is
// run by itself.

/** They register an app's functions, which a process can do once. */
const NEEDS_OWN_PROCESS = [
  "local/host/worker/in-process.test.ts",
  "test/architecture/functions.test.ts",
  "test/replay/replay.test.ts",
];

/** It installs the packages of the deployed app. */
const PACKAGE_TEST = "local/deploy/package.integration.test.ts";

export default defineConfig({
  // Not below node_modules: a Functions host that runs the app from this folder begins anew when a file there changes.
  cacheDir: ".vitest",
  test: {
    // Most of the time of end-to-end tests is waiting, and by default one of two processors would do nothing.
    maxWorkers: "100%",
    globalSetup: "test/timing/report-processor-time.ts",
    setupFiles: "test/timing/count-processor-time.ts",
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          // Files share the modules of their process: loading them anew for each would take most of the time.
          isolate: false,
          include: [
            "src/**/*.test.ts",
            "local/**/*.test.ts",
            "bench/**/*.test.ts",
            "test/architecture/**/*.test.ts",
            "test/compat/**/*.test.ts",
            "test/contract/memory/**/*.test.ts",
            "test/timing/**/*.test.ts",
          ],
          exclude: ["**/*.integration.test.ts", ...NEEDS_OWN_PROCESS],
          // Property tests take seconds on a busy machine; a test that hangs is still found.
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "unit-app",
          include: NEEDS_OWN_PROCESS,
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "integration",
          isolate: false,
          include: [
            "test/integration/**/*.test.ts",
            "test/contract/azurite/**/*.test.ts",
            "local/**/*.integration.test.ts",
          ],
          exclude: [PACKAGE_TEST],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          isolate: false,
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: "package",
          include: [PACKAGE_TEST],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: "soak",
          include: ["test/soak/**/*.test.ts"],
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
