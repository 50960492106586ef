/**
 * @module
 * The queue messages of a restore.
 */
import { z } from "zod";
import { JobRef } from "../jobs/job-ref.ts";

/** Queue `container-restore-plans`: start the restore of one container. */
export const LanesMessage = JobRef.extend({ container: z.string() });

export type LanesMessage = Readonly<z.infer<typeof LanesMessage>>;

/** Queue `container-restore`: copy one segment out of the vault, then continue with the next one of its lane. */
export const SegmentMessage = JobRef.extend({
  container: z.string(),
  /** Ordinal of the segment in the container's index. */
  segment: z.int().nonnegative(),
  /** Number of the container's lanes: it is the distance to the lane's next segment. Absent: there is no next one. */
  lanes: z.int().positive().optional(),
});

export type SegmentMessage = Readonly<z.infer<typeof SegmentMessage>>;

export const CONTAINER_RESTORE_PLANS_QUEUE = "container-restore-plans";

export const CONTAINER_RESTORE_QUEUE = "container-restore";

/** Raised to the restore's orchestration when all segments of the container are in the target. */
export function restoredEvent(container: string): string {
  return `restored.${container.replaceAll("$", "_")}`;
}
