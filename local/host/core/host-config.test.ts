import { test } from "vitest";
import { parseHostConfig } from "./host-config.ts";
import { Settings } from "./settings.ts";

const NONE = new Settings({});

test("an empty host.json gives the real host's defaults", async ({ expect }) => {
  expect(parseHostConfig({ version: "2.0" }, NONE)).toMatchObject({
    functionTimeoutMs: 1_800_000,
    routePrefix: "api",
    queues: {
      batchSize: 16,
      newBatchThreshold: 8,
      maxDequeueCount: 5,
      visibilityTimeoutMs: 0,
      messageEncoding: "base64",
    },
    durableTask: { hubName: "TestHubName", connection: "AzureWebJobsStorage" },
    warnings: [],
  });
});

test("values are read whatever the case of their keys", async ({ expect }) => {
  const config = parseHostConfig(
    {
      Version: "2.0",
      FunctionTimeout: "00:00:05",
      extensions: { HTTP: { routePrefix: "" }, queues: { batchSize: 4, visibilityTimeout: "00:00:30" } },
    },
    NONE,
  );
  expect(config).toMatchObject({
    functionTimeoutMs: 5_000,
    routePrefix: "",
    queues: { batchSize: 4, newBatchThreshold: 2, visibilityTimeoutMs: 30_000 },
  });
});

test("-1 switches the timeout off", async ({ expect }) => {
  expect(parseHostConfig({ version: "2.0", functionTimeout: "-1" }, NONE).functionTimeoutMs).toBeUndefined();
});

test("app settings override host.json", async ({ expect }) => {
  const settings = new Settings({
    AzureFunctionsJobHost__functionTimeout: "00:00:07",
    "AzureFunctionsJobHost:extensions:queues:maxDequeueCount": "2",
    AzureFunctionsJobHost__logging__logLevel__default: "Debug",
  });
  const config = parseHostConfig({ version: "2.0", extensions: { queues: { maxDequeueCount: 9 } } }, settings);
  expect(config.functionTimeoutMs).toBe(7_000);
  expect(config.queues.maxDequeueCount).toBe(2);
  expect(config.logLevels).toEqual({ default: "Debug" });
});

test("the hub's name may be an app setting", async ({ expect }) => {
  const file = { version: "2.0", extensions: { durableTask: { hubName: "%Hub%" } } };
  expect(parseHostConfig(file, new Settings({ Hub: "VaultHub" })).durableTask.hubName).toBe("VaultHub");
  expect(() => parseHostConfig(file, NONE)).toThrow(/app setting 'Hub', which is not set/);
});

test("unknown keys are warned of by their path", async ({ expect }) => {
  const { warnings } = parseHostConfig(
    { version: "2.0", functionTimeOuts: "x", extensions: { http: { rutePrefix: "" }, kafka: {} } },
    NONE,
  );
  expect(warnings).toEqual([
    "host.json: 'functionTimeOuts' is not known and has no effect",
    "host.json: 'extensions.http.rutePrefix' is not known and has no effect",
    "host.json: 'extensions.kafka' is not known and has no effect",
  ]);
});

test("all that is out of range is named at once", async ({ expect }) => {
  const file = {
    version: "1.0",
    functionTimeout: "soon",
    customHandler: {},
    extensions: {
      queues: { batchSize: 33, messageEncoding: "utf8" },
      durableTask: { hubName: "my-hub", storageProvider: { type: "mssql" } },
    },
  };
  expect(() => parseHostConfig(file, NONE)).toThrow(
    /'version'.*'customHandler' is not supported.*'mssql' is not supported.*hubName.*messageEncoding.*batchSize.*functionTimeout/s,
  );
});
