/**
 * @module
 * The activities of a scrub, by name.
 */
import type { Activity } from "../foundation/flow.ts";
import { JobRef } from "../jobs/job-ref.ts";

/** Works on the round of a job's instance for a while. Answers whether there is nothing more to do for the job. */
export const scrubStep: Activity<JobRef, { readonly isDone: boolean }> = {
  name: "scrubStep",
  parse: (input) => JobRef.parse(input),
};
