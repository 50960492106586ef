/**
 * @module
 * The activities of a restore, by name.
 */
import type { Activity } from "../foundation/flow.ts";
import { JobRef } from "../jobs/job-ref.ts";
import type { JobTotals } from "../jobs/job-totals.ts";

export interface BegunRestore {
  /** False: the job has already ended, and there is nothing to do. */
  readonly begun: boolean;
  readonly containers: readonly string[];
}

const activity = <Out>(name: string): Activity<JobRef, Out> => ({ name, parse: (input) => JobRef.parse(input) });

export const beginRestore = activity<BegunRestore>("beginRestore");

/** Returns the containers to wait for: those that have segments. */
export const planSegments = activity<string[]>("planSegments");

export const checkRestore = activity<JobTotals>("checkRestore");
