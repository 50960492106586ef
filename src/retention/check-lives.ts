/**
 * @module
 * Whether a request would shorten how long recovery points are kept; an immutable vault refuses that.
 */
import { VaultError } from "../foundation/errors.ts";
import { listRecords, type RecordTable } from "../foundation/records.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import type { RetentionRule } from "../policies/retention-rules.ts";
import { decideRetention } from "./decide-retention.ts";
import { retainedPoint } from "./plan-retention.ts";

type Rules = readonly RetentionRule[] | undefined;

/**
 * Returns when each point expires if only the rules count and, in an immutable vault, the promised time.
 *
 * @returns Unix milliseconds; infinite when unknown
 */
export function endsOf(points: readonly RecoveryPoint[], rules: Rules, isImmutable: boolean, now: Date): number[] {
  const decisions = decideRetention(points.map(retainedPoint), { rules, protection: "stopped", isImmutable }, now);
  return decisions.map((decision) => {
    if (!decision.keep) return decision.expiredAt.getTime();
    return decision.until?.getTime() ?? Number.POSITIVE_INFINITY;
  });
}

async function readPoints(table: RecordTable<RecoveryPoint>, instanceId: string): Promise<RecoveryPoint[]> {
  const points: RecoveryPoint[] = [];
  for await (const { value } of listRecords(table, instanceId)) points.push(value);
  return points;
}

/**
 * Refuses to delete an instance of an immutable vault while any of its points is to be kept.
 *
 * @throws VaultError `vault/immutable`
 */
export async function checkNothingKept(
  recoveryPoints: RecordTable<RecoveryPoint>,
  instance: { readonly id: string; readonly name: string },
  rules: Rules,
  now: Date,
): Promise<void> {
  const ends = endsOf(await readPoints(recoveryPoints, instance.id), rules, true, now);
  const kept = ends.filter((end) => end > now.getTime());
  if (kept.length === 0) return;
  throw new VaultError(
    "vault/immutable",
    `the vault is immutable, and ${kept.length} recovery points of '${instance.name}' must be kept ${untilOf(kept)}`,
    { hint: "stop its protection instead, and delete it when they have expired" },
  );
}

/**
 * Refuses new retention rules for an instance of an immutable vault if any of its points would expire earlier.
 *
 * @throws VaultError `vault/immutable`
 */
export async function checkNothingShortened(
  recoveryPoints: RecordTable<RecoveryPoint>,
  instance: { readonly id: string; readonly name: string },
  { before, wanted }: { readonly before: Rules; readonly wanted: Rules },
  now: Date,
): Promise<void> {
  const points = await readPoints(recoveryPoints, instance.id);
  const present = endsOf(points, before, true, now);
  const later = endsOf(points, wanted, true, now);
  const shortened = present.filter((end, i) => end > now.getTime() && (later[i] ?? end) < end);
  if (shortened.length === 0) return;
  throw new VaultError(
    "vault/immutable",
    `the vault is immutable, and ${shortened.length} recovery points of '${instance.name}' must be kept ${untilOf(shortened)}`,
    { hint: "use rules that keep for as long or longer" },
  );
}

function untilOf(ends: readonly number[]): string {
  const last = Math.max(...ends);
  return Number.isFinite(last) ? `until ${new Date(last).toISOString()}` : "forever";
}
