import { test } from "vitest";
import { crashPoints } from "../../test/support/crash-points.ts";
import { MemoryLake } from "../../test/support/memory-lake.ts";
import { busyWith, LOCK_ROW } from "../jobs/job-lock.ts";
import { type PolicyProperties, readPolicy } from "../policies/read-policy.ts";
import { SEQUENCE_METADATA } from "../vault/seal.ts";
import { beginBackupActivity } from "./begin-backup.ts";

async function lakeWith(containers: readonly string[]): Promise<MemoryLake> {
  const lake = new MemoryLake();
  await lake.protect();
  for (const container of containers) lake.source.createContainer(container);
  return lake;
}

test("a backup of an account of another kind than it is protected as fails and says what to do", async ({ expect }) => {
  const lake = await lakeWith(["raw"]);
  lake.source.kind = "blobServices";
  expect(await beginBackupActivity(lake.deps, await lake.requestBackup("one"))).toMatchObject({ begun: true });
  const other = await lakeWith(["raw"]);
  other.source.kind = "adlsBlobServices";
  await expect(beginBackupActivity(other.deps, await other.requestBackup("one"))).rejects.toMatchObject({
    code: "datasource/kind-mismatch",
    retryable: false,
    message: expect.stringContaining("has a hierarchical namespace"),
    hint: expect.stringContaining("Microsoft.Storage/storageAccounts/adlsBlobServices"),
  });
});

test("a second job of the instance is refused while the first works", async ({ expect }) => {
  const lake = await lakeWith(["raw"]);
  const [one, two] = [await lake.requestBackup("one"), await lake.requestBackup("two")];
  await lake.beginBackup(one);
  await expect(beginBackupActivity(lake.deps, two)).rejects.toMatchObject({ code: "instance/busy" });
  await lake.beginBackup(one);
});

test("a scrub that holds the lock for a moment makes a backup try again, and does not fail it", async ({ expect }) => {
  const lake = await lakeWith(["raw"]);
  const scrub = await lake.requestJob("scrub", { kind: "scrub" });
  await lake.locks.put("1".repeat(32), LOCK_ROW, { job: scrub.job, since: "" });
  const ref = await lake.requestBackup("one");
  const refused = await beginBackupActivity(lake.deps, ref).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "storage/conflict", retryable: true });
  expect(await busyWith(lake.deps, "vault", "1".repeat(32))).toBeUndefined();
  await lake.jobs.put("vault", "scrub", { ...(await lake.job("scrub")), status: "Completed" });
  expect(await beginBackupActivity(lake.deps, ref)).toMatchObject({ begun: true });
});

test("under a policy without a schedule a point gets the tag of the default rule, whatever it is called", async ({
  expect,
}) => {
  const lake = await lakeWith(["raw"]);
  const vaultStore = { dataStoreType: "VaultStore" };
  const lifecycles = [
    { deleteAfter: { objectType: "AbsoluteDeleteOption", duration: "P30D" }, sourceDataStore: vaultStore },
  ];
  const properties: PolicyProperties = {
    objectType: "BackupPolicy",
    datasourceTypes: ["Microsoft.Storage/storageAccounts/blobServices"],
    policyRules: [{ name: "Monthly", objectType: "AzureRetentionRule", isDefault: true, lifecycles }],
  };
  const read = readPolicy(properties);
  await lake.policies.put("vault", "daily", { armId: "/p", name: "daily", properties, createdAt: "", ...read });
  await lake.backup("one");
  expect(await lake.job("one")).toMatchObject({
    tag: "Monthly",
    promisedUntil: expect.stringContaining("2026-01-31T"),
  });
});

test("all containers are taken by rule, without the excluded", async ({ expect }) => {
  const lake = await lakeWith(["raw", "tmp-1", "tmp-2", "curated"]);
  await lake.protect({ kind: "all", excludedPrefixes: ["tmp-"] });
  expect(await beginBackupActivity(lake.deps, await lake.requestBackup("one"))).toEqual({
    begun: true,
    containers: ["curated", "raw"],
  });
});

test("a chosen container that is gone is told, and the others are backed up", async ({ expect }) => {
  const lake = await lakeWith(["raw"]);
  await lake.protect({ kind: "chosen", names: ["raw", "gone"] });
  await lake.backup("one");
  expect(await lake.job("one")).toMatchObject({
    status: "CompletedWithWarnings",
    containers: ["raw"],
    warnings: { count: 1, first: [{ container: "gone", code: "container-missing" }] },
  });
});

test("a backup of nothing but missing containers fails", async ({ expect }) => {
  const lake = await lakeWith([]);
  await lake.protect({ kind: "chosen", names: ["gone"] });
  const ref = await lake.requestBackup("one");
  await expect(beginBackupActivity(lake.deps, ref)).rejects.toMatchObject({ code: "datasource/container-not-found" });
});

test("an instance whose protection is stopped is not backed up", async ({ expect }) => {
  const lake = await lakeWith(["raw"]);
  const stored = await lake.instances.get("vault", "lake");
  if (stored === undefined) throw new Error("no instance");
  await lake.instances.put("vault", "lake", { ...stored.value, protectionState: "ProtectionStopped" });
  const ref = await lake.requestBackup("one");
  await expect(beginBackupActivity(lake.deps, ref)).rejects.toMatchObject({ code: "instance/not-protected" });
});

test("the newest point is found in the vault itself, also where its metadata was lost", async ({ expect }) => {
  const lake = await lakeWith(["raw"]);
  await lake.backup("one");
  const second = await lake.backup("two");
  for (const [path, file] of lake.vault.files) {
    if (path.startsWith("recovery-points/")) lake.vault.files.set(path, { ...file, metadata: {} });
  }
  await lake.backup("three");
  expect(await lake.job("three")).toMatchObject({ previous: second, recoveryPoint: { sequence: 3 } });
  expect([...lake.vault.files.values()].some((file) => file.metadata?.[SEQUENCE_METADATA] === "3")).toBe(true);
});

test("wherever it dies, a second attempt settles the same", async ({ expect }) => {
  const calm = await lakeWith(["raw"]);
  const begun = await beginBackupActivity(calm.deps, await calm.requestBackup("one"));
  const died = await crashPoints(
    async () => {
      const lake = await lakeWith(["raw"]);
      await lake.requestBackup("one");
      return lake;
    },
    (lake) => beginBackupActivity(lake.deps, { vault: "vault", job: "one" }),
    async (lake, where) => {
      expect(await beginBackupActivity(lake.deps, { vault: "vault", job: "one" }), where).toEqual(begun);
      expect((await lake.job("one")).recoveryPoint, where).toMatchObject({ sequence: 1 });
    },
  );
  expect(died.length).toBeGreaterThan(10);
});

test("a job that has ended is not begun again", async ({ expect }) => {
  const lake = await lakeWith(["raw"]);
  await lake.backup("one");
  expect(await beginBackupActivity(lake.deps, { vault: "vault", job: "one" })).toEqual({
    begun: false,
    containers: [],
  });
  expect(lake.locks.size).toBe(0);
});
