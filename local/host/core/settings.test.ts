import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base } from "vitest";
import { connectionId, describeConnection, resolveConnection } from "./connections.ts";
import { readLocalSettings, Settings } from "./settings.ts";

const test = base.extend<{ folder: string }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the fixtures that a fixture needs from its pattern
  folder: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), "settings-"));
    await use(folder);
    await rm(folder, { recursive: true });
  },
});

test("the environment wins over local.settings.json", async ({ expect, folder }) => {
  const file = { Values: { One: "file", "Two:Three": "file", Four: 4 }, Host: { LocalHttpPort: 7099, CORS: "*" } };
  await writeFile(join(folder, "local.settings.json"), JSON.stringify(file));
  const { settings, port, warnings } = await readLocalSettings(folder, {
    ONE: "environment",
    Two__Three: "environment",
  });
  expect([settings.get("one"), settings.get("Two:Three"), settings.get("Four")]).toEqual([
    "environment",
    "environment",
    "4",
  ]);
  expect(port).toBe(7099);
  expect(warnings).toEqual(["local.settings.json: 'Host.CORS' has no effect in this host"]);
});

test("there need be no local.settings.json", async ({ expect, folder }) => {
  expect((await readLocalSettings(folder, { One: "1" })).settings.get("One")).toBe("1");
});

test("an encrypted or broken local.settings.json is refused", async ({ expect, folder }) => {
  const path = join(folder, "local.settings.json");
  await writeFile(path, '{"IsEncrypted":true,"Values":{}}');
  await expect(readLocalSettings(folder, {})).rejects.toThrow(/is encrypted/);
  await writeFile(path, '{"Values":');
  await expect(readLocalSettings(folder, {})).rejects.toThrow(/local.settings.json is not valid JSON/);
});

test("%names% become settings, and a missing one is named with who wants it", async ({ expect }) => {
  const settings = new Settings({ Tick: "0 * * * * *" });
  expect(settings.expand("%Tick%", "function 'tick'")).toBe("0 * * * * *");
  expect(settings.expand("100 % of 5 %", "function 'tick'")).toBe("100 % of 5 %");
  expect(() => settings.expand("%Tock%", "function 'tock'")).toThrow(
    /^function 'tock' needs the app setting 'Tock', which is not set/,
  );
});

test("a connection is found by its name, with or without the host's prefix", async ({ expect }) => {
  const settings = new Settings({ AzureWebJobsVault: "prefixed", Vault: "plain", Other: "other" });
  expect(resolveConnection(settings, "Vault", "x")).toBe("prefixed");
  expect(resolveConnection(settings, "Other", "x")).toBe("other");
  expect(() => resolveConnection(settings, "None", "function 'a'")).toThrow(
    /function 'a' uses the connection 'None', which is not set/,
  );
});

test("an identity-based connection is refused by name", async ({ expect }) => {
  const settings = new Settings({ Vault__queueServiceUri: "https://vault.queue.core.windows.net" });
  expect(() => resolveConnection(settings, "Vault", "function 'a'")).toThrow(
    /'Vault__queueServiceUri', which this host does not support.*func start/,
  );
});

test("connection strings of one account have one id, and what is told of them holds no key", async ({ expect }) => {
  const one = "AccountName=one;AccountKey=c2VjcmV0;TableEndpoint=http://127.0.0.1:10002/one;";
  const same = "TableEndpoint=http://127.0.0.1:10002/one;AccountKey=b3RoZXI=;AccountName=one";
  const two = "AccountName=two;AccountKey=c2VjcmV0;TableEndpoint=http://127.0.0.1:10002/two;";
  expect(connectionId(one)).toBe(connectionId(same));
  expect(connectionId(one)).not.toBe(connectionId(two));
  expect(describeConnection(one)).toBe("storage account 'one' at 127.0.0.1:10002");
  expect(describeConnection("UseDevelopmentStorage=true")).toBe(
    "storage account 'devstoreaccount1' at 127.0.0.1:10002",
  );
});
