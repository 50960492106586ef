import { readFileSync } from "node:fs";
import { test } from "vitest";
import { SCRUB_SETTINGS } from "../scrub/scrub-settings.ts";
import { readConfig } from "./config.ts";

const KEY = "c2VjcmV0";
const connection = (name: string): string =>
  `DefaultEndpointsProtocol=http;AccountName=${name};AccountKey=${KEY};BlobEndpoint=http://127.0.0.1:1/${name}`;

const LOCAL = { VaultStorage: connection("vault"), VaultState: connection("state") };

function problem(environment: Record<string, string | undefined>): string {
  try {
    readConfig(environment);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "no problem";
}

test("on this machine accounts are reached by their connection strings", ({ expect }) => {
  const config = readConfig({
    ...LOCAL,
    VaultAccount__prodlake: connection("prodlake"),
    VaultAccount__Restored: connection("restored"),
    VaultAccess: "development",
    VaultRetryAfterSeconds: "1",
    PATH: "/usr/bin",
  });
  expect(config).toEqual({
    vault: { kind: "key", connectionString: LOCAL.VaultStorage },
    state: { kind: "key", connectionString: LOCAL.VaultState },
    stateQueues: { kind: "key", connectionString: LOCAL.VaultState },
    accounts: new Map([
      ["prodlake", connection("prodlake")],
      ["restored", connection("restored")],
    ]),
    endpointSuffix: "core.windows.net",
    accessTier: "Cool",
    access: { mode: "development", runsInAzure: false },
    retryAfterSeconds: 1,
    maxContainers: 100,
    copyWidth: 64,
    rangeNames: 50_000,
    segmentEntries: 20_000,
    pieceBudgetMs: 240_000,
    scrub: SCRUB_SETTINGS,
  });
});

test("in Azure accounts are reached by the app's identity", ({ expect }) => {
  const clientId = "0b352192-dcac-4cc7-992e-a96190ccc68c";
  const config = readConfig({
    VaultStorage__blobServiceUri: "https://vault.blob.core.usgovcloudapi.net",
    VaultState__tableServiceUri: "https://state.table.core.usgovcloudapi.net",
    VaultState__queueServiceUri: "https://state.queue.core.usgovcloudapi.net",
    VaultState__credential: "managedidentity",
    VaultEndpointSuffix: "core.usgovcloudapi.net",
    VaultClientId: clientId,
    VaultAccessTier: "Cold",
    VaultAccess: "",
    WEBSITE_SITE_NAME: "lakevault",
  });
  expect(config).toMatchObject({
    vault: { kind: "identity", serviceUri: "https://vault.blob.core.usgovcloudapi.net" },
    state: { kind: "identity", serviceUri: "https://state.table.core.usgovcloudapi.net" },
    accounts: new Map(),
    endpointSuffix: "core.usgovcloudapi.net",
    clientId,
    accessTier: "Cold",
    access: { runsInAzure: true },
  });
  expect(config.access).not.toHaveProperty("mode");
});

test.for([
  [{}, "https://state.queue.core.windows.net/"],
  [{ VaultState__queueServiceUri: "https://elsewhere.example" }, "https://elsewhere.example"],
  [{ VaultState__tableServiceUri: "https://tables.example" }, undefined],
] as const)(
  "with an identity queues are beside the tables, or where a setting says: %o",
  ([given, where], { expect }) => {
    const { stateQueues } = readConfig({
      VaultStorage__blobServiceUri: "https://vault.blob.core.windows.net",
      VaultState__tableServiceUri: "https://state.table.core.windows.net/",
      ...given,
    });
    expect(stateQueues).toEqual(where === undefined ? undefined : { kind: "identity", serviceUri: where });
  },
);

test("a dev container with a name of its own does not count as Azure", ({ expect }) => {
  const config = readConfig({ ...LOCAL, VaultAccess: "development", CONTAINER_NAME: "devcontainer" });
  expect(config.access).toEqual({ mode: "development", runsInAzure: false });
});

test.for([
  [{}, "VaultStorage and VaultStorage__blobServiceUri: neither is set, and exactly one must be"],
  [{}, "VaultState and VaultState__tableServiceUri: neither is set, and exactly one must be"],
  [
    { ...LOCAL, VaultStorage__blobServiceUri: "https://vault.example" },
    "VaultStorage and VaultStorage__blobServiceUri: both is set, and exactly one must be",
  ],
  [{ ...LOCAL, VaultStorage: "UseDevelopmentStorage=true" }, "VaultStorage is not a connection string with a key"],
  [{ ...LOCAL, VaultAccount__a: "nonsense" }, "VaultAccount__a is not a connection string with a key"],
  [{ VaultStorage__blobServiceUri: "http://vault" }, "VaultStorage__blobServiceUri is not an https URL"],
  [{ ...LOCAL, VaultAccessTier: "Archive" }, "VaultAccessTier is none of Hot, Cool and Cold"],
  [{ ...LOCAL, VaultAccess: "open" }, "VaultAccess is none of development"],
  [{ ...LOCAL, VaultRetryAfterSeconds: "soon" }, "VaultRetryAfterSeconds is not a number"],
  [{ ...LOCAL, VaultRetryAfterSeconds: "1.5" }, "VaultRetryAfterSeconds is not a whole number"],
  [{ ...LOCAL, VaultCopyWidth: "0" }, "VaultCopyWidth is below 1"],
  [{ ...LOCAL, VaultRangeNames: "10" }, "VaultRangeNames is below 1000"],
  [{ ...LOCAL, VaultSegmentEntries: "1000000" }, "VaultSegmentEntries is above 50000"],
  [{ ...LOCAL, VaultPieceBudgetSeconds: "900" }, "VaultPieceBudgetSeconds is above 480"],
  [{ ...LOCAL, VaultEndpointSuffix: "x/y" }, "VaultEndpointSuffix is not the suffix of a host name"],
  [{ ...LOCAL, VaultClientId: "me" }, "VaultClientId is not a client id"],
] as const)("%o: %s", ([environment, told], { expect }) => {
  const message = problem(environment);
  expect(message).toMatch(/^the app's settings are wrong: /);
  expect(message).toContain(told);
});

test("all wrong settings are listed at once, without their values", ({ expect }) => {
  const message = problem({
    ...LOCAL,
    VaultStorage: `${KEY}-of-the-vault`,
    VaultAccount__a: `${KEY}-of-a`,
    VaultRetryAfterSeconds: `${KEY}`,
  });
  expect(message).toContain("VaultStorage ");
  expect(message).toContain("VaultAccount__a ");
  expect(message).toContain("VaultRetryAfterSeconds ");
  expect(message).not.toContain(KEY);
});

test("the sample of settings is valid once its keys are filled in", ({ expect }) => {
  const sample = JSON.parse(readFileSync(new URL("../../local.settings.sample.json", import.meta.url), "utf8")) as {
    readonly Values: Record<string, string>;
  };
  const config = readConfig(sample.Values);
  expect([...config.accounts.keys()]).toEqual(["prodlake", "restored"]);
  expect(config.access.mode).toBe("development");
});

test("a setting is read under its former name, unless the new one is set", ({ expect }) => {
  expect(readConfig({ ...LOCAL, VaultMostContainers: "7" }).maxContainers).toBe(7);
  expect(readConfig({ ...LOCAL, VaultMostContainers: "7", VaultMaxContainers: "8" }).maxContainers).toBe(8);
  expect(problem({ ...LOCAL, VaultMostContainers: "0" })).toContain("VaultMaxContainers is below 1");
});
