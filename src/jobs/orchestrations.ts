import type { Job } from "./job.ts";

/** The durable instance that works on a job; from the job alone, so that a repeated start finds the first. */
export function orchestrationId({ id, request, restarts }: Pick<Job, "id" | "request" | "restarts">): string {
  return `${request.kind}-${id}${restarts === undefined ? "" : `-${restarts}`}`;
}

/** Orchestrations as the rest of the app needs them. */
export interface Orchestrations {
  /** Starts an orchestration unless one with this id was ever started. */
  startOnce(name: string, id: string, input: unknown): Promise<void>;
  /** Raises an event; one that has ended no longer listens, which is fine. */
  raise(id: string, event: string, value: unknown): Promise<void>;
  /** Ends an orchestration wherever it is; one that has ended, or was never started, is fine. */
  terminate(id: string, reason: string): Promise<void>;
  /** undefined: never started. */
  state(id: string): Promise<"running" | "ended" | "failed" | undefined>;
}
