import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TableServiceClient } from "@azure/data-tables";
import fc from "fast-check";
import { afterAll, beforeAll, describe, test } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite.ts";
import { LOCAL_ACCOUNTS, lakevaultSettings } from "../../local/lakevault.ts";
import { runRebuild } from "../../local/rebuild-command.ts";
import { type App, composeApp } from "../../src/app/app.ts";
import { readConfig } from "../../src/app/config.ts";
import { BlobAccount } from "../../src/azure/blob-account.ts";
import { ALL_SCHEDULES } from "../../src/instances/schedules.ts";
import { vaultKey } from "../../src/instances/vault-record.ts";
import { INSTANCE_FILE, vaultContainerName } from "../../src/vault/names.ts";
import { type EstateVault, estate, RebuildWorld } from "../support/rebuild-estate.ts";

/** Two vaults with some of everything, the same in every run. */
const [SAMPLE] = fc.sample(
  estate.filter(
    (vaults) =>
      vaults.length === 2 &&
      vaults.every(
        ({ policies, instances }) =>
          policies.length > 0 && instances.length > 1 && instances.every(({ points }) => points.length > 1),
      ),
  ),
  { numRuns: 1, seed: 7 },
) as [readonly EstateVault[]];

let azurite: Azurite;
let app: App;
let world: RebuildWorld;

beforeAll(async () => {
  azurite = await startAzurite({ accounts: LOCAL_ACCOUNTS });
  world = await RebuildWorld.of(SAMPLE);
  app = composeApp(readConfig(lakevaultSettings(azurite)), () => world.now);
  // Everything in the vault account, as the app has written it in memory.
  const { connectionString } = azurite.account("vault");
  const account = new BlobAccount({ kind: "key", connectionString }, () => world.now);
  for (const [name, files] of world.files.containers) {
    await account.container(name).create();
    for (const [path, { content, metadata }] of files) {
      await account
        .container(name)
        .getBlockBlobClient(path)
        .upload(content, content.length, { metadata: { ...metadata } });
    }
  }
  await world.lose();
  await world.rebuild();
});
afterAll(() => azurite?.stop());

function tableService(): TableServiceClient {
  const { connectionString } = azurite.account("vaultstate");
  return TableServiceClient.fromConnectionString(connectionString, { allowInsecureConnection: true });
}

async function removeTables(): Promise<number> {
  const names: string[] = [];
  for await (const { name } of tableService().listTables()) if (name !== undefined) names.push(name);
  for (const name of names) await tableService().deleteTable(name);
  return names.length;
}

/** The app's rows in the partitions of the in-memory world. */
async function rowsOf({ vaults, policies, instances, schedules, recoveryPoints }: App): Promise<RebuildWorld["rows"]> {
  const tables = { vaults, policies, instances, schedules, recoveryPoints };
  const found: Record<string, Record<string, Record<string, unknown>>> = {};
  for (const [name, table] of Object.entries(tables)) {
    found[name] = {};
    for (const partition of Object.keys(world.rows[name] ?? {})) {
      const { records } = await table.list(partition);
      found[name][partition] = Object.fromEntries(records.map(({ row, value }) => [row, value]));
    }
  }
  return found;
}

describe("the tables are lost while the app runs", () => {
  test("and a rebuild creates the rows of one vault, then of all", async ({ expect }) => {
    await app.schedules.put(ALL_SCHEDULES, "x", { vault: "x", instanceName: "x" });
    await app.vaults.list("x");
    expect(await removeTables()).toBeGreaterThan(0);

    const vaultArmId = SAMPLE[0]?.row.armId ?? "";
    const one = await app.rebuild({ vaultArmId });
    expect(one).toMatchObject({ counts: { vault: { made: 1 }, instance: { made: SAMPLE[0]?.instances.length } } });
    expect((await app.instances.list(vaultKey(SAMPLE[1]?.row.armId ?? ""))).records).toEqual([]);
    expect(await app.rebuild({})).not.toHaveProperty("continuation");
    expect(await rowsOf(app)).toEqual(world.rows);
  });
});

describe("the command", () => {
  async function run(...args: readonly string[]): Promise<{ readonly code: number; readonly lines: string[] }> {
    const folder = await mkdtemp(join(tmpdir(), "lakevault-rebuild-"));
    try {
      // Some settings come from the file, as on a developer's machine.
      const { VaultStorage, ...environment } = lakevaultSettings(azurite);
      await writeFile(join(folder, "local.settings.json"), JSON.stringify({ Values: { VaultStorage } }));
      const lines: string[] = [];
      const code = await runRebuild({ arguments: args, environment, folder, writeLine: (line) => lines.push(line) });
      return { code, lines };
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  test("creates all rows, lists each vault, policy and instance, and prints totals", async ({ expect }) => {
    await removeTables();
    const { code, lines } = await run();
    expect(code).toBe(0);
    for (const { row } of SAMPLE) expect(lines).toContain(`made        ${row.armId}`);
    const instances = SAMPLE.reduce((sum, vault) => sum + vault.instances.length, 0);
    expect(lines.at(-1)).toMatch(/^recovery points +[1-9]/);
    expect(lines.find((line) => line.startsWith("instances"))).toMatch(
      new RegExp(`^instances +${instances} +0 +0 +0 +0$`),
    );
    // Without members that depend on the time of the rebuild.
    const { vaults, policies, recoveryPoints } = await rowsOf(app);
    expect({ vaults, policies, recoveryPoints }).toEqual({
      vaults: world.rows["vaults"],
      policies: world.rows["policies"],
      recoveryPoints: world.rows["recoveryPoints"],
    });
  });

  test("with a vault, rebuilds only that one, and reports what it cannot read", async ({ expect }) => {
    await removeTables();
    const vault = SAMPLE[1];
    const instance = vault?.instances[0];
    if (vault === undefined || instance === undefined) throw new Error("the sample has two vaults");
    const container = vaultContainerName(instance.row.id);
    const { connectionString } = azurite.account("vault");
    const blob = new BlobAccount({ kind: "key", connectionString }, () => world.now)
      .container(container)
      .getBlockBlobClient(INSTANCE_FILE);
    const before = await blob.downloadToBuffer();
    await blob.upload("{", 1);
    const { code, lines } = await run(vault.row.armId);
    await blob.upload(before, before.length);
    expect(code).toBe(1);
    expect(lines.filter((line) => line.startsWith("unreadable"))).toEqual([
      `unreadable  ${container}: 'instance.json' is not JSON`,
    ]);
    expect(lines.find((line) => line.startsWith("vaults"))).toMatch(/^vaults +1 +0 +0 +0 +0$/);
  });

  test.for([[["x"]], [["--all"]], [["/subscriptions/a", "/subscriptions/b"]]])(
    "shows how it is used when it is told %s",
    async ([args = []], { expect }) => {
      const { code, lines } = await run(...args);
      expect(code).toBe(2);
      expect(lines.join("\n")).toContain("npm run rebuild -- [vault ARM id]");
    },
  );

  test("prints no secret when its settings or accounts are wrong", async ({ expect }) => {
    const lines: string[] = [];
    const settings = lakevaultSettings(azurite);
    const secret = azurite.account("vault").key;
    const elsewhere = settings["VaultStorage"]?.replace(/BlobEndpoint=[^;]+/, "BlobEndpoint=http://127.0.0.1:9/vault");
    for (const environment of [
      { ...settings, VaultStorage: `AccountKey=${secret}` },
      { ...settings, VaultStorage: elsewhere },
    ]) {
      const code = await runRebuild({
        arguments: [],
        environment,
        folder: tmpdir(),
        writeLine: (line) => lines.push(line),
      });
      expect(code).toBe(2);
    }
    expect(lines).toContain("the app's settings are wrong: VaultStorage is not a connection string with a key");
    expect(lines.some((line) => line.startsWith("the rebuild failed before it was done: the vault account"))).toBe(
      true,
    );
    expect(lines.join("\n")).not.toContain(secret);
  });
});
