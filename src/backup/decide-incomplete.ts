import { type Condition, MAX_ALERT_NAMES } from "../alerts/alert.ts";
import type { Job } from "../jobs/job.ts";
import type { Warning } from "../vault/seal.ts";

export const POINT_INCOMPLETE = "backup.point-incomplete";

/** Share of the listed blobs that must be missing for an alert; fewer are only warnings. */
const LARGE_SHARE = 0.1;
/** Fewer missing blobs are never a large share. */
const MIN_MISSING_BLOBS = 10;
/** From this share on the alert is critical. */
const CRITICAL_SHARE = 0.5;

/**
 * Decides whether an operator must know that a point lacks much of its source: a whole container, or a large share of
 * the blobs. Single blobs are in the warnings of the job.
 *
 * @param left - warnings of skipped containers
 * @param listed - names listed in the other containers
 * @param warned - those of them that are not in the point
 */
export function decideIncomplete(
  { instance, instanceName, containers = [] }: Pick<Job, "instance" | "instanceName" | "containers">,
  left: readonly Warning[],
  { listed, warned }: { readonly listed: number; readonly warned: number },
): Condition | undefined {
  const share = listed === 0 ? 0 : warned / listed;
  const isLarge = warned >= MIN_MISSING_BLOBS && share >= LARGE_SHARE;
  if (left.length === 0 && !isLarge) return undefined;
  const isCritical = isLarge ? share >= CRITICAL_SHARE : left.length > containers.length * CRITICAL_SHARE;
  return {
    kind: POINT_INCOMPLETE,
    severity: isCritical ? "critical" : "warning",
    instance,
    instanceName,
    subject: "newest recovery point",
    message: [
      ...(left.length === 0 ? [] : [`the newest recovery point lacks ${left.length} containers of the source`]),
      ...(isLarge ? [`the newest recovery point lacks ${warned} of ${listed} listed blobs`] : []),
    ].join("; "),
    details: {
      counts: { containers: left.length, blobs: warned },
      names: left.slice(0, MAX_ALERT_NAMES).map(({ container, code }) => `${container} (${code})`),
    },
  };
}
