/**
 * @module
 * What a restore says to its queues.
 */
import { z } from "zod";
import { JobRef } from "../jobs/job-ref.ts";

/** Queue `container-restore-plans`: send the restore of one container off. */
export const LanesMessage = JobRef.extend({ container: z.string() });

export type LanesMessage = Readonly<z.infer<typeof LanesMessage>>;

/** Queue `container-restore`: copy one segment out of the vault, then go on with the next one of its lane. */
export const SegmentMessage = JobRef.extend({
  container: z.string(),
  /** Ordinal of the segment in the container's index. */
  segment: z.int().nonnegative(),
  /** Lanes that the container is restored in: the lane's next segment is so many further. Absent: there is no next. */
  lanes: z.int().positive().optional(),
});

export type SegmentMessage = Readonly<z.infer<typeof SegmentMessage>>;

export const CONTAINER_RESTORE_PLANS_QUEUE = "container-restore-plans";

export const CONTAINER_RESTORE_QUEUE = "container-restore";

/** Raised to the restore's orchestration when all segments of the container are in the target. */
export function restoredEvent(container: string): string {
  return `restored.${container.replaceAll("$", "_")}`;
}
