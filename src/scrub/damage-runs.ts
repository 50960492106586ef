/**
 * @module
 * Who needs what is damaged. Points are scrubbed in order and each thing is found at the first point that needs it, so it
 * is enough to remember up to which number it is needed: the damage of a point is all that is needed up to it or beyond.
 */
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import type { DamageRun } from "./scrub-state.ts";

export type Damage = Omit<NonNullable<RecoveryPoint["damage"]>, "foundAt">;
export type DamageKind = keyof Damage;

/** Adds things that are needed up to a number. */
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

/** Forgets what no point from a number on needs. */
export function damageFrom(runs: readonly DamageRun[], sequence: number): readonly DamageRun[] {
  return runs.filter(({ until }) => until >= sequence);
}

/** @returns undefined when the point of this number is whole */
export function damageOf(runs: readonly DamageRun[], sequence: number): Damage | undefined {
  const needed = damageFrom(runs, sequence);
  if (needed.length === 0) return undefined;
  const sum = (kind: DamageKind): number => needed.reduce((total, run) => total + run[kind], 0);
  return { missing: sum("missing"), altered: sum("altered"), manifests: sum("manifests") };
}

/** The row of a recovery point with what was found of it now; the very same row when that is what it says. */
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
