import type { RecordTable } from "../foundation/records.ts";
import { isOpen, type Job } from "./job.ts";
import type { JobRef } from "./job-ref.ts";
import { type Orchestrations, orchestrationId } from "./orchestrations.ts";

export interface RaiseEventDeps {
  readonly jobs: RecordTable<Job>;
  readonly orchestrations: Orchestrations;
}

/**
 * Raises an event to the orchestration that works on a job now; a job that has ended hears nothing.
 *
 * Safe to run twice: an orchestration takes each event once. One that is begun anew meanwhile does not hear it, and lets all
 * be sent again that leads to it.
 */
export async function raiseEvent(deps: RaiseEventDeps, ref: JobRef, event: string, value: unknown): Promise<void> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  if (job === undefined || !isOpen(job)) return;
  await deps.orchestrations.raise(orchestrationId(job), event, value);
}
