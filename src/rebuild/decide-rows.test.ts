import { describe, test } from "vitest";
import { sealOf } from "../../test/support/rebuild-estate.ts";
import { backupInstanceId } from "../instances/backup-instance.ts";
import { instanceFileOf } from "../instances/protection-documents.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import { recoveryPointOf } from "../instances/recovery-point-of.ts";
import { vaultKey } from "../instances/vault-record.ts";
import type { InstanceDocument } from "../vault/instance-document.ts";
import { instanceRowOf, newestPoint, placeOf, policyRowOf, scheduleRowOf } from "./decide-rows.ts";

const VAULT_ID =
  "/subscriptions/0b352192-dcac-4cc7-992e-a96190ccc68c/resourceGroups/lakes/providers/Microsoft.DataProtection/backupVaults/vault1";
const ARM_ID = `${VAULT_ID}/backupInstances/Prodlake`;
const ID = backupInstanceId(ARM_ID);
const NOW = new Date("2026-06-01T10:00:00.000Z");

/** As the first release wrote it. */
const OLD: InstanceDocument = {
  formatVersion: 1,
  instance: ID,
  resourceId: ARM_ID,
  friendlyName: "Prod lake",
  datasource: { resourceId: "/subscriptions/s/x", account: "prodlake", kind: "blobServices", location: "westeurope" },
  createdAt: "2026-01-01T00:00:00.000Z",
};
const FULL: InstanceDocument = {
  ...OLD,
  name: "Prodlake",
  vault: VAULT_ID,
  policy: "daily",
  containers: { kind: "chosen", names: ["raw"] },
  protectionState: "ProtectionConfigured",
  properties: { objectType: "BackupInstance" },
};
const NEWEST: RecoveryPoint = recoveryPointOf(
  sealOf(ID, 3, { id: "p", scheduledSlot: "2026-05-31T02:00:00.000Z", damaged: false, purging: false }),
);

describe("the row of an instance", () => {
  test("matches the document", ({ expect }) => {
    const { value, because, ...key } = instanceRowOf(ID, FULL, undefined, NOW);
    expect(key).toEqual({ partition: vaultKey(VAULT_ID), row: "prodlake" });
    expect(because).toBeUndefined();
    expect(instanceFileOf(value)).toEqual(FULL);
  });

  test("of an older document is stopped, under the policy and with the containers of its newest point", ({
    expect,
  }) => {
    const { value, because, ...key } = instanceRowOf(ID, OLD, NEWEST, NOW);
    expect(key).toEqual({ partition: vaultKey(VAULT_ID), row: "prodlake" });
    expect(because).toContain("older version");
    expect(value).toMatchObject({
      id: ID,
      name: "Prodlake",
      armId: ARM_ID,
      vaultArmId: VAULT_ID,
      friendlyName: "Prod lake",
      datasource: OLD.datasource,
      createdAt: OLD.createdAt,
      protectionState: "ProtectionStopped",
      policyName: "daily",
      containers: { kind: "chosen", names: ["raw"] },
      properties: {
        objectType: "BackupInstance",
        dataSourceInfo: { resourceID: "/subscriptions/s/x", resourceName: "prodlake", resourceLocation: "westeurope" },
        policyInfo: { policyId: `${VAULT_ID}/backupPolicies/daily` },
      },
    });
  });

  test("of an older document without a point is stopped, under a policy that cannot be", ({ expect }) => {
    const { value } = instanceRowOf(ID, OLD, undefined, NOW);
    expect(value).toMatchObject({ protectionState: "ProtectionStopped", policyName: "(unknown)" });
  });

  test.for([
    ["2026-12-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z"],
    ["2026-06-10T00:00:00.000Z", "2026-06-15T10:00:00.000Z"],
    ["2026-05-01T00:00:00.000Z", "2026-06-15T10:00:00.000Z"],
    ["some day", "2026-06-15T10:00:00.000Z"],
  ])("of one deleted until %s lets it be undeleted until %s", ([told = "", purgeAt], { expect }) => {
    const deletion = { deletedAt: "2026-04-17T00:00:00.000Z", purgeAt: told, activity: "a" };
    const { value, because } = instanceRowOf(ID, { ...FULL, protectionState: "SoftDeleted", deletion }, NEWEST, NOW);
    expect(value).toMatchObject({ protectionState: "SoftDeleted", deletion: { ...deletion, purgeAt } });
    expect(because).toContain("deleted");
  });

  test("of one deleted without a time is stopped", ({ expect }) => {
    const { value } = instanceRowOf(ID, { ...FULL, protectionState: "SoftDeleted" }, NEWEST, NOW);
    expect(value.protectionState).toBe("ProtectionStopped");
    expect(value).not.toHaveProperty("deletion");
  });

  test("of one that is not deleted has no deletion, whatever the document has", ({ expect }) => {
    const deletion = { deletedAt: "2026-04-17T00:00:00.000Z", purgeAt: "2026-05-01T00:00:00.000Z", activity: "a" };
    expect(instanceRowOf(ID, { ...FULL, deletion }, NEWEST, NOW).value).not.toHaveProperty("deletion");
  });

  test.for([
    ["another container's", { ...FULL, instance: backupInstanceId(`${ARM_ID}2`) }],
    ["another ARM id", { ...FULL, resourceId: `${ARM_ID}2` }],
    ["another vault", { ...FULL, vault: `${VAULT_ID}2` }],
    ["another name", { ...FULL, name: "testlake" }],
    ["no ARM id at all", { ...FULL, resourceId: "prodlake" }],
  ] as const)("is not made of a document with %s", ([, file], { expect }) => {
    expect(() => placeOf(ID, file)).toThrow(expect.objectContaining({ code: "format/corrupt" }));
  });

  test("is not made with an invalid row key", ({ expect }) => {
    for (const name of ["a#b", "a?b", "a\\b", "a\u0001b", ""]) {
      const resourceId = `${VAULT_ID}/backupInstances/${name}`;
      const file = { ...OLD, resourceId, instance: backupInstanceId(resourceId) };
      expect(() => placeOf(file.instance, file), name).toThrow(expect.objectContaining({ code: "format/corrupt" }));
    }
  });
});

test("a policy that this app does not accept is reported as invalid", ({ expect }) => {
  const file = {
    formatVersion: 1,
    resourceId: `${VAULT_ID}/backupPolicies/daily`,
    name: "daily",
    createdAt: "x",
  } as const;
  for (const properties of [{}, { objectType: "BackupPolicy", datasourceTypes: ["x"], policyRules: [] }]) {
    expect(() => policyRowOf("k", "policies/daily.json", { ...file, properties })).toThrow(
      expect.objectContaining({ code: "policy/invalid" }),
    );
  }
  expect(() => policyRowOf("k", "policies/weekly.json", { ...file, properties: {} })).toThrow(
    expect.objectContaining({ code: "format/corrupt" }),
  );
});

test("slots are handled up to the latest sealed one, and up to now when none is known", ({ expect }) => {
  const place = { vault: "k", name: "Prodlake" };
  expect(scheduleRowOf(place, NEWEST, NOW)).toEqual({
    partition: "all",
    row: "k|prodlake",
    value: { vault: "k", instanceName: "prodlake", handledUpTo: "2026-05-31T02:00:00.000Z" },
  });
  const { scheduledSlot, ...onDemand } = NEWEST;
  for (const newest of [undefined, onDemand]) {
    expect(scheduleRowOf(place, newest, NOW).value.handledUpTo).toBe(NOW.toISOString());
  }
});

test("the newest point is the one with the highest sequence number, and of two such the one sealed later", ({
  expect,
}) => {
  const points = [NEWEST, { ...NEWEST, id: "q", sealedAt: "2026-02-01T00:00:00.000Z" }, { ...NEWEST, sequence: 2 }];
  expect(newestPoint(points)?.id).toBe("q");
  expect(newestPoint(points.toReversed())?.id).toBe("q");
  expect(newestPoint([])).toBeUndefined();
});
