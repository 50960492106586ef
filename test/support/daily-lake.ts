import { DAY_MS } from "../../src/foundation/durations.ts";
import type { BackupInstance } from "../../src/instances/backup-instance.ts";
import { MemoryLake, VAULT } from "./memory-lake.ts";

export const VAULT_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";

/** A lake with a recovery point a day; points are kept seven days. */
export async function dailyLake(days: number, { tickMs = 1 } = {}): Promise<{ lake: MemoryLake; points: string[] }> {
  const lake = new MemoryLake({ tickMs });
  await lake.protect();
  await changeInstance(lake, { vaultArmId: VAULT_ID });
  await lake.vaults.put("s", "g|v", {
    armId: VAULT_ID,
    name: "v",
    location: "westeurope",
    properties: {},
    createdAt: "2026-01-01T00:00:00.000Z",
  });
  await keepFor(lake, "P7D");
  lake.source.createContainer("raw");
  lake.source.write("raw", "same", "the same in all points");
  const points: string[] = [];
  for (let day = 0; day < days; day++) {
    lake.source.write("raw", "daily", `of day ${day}`);
    points.push(await lake.backup(`backup-${day}`));
    lake.pass(DAY_MS);
  }
  return { lake, points };
}

export async function keepFor(lake: MemoryLake, keep: string): Promise<void> {
  await lake.policies.put(VAULT, "daily", {
    armId: "/policy",
    name: "daily",
    datasourceTypes: [],
    properties: {},
    retentionRules: [{ name: "Default", keep }],
    createdAt: "2026-01-01T00:00:00.000Z",
  });
}

export async function changeInstance(lake: MemoryLake, changes: Partial<BackupInstance>): Promise<void> {
  const stored = await lake.instances.get(VAULT, "lake");
  if (stored === undefined) throw new Error("no instance");
  await lake.instances.put(VAULT, "lake", { ...stored.value, ...changes });
}
