/**
 * @module
 * The activities that purge, by name. Each execution takes a few minutes.
 */
import { z } from "zod";
import type { Activity, Durable, Flow } from "../foundation/flow.ts";
import { present } from "../foundation/present.ts";
import { JobRef } from "../jobs/job-ref.ts";

/** Where a purge continues: the objects of all earlier segments are deleted. */
export const PurgePosition = z.object({
  recoveryPoint: z.string(),
  container: z.string(),
  /**
   * Ordinal among the segments that no neighbour has. Once all objects are deleted: their number plus that of the
   * segment files already deleted.
   */
  segment: z.int().nonnegative(),
});
export type PurgePosition = Readonly<z.infer<typeof PurgePosition>>;

const PurgeInput = JobRef.extend({ from: PurgePosition.optional() });
export type PurgeInput = Readonly<z.infer<typeof PurgeInput>>;

/** How an execution ended: done, or out of time, to be called again. */
export interface PurgeEnd {
  readonly done: boolean;
  /** Where the next execution continues, when a point is half purged. */
  readonly from?: PurgePosition;
}

export const purgeActivity = (name: string): Activity<PurgeInput, PurgeEnd> => ({
  name,
  parse: (input) => PurgeInput.parse(input),
});

/** Takes the instance's lock and finishes unfinished purges; the first step of every writing job of an instance. */
export const finishPurges = purgeActivity("finishPurges");

/** Calls a purging activity until it is done. */
export function* toItsEnd(flow: Flow, activity: Activity<PurgeInput, PurgeEnd>, job: JobRef): Durable<void> {
  let end = yield* flow.call(activity, job);
  while (!end.done) end = yield* flow.call(activity, { ...job, ...present({ from: end.from }) });
}
