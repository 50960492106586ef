import type { Job } from "./job.ts";

/** Id of the durable instance of a job; derived from the job, so that a repeated start finds the first. */
export function orchestrationId({ id, request, restarts }: Pick<Job, "id" | "request" | "restarts">): string {
  return `${request.kind}-${id}${restarts === undefined ? "" : `-${restarts}`}`;
}

/** Orchestrations as the rest of the app uses them. */
export interface Orchestrations {
  /** Starts an orchestration unless one with this id was ever started. */
  startOnce(name: string, id: string, input: unknown): Promise<void>;
  /** Raises an event; without effect on one that has ended. */
  raise(id: string, event: string, value: unknown): Promise<void>;
  /** Terminates an orchestration in any state; without effect on one that has ended, or never started. */
  terminate(id: string, reason: string): Promise<void>;
  /** undefined: never started. */
  state(id: string): Promise<"running" | "ended" | "failed" | undefined>;
}
