import type { RecordTable } from "../foundation/records.ts";
import { isOpen, type Job } from "./job.ts";
import type { JobRef } from "./job-ref.ts";
import { type Orchestrations, orchestrationId } from "./orchestrations.ts";

export interface RaiseEventDeps {
  readonly jobs: RecordTable<Job>;
  readonly orchestrations: Orchestrations;
}

/**
 * Raises an event to the current orchestration of a job; without effect when the job has ended.
 *
 * Safe to run twice: an orchestration handles each event once. An orchestration that is restarted meanwhile misses the
 * event, and then repeats the steps that lead to it.
 */
export async function raiseEvent(deps: RaiseEventDeps, ref: JobRef, event: string, value: unknown): Promise<void> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  if (job === undefined || !isOpen(job)) return;
  await deps.orchestrations.raise(orchestrationId(job), event, value);
}
