import type { Failure } from "../foundation/errors.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { Job } from "../jobs/job.ts";
import { type Alert, raiseAlert } from "./alert.ts";

/** Alert kind for a job that stalled and could not be recovered. */
export const JOB_STALLED = "job.stalled";

/** Raises the alert for a stalled job. Safe to run twice: one alert per job. */
export async function raiseJobStalled(
  alerts: RecordTable<Alert>,
  job: Job,
  { message }: Failure,
  now: Date,
): Promise<void> {
  const condition = {
    kind: JOB_STALLED,
    severity: "critical",
    instance: job.instance,
    instanceName: job.instanceName,
    subject: job.id,
    message: `${job.request.kind} '${job.id}': ${message}`,
    details: { counts: { restarts: job.restarts ?? 0 }, names: [] },
  } as const;
  await raiseAlert(alerts, job.vault, { ...condition, details: { ...condition.details, names: [] } }, now);
}
