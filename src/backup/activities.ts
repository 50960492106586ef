/**
 * @module
 * The activities of a backup, by name.
 */
import type { Activity } from "../foundation/flow.ts";
import { JobRef } from "../jobs/job-ref.ts";
import type { JobTotals } from "../jobs/job-totals.ts";

export interface BegunBackup {
  /** False: the job has already ended, and there is nothing to do. */
  readonly begun: boolean;
  readonly containers: readonly string[];
}

const activity = <Out>(name: string): Activity<JobRef, Out> => ({ name, parse: (input) => JobRef.parse(input) });

export const beginBackup = activity<BegunBackup>("beginBackup");
export const writeMarkers = activity<null>("writeMarkers");
export const planRanges = activity<null>("planRanges");
export const sealRecoveryPoint = activity<JobTotals>("sealRecoveryPoint");
export const removeMarkers = activity<null>("removeMarkers");
