/**
 * @module
 * Which points are affected by damage. Points are checked in order and each finding is made at the first point that
 * needs the file, so only the last point's number is stored: a point's damage is everything that is needed up to it or
 * beyond.
 */
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import type { DamageRun } from "./scrub-state.ts";

export type Damage = Omit<NonNullable<RecoveryPoint["damage"]>, "foundAt">;
export type DamageKind = keyof Damage;

/** Adds damaged files that are needed up to a number. */
export function addDamage(
  runs: readonly DamageRun[],
  kind: DamageKind,
  until: number,
  things: number,
): readonly DamageRun[] {
  const before = runs.find((run) => run.until === until) ?? { until, missing: 0, altered: 0, manifests: 0 };
  const others = runs.filter((run) => run.until !== until);
  return [...others, { ...before, [kind]: before[kind] + things }].sort((a, b) => a.until - b.until);
}

/** Drops damage that no point from a number on needs. */
export function damageFrom(runs: readonly DamageRun[], sequence: number): readonly DamageRun[] {
  return runs.filter(({ until }) => until >= sequence);
}

/** @returns undefined when the point of this number has no damage */
export function damageOf(runs: readonly DamageRun[], sequence: number): Damage | undefined {
  const needed = damageFrom(runs, sequence);
  if (needed.length === 0) return undefined;
  const sum = (kind: DamageKind): number => needed.reduce((total, run) => total + run[kind], 0);
  return { missing: sum("missing"), altered: sum("altered"), manifests: sum("manifests") };
}

/** The row of a recovery point with its current damage; the same row object when unchanged. */
export function markDamage(point: RecoveryPoint, damage: Damage | undefined, now: Date): RecoveryPoint {
  const { damage: before, ...whole } = point;
  if (damage === undefined) return before === undefined ? point : whole;
  const isSame =
    before !== undefined &&
    before.missing === damage.missing &&
    before.altered === damage.altered &&
    before.manifests === damage.manifests;
  return isSame ? point : { ...whole, damage: { ...damage, foundAt: before?.foundAt ?? now.toISOString() } };
}
