/**
 * @module
 * The activities that purge, by name, in executions of a few minutes.
 */
import { z } from "zod";
import type { Activity, Durable, Flow } from "../foundation/flow.ts";
import { present } from "../foundation/present.ts";
import { JobRef } from "../jobs/job-ref.ts";

/** Where a purge goes on: segments before that one are done, as far as their objects go. */
export const PurgePosition = z.object({
  recoveryPoint: z.string(),
  container: z.string(),
  /** Ordinal among those that no neighbour has; beyond the last of them by as many as are removed, when all objects are. */
  segment: z.int().nonnegative(),
});
export type PurgePosition = Readonly<z.infer<typeof PurgePosition>>;

const PurgeInput = JobRef.extend({ from: PurgePosition.optional() });
export type PurgeInput = Readonly<z.infer<typeof PurgeInput>>;

/** How an execution ended: with all done, or out of time, to be called again. */
export interface PurgeEnd {
  readonly done: boolean;
  /** Where the next execution goes on, when a point was half purged. */
  readonly from?: PurgePosition;
}

export const purgeActivity = (name: string): Activity<PurgeInput, PurgeEnd> => ({
  name,
  parse: (input) => PurgeInput.parse(input),
});

/** Takes the instance's lock and ends the purges that were begun; first in every writing job of an instance. */
export const finishPurges = purgeActivity("finishPurges");

/** Calls a purging activity until it is done. */
export function* toItsEnd(flow: Flow, activity: Activity<PurgeInput, PurgeEnd>, job: JobRef): Durable<void> {
  let end = yield* flow.call(activity, job);
  while (!end.done) end = yield* flow.call(activity, { ...job, ...present({ from: end.from }) });
}
