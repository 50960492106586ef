/**
 * @module
 * In-memory tables and orchestrations for jobs, without workers: tests write the work rows.
 */
import type { Alert } from "../../src/alerts/alert.ts";
import { raiseJobStalled } from "../../src/alerts/job-stalled.ts";
import type { Failure } from "../../src/foundation/errors.ts";
import { type EndJobDeps, endJobActivity } from "../../src/jobs/end-job.ts";
import type { Job } from "../../src/jobs/job.ts";
import { type InstanceLock, LOCK_ROW } from "../../src/jobs/job-lock.ts";
import type { JobRef } from "../../src/jobs/job-ref.ts";
import { keepJobsGoing, OPEN_JOBS } from "../../src/jobs/open-jobs.ts";
import type { Pin } from "../../src/jobs/pins.ts";
import type { WorkRecord } from "../../src/jobs/work.ts";
import { CrashSwitch } from "./crash-switch.ts";
import { MemoryOrchestrations } from "./memory-app.ts";
import { MemoryRecords } from "./memory-records.ts";

export const ONE: JobRef = { vault: "vault", job: "one" };
export const INSTANCE = "1".repeat(32);

/** A requested backup that has not started. */
export const REQUESTED: Job = {
  id: ONE.job,
  vault: ONE.vault,
  instanceName: "lake",
  instance: INSTANCE,
  status: "InProgress",
  requestedBy: "user",
  request: { kind: "backup", slot: "2026-01-01T00:00:00.000Z", rule: "BackupDaily" },
  startedAt: "2026-01-01T00:00:00.000Z",
  policyName: "daily",
};

export class MemoryJobs {
  readonly crash = new CrashSwitch();
  readonly jobs = new MemoryRecords<Job>();
  readonly openJobs = new MemoryRecords<JobRef>();
  readonly locks = new MemoryRecords<InstanceLock>();
  readonly work = new MemoryRecords<WorkRecord>();
  readonly pins = new MemoryRecords<Pin>();
  readonly alerts = new MemoryRecords<Alert>();
  readonly orchestrations = new MemoryOrchestrations();
  now = new Date("2026-01-01T01:00:00.000Z");

  get deps(): EndJobDeps & { readonly orchestrations: MemoryOrchestrations } {
    const { crash, jobs, openJobs, locks, work, pins, orchestrations } = this;
    return {
      jobs: crash.wrap(jobs),
      openJobs: crash.wrap(openJobs),
      locks: crash.wrap(locks),
      work: crash.wrap(work),
      pins: crash.wrap(pins),
      orchestrations: crash.wrap(orchestrations),
      clock: () => this.now,
    };
  }

  async request(job: Partial<Job> = {}): Promise<void> {
    await this.openJobs.put(OPEN_JOBS, ONE.job, ONE);
    await this.jobs.put(ONE.vault, ONE.job, { ...REQUESTED, ...job });
  }

  /** Requests a job and acquires its lock, with its containers. */
  async begin(containers: readonly string[], job: Partial<Job> = {}): Promise<void> {
    await this.request({ containers: [...containers], ...job });
    await this.locks.put(INSTANCE, LOCK_ROW, { job: ONE.job, since: REQUESTED.startedAt });
  }

  async job(): Promise<Job> {
    const stored = await this.jobs.get(ONE.vault, ONE.job);
    if (stored === undefined) throw new Error("no job");
    return stored.value;
  }

  /** Runs housekeeping. */
  housekeeping(): ReturnType<typeof keepJobsGoing> {
    const end = (ref: JobRef, failure: Failure): Promise<unknown> => endJobActivity(this.deps, { ...ref, failure });
    return keepJobsGoing({
      ...this.deps,
      end,
      raiseStalled: (job, failure, now) => raiseJobStalled(this.alerts, job, failure, now),
    });
  }

  /** Rows of the job's work, by key. */
  workRows(): Record<string, WorkRecord> {
    return this.work.dump()[ONE.job] ?? {};
  }
}
