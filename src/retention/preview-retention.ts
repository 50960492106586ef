import { VaultError } from "../foundation/errors.ts";
import { type PlanDeps, planPurge } from "../purge/plan-purge.ts";
import { type PurgePreview, previewPurge } from "../purge/removal-batches.ts";
import { walkPurge } from "../purge/walk-purge.ts";
import type { RetentionPlan } from "./plan-retention.ts";

/** What the purge of one point would delete, or why it would fail. */
export type PointPreview = PurgePreview | { readonly isComplete: false; readonly problem: string };

/**
 * Counts what the purges of a retention would remove, by the plans and the walks that the purges themselves follow.
 * Each is planned as if those before it had been carried out. Changes nothing.
 *
 * @param hasTime - called regularly; once it returns false nothing more is counted
 * @returns by recovery point id, for every point that expires
 */
export async function previewRetention(
  deps: PlanDeps,
  plan: RetentionPlan,
  hasTime: () => boolean,
): Promise<ReadonlyMap<string, PointPreview>> {
  const previews = new Map<string, PointPreview>();
  let sealed = plan.points.map(({ point: { id, sequence } }) => ({ id, sequence }));
  for (const { id } of plan.expired) {
    previews.set(id, hasTime() ? await previewPoint(deps, id, sealed, hasTime) : NO_TIME);
    sealed = sealed.filter((other) => other.id !== id);
  }
  return previews;
}

const NO_TIME: PointPreview = { isComplete: false, problem: "there was no time to count its objects" };

async function previewPoint(
  deps: PlanDeps,
  id: string,
  sealed: Parameters<typeof planPurge>[2],
  hasTime: () => boolean,
): Promise<PointPreview> {
  try {
    return await previewPurge(walkPurge(deps, await planPurge(deps, id, sealed)), hasTime);
  } catch (error) {
    if (!(error instanceof VaultError) || !UNREADABLE.has(error.code)) throw error;
    return { isComplete: false, problem: error.message };
  }
}

/** A point is not purged while one of its manifests has such an error. */
const UNREADABLE: ReadonlySet<string> = new Set([
  "format/corrupt",
  "format/missing",
  "format/newer-version",
  "recovery-point/not-found",
]);
