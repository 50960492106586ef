/**
 * @module
 * The queue messages of a backup, and the events that its queue functions raise to its orchestration.
 */
import { z } from "zod";
import { JobRef } from "../jobs/job-ref.ts";
import { RangeId } from "../jobs/work.ts";

/** Queue `container-plans`: cut one container into ranges, and send their messages. */
export const PlanMessage = JobRef.extend({ container: z.string() });
export type PlanMessage = Readonly<z.infer<typeof PlanMessage>>;

/** Queue `container-copy`: process one piece of one range. Ids and names only; the rest is in rows. */
export const RangeMessage = JobRef.extend({
  container: z.string(),
  range: RangeId,
  /** Ordinal of the piece; a worker that runs out of time leaves the rest to the next piece. */
  piece: z.int().nonnegative(),
  /**
   * Decides the range after a planned one: with `n` lanes, the first takes the ranges 0, n, 2n and so on, one after the
   * other. Absent for a split-off range.
   */
  lane: z.object({ lanes: z.int().positive(), parts: z.int().positive() }).optional(),
});
export type RangeMessage = Readonly<z.infer<typeof RangeMessage>>;

/** Queue `marker-checks`: are all ranges of the container done? */
export const MarkerCheckMessage = JobRef.extend({
  container: z.string(),
  /** The group of ranges in which one was finished. */
  group: z.int().nonnegative(),
});
export type MarkerCheckMessage = Readonly<z.infer<typeof MarkerCheckMessage>>;

/** Messages after a plan or a piece: ranges, or the rest of one and its split-off part, or a marker check. */
export interface RangeStep {
  readonly ranges: readonly RangeMessage[];
  readonly check?: MarkerCheckMessage;
}

export const CONTAINER_PLANS_QUEUE = "container-plans";
export const CONTAINER_COPY_QUEUE = "container-copy";
export const MARKER_CHECKS_QUEUE = "marker-checks";

/**
 * Raised to the backup's orchestration when the container's marker was replicated. URLs may change the `$` of `$web`.
 */
export function replicatedEvent(container: string): string {
  return `replicated.${container.replaceAll("$", "_")}`;
}
