import { afterAll, beforeAll, test } from "vitest";
import { type Estate, GIVEN_URL, openEstate } from "./support/estate.ts";
import { Scenario } from "./support/scenario.ts";

let estate: Estate;

beforeAll(async () => {
  estate = await openEstate();
});

afterAll(async () => {
  await estate?.close();
});

/** Removes the app's tables under its feet; those of the host, which makes them when it starts, stay. */
async function loseTables(): Promise<number> {
  const names: string[] = [];
  for await (const { name } of estate.tables.listTables())
    if (name !== undefined && /^Lakevault(?!Hub)/.test(name)) names.push(name);
  for (const name of names) await estate.tables.deleteTable(name);
  return names.length;
}

// A host of somebody else's may have vaults of somebody else's.
test.skipIf(GIVEN_URL !== undefined)(
  "after all tables are lost, a rebuild brings the vault back: points are listed, one is restored, the next backup copies what changed",
  { timeout: 300_000 },
  async ({ expect }) => {
    const lake = new Scenario(estate);
    const [raw = ""] = lake.containers;
    await lake.createContainers();
    await lake.fill(20);
    await lake.protect();
    await lake.wait(await lake.startBackup());
    const wanted = await lake.state("prodlake");
    await lake.write(raw, "added", "later");
    await lake.wait(await lake.startBackup());
    const points = await lake.recoveryPoints();
    expect(points).toHaveLength(2);
    const [vault, policy, instance] = await Promise.all(
      [lake.vault, lake.policy, lake.instance].map((id) => lake.get(id)),
    );

    expect(await loseTables()).toBeGreaterThan(5);
    await expect(lake.get(lake.vault)).rejects.toMatchObject({ status: 404 });
    await expect(lake.recoveryPoints()).rejects.toMatchObject({ status: 404 });

    const { status, body } = await estate.api.request("POST", `/api${lake.vault}/rebuild`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      counts: {
        vault: { made: 1, unreadable: 0 },
        policy: { made: 1 },
        instance: { made: 1 },
        schedule: { made: 1 },
        recoveryPoint: { made: 2 },
      },
    });
    expect(body).not.toHaveProperty("continuation");
    expect((await lake.get(lake.vault)).body).toEqual(vault?.body);
    expect((await lake.get(lake.policy)).body).toEqual(policy?.body);
    expect((await lake.get(lake.instance)).body).toEqual(instance?.body);
    expect(await lake.recoveryPoints()).toEqual(points);

    const restored = await lake.wait(await lake.startRestore(points[1] ?? ""));
    expect(restored.properties).toMatchObject({ status: "Completed" });
    expect(await lake.state("restored")).toEqual(wanted);

    const next = await lake.wait(await lake.startBackup());
    expect(next.properties).toMatchObject({
      status: "Completed",
      extendedInfo: { additionalDetails: { copied: "0", unchanged: "41" } },
    });
    expect(await lake.recoveryPoints()).toHaveLength(3);
  },
);
