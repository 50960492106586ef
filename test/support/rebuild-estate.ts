/**
 * @module
 * Random vaults with policies, instances and recovery points, written like the app does: the document in the vault
 * account first, then the row. Then the tables, or some of their rows, can be lost.
 */
import fc from "fast-check";
import { BackupInstance, backupInstanceId } from "../../src/instances/backup-instance.ts";
import type { RecoveryPoint } from "../../src/instances/recovery-point.ts";
import { recoveryPointOf } from "../../src/instances/recovery-point-of.ts";
import { ALL_SCHEDULES, type Schedule, scheduleRow } from "../../src/instances/schedules.ts";
import { type VaultRecord, vaultKey } from "../../src/instances/vault-record.ts";
import { vaultRecordKey } from "../../src/instances/vault-settings.ts";
import { NO_TOTALS } from "../../src/jobs/job-totals.ts";
import type { PolicyRecord } from "../../src/policies/policy-record.ts";
import { PolicyProperties, readPolicy } from "../../src/policies/read-policy.ts";
import type { RebuildRequest, RebuildResult } from "../../src/rebuild/rebuild-request.ts";
import { type RebuildDeps, type RebuildSettings, rebuildRows } from "../../src/rebuild/rebuild-rows.ts";
import { PROTECTION_STATES } from "../../src/vault/instance-document.ts";
import { purgePath, sealPath, vaultContainerName } from "../../src/vault/names.ts";
import { NO_WARNINGS, SEQUENCE_METADATA, type Seal } from "../../src/vault/seal.ts";
import { encodeDocument } from "../../src/vault/version.ts";
import { CrashSwitch } from "./crash-switch.ts";
import { policyBody } from "./memory-app.ts";
import { MemoryProtectionFiles } from "./memory-protection-files.ts";
import { MemoryRecords } from "./memory-records.ts";

export interface EstatePoint {
  readonly id: string;
  readonly scheduledSlot?: string | undefined;
  readonly promisedUntil?: string | undefined;
  /** Findings of a scrub, only in the row. */
  readonly damaged: boolean;
  readonly purging: boolean;
}

export interface EstateInstance {
  readonly row: BackupInstance;
  /** In the order of their sequence numbers. */
  readonly points: readonly EstatePoint[];
}

export interface EstateVault {
  readonly row: VaultRecord;
  readonly policies: readonly PolicyRecord[];
  readonly instances: readonly EstateInstance[];
}

const SUBSCRIPTION = "0b352192-dcac-4cc7-992e-a96190ccc68c";
const moment = fc
  .date({ min: new Date("2025-01-01"), max: new Date("2027-12-31"), noInvalidDate: true })
  .map((date) => date.toISOString());
const hexId = fc.stringMatching(/^[0-9a-f]{32}$/);
const azureName = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{2,12}$/);
// Requests cannot have a member `__proto__` either.
const tags = fc.dictionary(
  fc.string().filter((name) => name !== "__proto__"),
  fc.string(),
  { maxKeys: 2 },
);
const properties = fc.dictionary(fc.stringMatching(/^[a-z][A-Za-z]{1,8}$/), fc.jsonValue({ maxDepth: 2 }), {
  maxKeys: 3,
});
const sameName = (a: { readonly name: string }, b: { readonly name: string }) =>
  a.name.toLowerCase() === b.name.toLowerCase();

/** Optional members are randomly present. */
function optional<T extends object>(
  members: { readonly [K in keyof T]: fc.Arbitrary<T[K]> },
): fc.Arbitrary<Partial<T>> {
  return fc.record(members, { requiredKeys: [] }) as fc.Arbitrary<Partial<T>>;
}

const vaultParts = fc.record({
  name: azureName,
  group: fc.constantFrom("lakes", "Lakes", "other_group(1)"),
  location: fc.constantFrom("westeurope", "West Europe"),
  properties,
  createdAt: moment,
  more: optional<Pick<VaultRecord, "tags" | "identity">>({ tags, identity: properties }),
});

const policyParts = fc.record({
  hasSchedule: fc.boolean(),
  name: azureName,
  options: fc.constantFrom(
    {},
    { keep: "P1Y" },
    { intervals: ["R/2026-01-01T02:00:00+00:00/P1W", "R/2026-01-02T02:00:00+00:00/P1W"] },
    { datasourceType: "Microsoft.Storage/storageAccounts/adlsBlobServices" },
  ),
  createdAt: moment,
  more: optional<Pick<PolicyRecord, "slotsAfter">>({ slotsAfter: moment }),
});

const instanceParts = fc.record({
  name: azureName,
  friendlyName: fc.string(),
  datasource: fc.record(
    {
      resourceId: fc.constant("/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/prodlake"),
      account: fc.constant("prodlake"),
      kind: fc.constantFrom("blobServices", "adlsBlobServices"),
      location: fc.constant("westeurope"),
    },
    { requiredKeys: ["resourceId", "account", "kind"] },
  ),
  containers: fc.oneof(
    fc.record({ kind: fc.constant("chosen" as const), names: fc.array(fc.string(), { maxLength: 3 }) }),
    fc.record({ kind: fc.constant("all" as const), excludedPrefixes: fc.array(fc.string(), { maxLength: 3 }) }),
  ),
  policyName: azureName,
  protectionState: fc.constantFrom(...PROTECTION_STATES),
  properties,
  createdAt: moment,
  more: optional<Pick<BackupInstance, "tags" | "slotsAfter">>({ tags, slotsAfter: moment }),
  deletion: fc.record({ deletedAt: moment, purgeAt: moment, activity: fc.uuid() }),
});

const point: fc.Arbitrary<EstatePoint> = fc.record(
  { id: hexId, scheduledSlot: moment, promisedUntil: moment, damaged: fc.boolean(), purging: fc.constant(false) },
  { requiredKeys: ["id", "damaged", "purging"] },
);

const vault: fc.Arbitrary<EstateVault> = fc
  .record({
    parts: vaultParts,
    policies: fc.uniqueArray(policyParts, { maxLength: 3, comparator: sameName }),
    instances: fc.uniqueArray(
      fc.record({ parts: instanceParts, points: fc.uniqueArray(point, { maxLength: 5, selector: ({ id }) => id }) }),
      { maxLength: 3, comparator: (a, b) => sameName(a.parts, b.parts) },
    ),
  })
  .map(({ parts: { group, more, ...parts }, policies, instances }) => {
    const armId = `/subscriptions/${SUBSCRIPTION}/resourceGroups/${group}/providers/Microsoft.DataProtection/backupVaults/${parts.name}`;
    return {
      row: { armId, ...parts, ...more },
      policies: policies.map(({ options, more, hasSchedule, ...same }) => {
        const body = PolicyProperties.parse((policyBody(options) as { readonly properties: unknown }).properties);
        const policyRules = body.policyRules.filter((rule) => hasSchedule || rule.objectType !== "AzureBackupRule");
        const properties = { ...body, policyRules };
        const policyId = `${armId}/backupPolicies/${same.name}`;
        return { armId: policyId, ...same, ...more, properties, ...readPolicy(properties) };
      }),
      instances: instances.map(({ parts: { more, deletion, ...same }, points }) => {
        const instanceId = `${armId}/backupInstances/${same.name}`;
        const row = {
          id: backupInstanceId(instanceId),
          armId: instanceId,
          vaultArmId: armId,
          ...same,
          ...more,
          ...(same.protectionState === "SoftDeleted" ? { deletion } : {}),
        };
        return { row: BackupInstance.parse(row), points };
      }),
    };
  });

export const estate: fc.Arbitrary<readonly EstateVault[]> = fc.uniqueArray(vault, {
  minLength: 1,
  maxLength: 3,
  selector: ({ row }) => vaultKey(row.armId),
});

export class RebuildWorld {
  readonly vaults = new MemoryRecords<VaultRecord>();
  readonly policies = new MemoryRecords<PolicyRecord>();
  readonly instances = new MemoryRecords<BackupInstance>();
  readonly schedules = new MemoryRecords<Schedule>();
  readonly recoveryPoints = new MemoryRecords<RecoveryPoint>();
  readonly files = new MemoryProtectionFiles();
  readonly crash = new CrashSwitch();
  now = new Date("2026-06-01T10:00:00.000Z");
  settings: RebuildSettings = { budgetMs: 60_000, slice: 2 };

  static async of(vaults: readonly EstateVault[]): Promise<RebuildWorld> {
    const world = new RebuildWorld();
    for (const vault of vaults) await world.#write(vault);
    return world;
  }

  get tables() {
    const { vaults, policies, instances, schedules, recoveryPoints } = this;
    return { vaults, policies, instances, schedules, recoveryPoints };
  }

  get deps(): RebuildDeps {
    const { vaults, policies, instances, schedules, recoveryPoints } = this;
    const account = this.files.vaultAccount;
    return {
      vaults: this.crash.wrap(vaults),
      policies: this.crash.wrap(policies),
      instances: this.crash.wrap(instances),
      schedules: this.crash.wrap(schedules),
      recoveryPoints: this.crash.wrap(recoveryPoints),
      vaultAccount: { ...account, files: (container) => this.crash.wrap(account.files(container)) },
      clock: () => this.now,
      settings: this.settings,
    };
  }

  async #write({ row, policies, instances }: EstateVault): Promise<void> {
    const key = vaultKey(row.armId);
    await this.files.ensureVault(row);
    const { partition, row: vaultRow } = vaultRecordKey(row.armId);
    await this.vaults.put(partition, vaultRow, row);
    for (const policy of policies) {
      await this.files.ensurePolicy(row.armId, policy);
      await this.policies.put(key, policy.name.toLowerCase(), policy);
    }
    for (const instance of instances) {
      const name = instance.row.name.toLowerCase();
      await this.files.ensure(instance.row);
      const schedule: Schedule = { vault: key, instanceName: name, passedOver: { count: 3, newest: [] } };
      await this.schedules.put(ALL_SCHEDULES, scheduleRow(key, name), schedule);
      await this.instances.put(key, name, instance.row);
      for (const [nth, point] of instance.points.entries()) await this.#seal(instance.row.id, nth + 1, point);
    }
  }

  async #seal(instance: string, sequence: number, point: EstatePoint): Promise<void> {
    const seal = sealOf(instance, sequence, point);
    const container = vaultContainerName(instance);
    this.files.write(container, sealPath(point.id), encodeDocument(seal), { [SEQUENCE_METADATA]: String(sequence) });
    if (point.purging) this.files.write(container, purgePath(point.id), encodeDocument({ formatVersion: 1 }));
    const damage = { foundAt: this.now.toISOString(), missing: 1, altered: 0, manifests: 0 };
    await this.recoveryPoints.put(instance, point.id, {
      ...recoveryPointOf(seal, { ...NO_TOTALS, entries: seal.entries }),
      ...(point.damaged ? { damage } : {}),
    });
  }

  /** Deletes rows. @param isLost - called with each */
  async lose(isLost: (table: string, partition: string, row: string) => boolean = () => true): Promise<void> {
    for (const [name, table] of Object.entries(this.tables)) {
      for (const [partition, rows] of Object.entries(table.dump())) {
        for (const row of Object.keys(rows)) if (isLost(name, partition, row)) await table.remove(partition, row);
      }
    }
  }

  /** All rows of all tables, as JSON. */
  get rows(): Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>> {
    return Object.fromEntries(Object.entries(this.tables).map(([name, table]) => [name, table.dump()]));
  }

  /** Runs a rebuild, in as many calls as needed. @returns the results of all calls */
  async rebuild(request: RebuildRequest = {}): Promise<RebuildResult[]> {
    const answers: RebuildResult[] = [];
    let { continuation } = request;
    do {
      const answer: RebuildResult = await rebuildRows(this.deps, {
        ...request,
        ...(continuation === undefined ? {} : { continuation }),
      });
      if (continuation !== undefined && answer.continuation === continuation) throw new Error("no step was made");
      answers.push(answer);
      continuation = answer.continuation;
    } while (continuation !== undefined);
    return answers;
  }
}

export function sealOf(instance: string, sequence: number, point: EstatePoint): Seal {
  const { id, scheduledSlot, promisedUntil } = point;
  return {
    formatVersion: 1,
    recoveryPoint: id,
    sequence,
    instance,
    job: `job-${id}`,
    slot: "2026-01-01T02:00:00.000Z",
    time: "2026-01-01T02:00:01.000Z",
    sealedAt: "2026-01-01T02:10:00.000Z",
    tag: "Default",
    policy: "daily",
    ...(scheduledSlot === undefined ? {} : { scheduledSlot }),
    ...(promisedUntil === undefined ? {} : { promisedUntil }),
    containers: [{ name: "raw", index: { path: "x", sha256: "0".repeat(64) }, entries: 3, bytes: 5 }],
    entries: 3,
    bytes: 5,
    warnings: NO_WARNINGS,
  };
}
