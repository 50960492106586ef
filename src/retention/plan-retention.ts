import type { Clock } from "../foundation/clock.ts";
import { listRecords, type RecordTable } from "../foundation/records.ts";
import { FULL_SAFETY } from "../foundation/safety.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import { recoveryPointOf } from "../instances/recovery-point-of.ts";
import type { VaultRecord } from "../instances/vault-record.ts";
import { findVault, isImmutable } from "../instances/vault-settings.ts";
import type { Job } from "../jobs/job.ts";
import { type Pin, pinnedPoints } from "../jobs/pins.ts";
import type { PolicyRecord } from "../policies/policy-record.ts";
import { listSeals } from "../vault/list-seals.ts";
import { readSeal } from "../vault/read-manifest.ts";
import type { VaultFiles } from "../vault/vault-files.ts";
import {
  decideRetention,
  type RetainedPoint,
  type RetentionDecision,
  type RetentionTerms,
} from "./decide-retention.ts";

export interface PlanRetentionDeps {
  readonly vaults: RecordTable<VaultRecord>;
  readonly policies: RecordTable<PolicyRecord>;
  readonly recoveryPoints: RecordTable<RecoveryPoint>;
  readonly pins: RecordTable<Pin>;
  readonly jobs: RecordTable<Job>;
  readonly vault: (instanceId: string) => Pick<VaultFiles, "list" | "read">;
  readonly clock: Clock;
}

/** A recovery point and the decision about it. */
export interface DecidedPoint {
  readonly point: RecoveryPoint;
  readonly decision: RetentionDecision;
}

/** What a retention of an instance will do; a dry run shows it, and a job carries it out. */
export interface RetentionPlan {
  /** All sealed points, by ascending sequence. */
  readonly points: readonly DecidedPoint[];
  /** Those of them that have expired, in the order in which they are purged. */
  readonly expired: readonly RecoveryPoint[];
  /** Kept points without a row, because a crash prevented the write. */
  readonly missingRows: readonly RecoveryPoint[];
  /**
   * The instance was deleted and its retention has ended: once no point is left, its rows and its container are
   * deleted.
   */
  readonly removesInstance: boolean;
}

/**
 * Decides about all recovery points of an instance; changes nothing.
 *
 * The points are read from the vault itself; where a row is missing the seal is read.
 *
 * @param vaultKey - partition of the instance's policies
 * @throws VaultError `format/corrupt`, `format/newer-version` when a point without a row has a seal that cannot be read
 */
export async function planRetention(
  deps: PlanRetentionDeps,
  instance: BackupInstance,
  vaultKey: string,
): Promise<RetentionPlan> {
  const { points, rows } = await readPoints(deps, instance);
  const policy = (await deps.policies.get(vaultKey, instance.policyName.toLowerCase()))?.value;
  const pinned = await pinnedPoints(deps, instance.id);
  const softDeletedUntil = purgeTimeOf(instance);
  const now = deps.clock();
  const decisions = decideRetention(
    points.map((point) => ({ ...retainedPoint(point), isPinned: pinned.has(point.id), softDeletedUntil })),
    {
      rules: policy?.retentionRules,
      protection: protectionOf(instance),
      isImmutable: isImmutable(await findVault(deps.vaults, instance.vaultArmId)),
    },
    now,
  );
  const decided = points.flatMap((point, i) => {
    const decision = decisions[i];
    return decision === undefined ? [] : [{ point, decision }];
  });
  return {
    points: decided,
    expired: decided.flatMap(({ point, decision }) => (decision.keep ? [] : [point])),
    missingRows: decided.flatMap(({ point, decision }) => (decision.keep && !rows.has(point.id) ? [point] : [])),
    removesInstance: softDeletedUntil !== undefined && softDeletedUntil <= now,
  };
}

/** The facts of a recovery point's row that decide how long it is kept. */
export function retainedPoint({ id, sequence, time, tag, promisedUntil }: RecoveryPoint): RetainedPoint {
  return {
    ...{ id, sequence, tag, time: new Date(time) },
    promisedUntil: promisedUntil === undefined ? undefined : new Date(promisedUntil),
  };
}

async function readPoints(
  deps: PlanRetentionDeps,
  { id }: BackupInstance,
): Promise<{ readonly points: readonly RecoveryPoint[]; readonly rows: ReadonlyMap<string, RecoveryPoint> }> {
  const rows = new Map<string, RecoveryPoint>();
  for await (const { row, value } of listRecords(deps.recoveryPoints, id)) rows.set(row, value);
  const vault = deps.vault(id);
  const points: RecoveryPoint[] = [];
  for (const sealed of await listSeals(vault)) {
    points.push(rows.get(sealed.id) ?? recoveryPointOf(await readSeal(vault, sealed.id)));
  }
  return { points: points.sort((a, b) => a.sequence - b.sequence), rows };
}

/** @returns when everything of a deleted instance is purged; undefined when it is not deleted */
export function purgeTimeOf({ deletion }: BackupInstance, { undeleteGraceMs } = FULL_SAFETY): Date | undefined {
  if (deletion === undefined) return undefined;
  const { deletedAt, purgeAt } = deletion;
  return new Date(Date.parse(purgeAt) + (deletedAt === purgeAt ? 0 : undeleteGraceMs));
}

function protectionOf({ protectionState }: BackupInstance): RetentionTerms["protection"] {
  return protectionState === "ProtectionStopped" ? "kept-forever" : "protected";
}
