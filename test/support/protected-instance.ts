import type { BackupInstance } from "../../src/instances/backup-instance.ts";

/** The row of a protected instance `lake`, of the account `source` under the policy `daily`. */
export function protectedInstance(changes: Partial<BackupInstance> & Pick<BackupInstance, "id">): BackupInstance {
  return {
    name: "lake",
    armId: "/instance",
    vaultArmId: "/vault",
    friendlyName: "lake",
    datasource: { resourceId: "/source", account: "source", kind: "blobServices" },
    containers: { kind: "all", excludedPrefixes: [] },
    policyName: "daily",
    protectionState: "ProtectionConfigured",
    properties: {},
    createdAt: "2026-01-01T00:00:00.000Z",
    ...changes,
  };
}
