/**
 * @module
 * The activities of a scrub, by name.
 */
import type { Activity } from "../foundation/flow.ts";
import { JobRef } from "../jobs/job-ref.ts";

/** Works on the round of a job's instance for a few minutes. Returns whether the job is done. */
export const scrubStep: Activity<JobRef, { readonly isDone: boolean }> = {
  name: "scrubStep",
  parse: (input) => JobRef.parse(input),
};
