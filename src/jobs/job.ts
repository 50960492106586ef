/**
 * @module
 * A job's row. It is written when the job is requested, so that it can be queried at once; the job's orchestration does
 * the work and ends it.
 */
import { z } from "zod";
import { FAILURES, type FailureCode } from "../foundation/errors.ts";
import { Warnings } from "../vault/seal.ts";
import { JobTotals } from "./job-totals.ts";

export const JobFailure = z.object({
  code: z.enum(Object.keys(FAILURES) as [FailureCode, ...FailureCode[]]),
  message: z.string(),
  hint: z.string().optional(),
});

export const JOB_STATUSES = [
  "InProgress",
  "Cancelling",
  "Completed",
  "CompletedWithWarnings",
  "Failed",
  "Cancelled",
] as const;

export type JobStatus = (typeof JOB_STATUSES)[number];

/** Whether a job has not ended; one that is being cancelled has not ended. */
export function isOpen({ status }: { readonly status: JobStatus }): boolean {
  return status === "InProgress" || status === "Cancelling";
}

/** Parameters of a backup. */
export const BackupRequest = z.object({
  kind: z.literal("backup"),
  /** The slot, or the time of the request; ISO 8601 UTC. */
  slot: z.string(),
  /** The backup rule of the policy. */
  rule: z.string(),
  /** Overrides the tag of the policy. */
  tag: z.string().optional(),
});

export type BackupRequest = Readonly<z.infer<typeof BackupRequest>>;

/** Parameters of a restore. */
export const RestoreRequest = z.object({
  kind: z.literal("restore"),
  recoveryPoint: z.string(),
  target: z.object({
    /** ARM id of the storage account. */
    resourceId: z.string(),
    account: z.string(),
    location: z.string().optional(),
  }),
  /** Absent: all containers of the recovery point. */
  containers: z.array(z.string()).optional(),
});

export type RestoreRequest = Readonly<z.infer<typeof RestoreRequest>>;

/** Purges expired recovery points of an instance. */
export const RetentionRequest = z.object({ kind: z.literal("retention") });

/** Compares the files of an instance in the vault account with its manifests. */
export const ScrubRequest = z.object({ kind: z.literal("scrub") });

/** A job's row; partition: the vault's key, row: the job's id. */
export const Job = z.object({
  /** UUID. */
  id: z.string(),
  /** Key of the vault, see `vaultKey` in `src/instances/vault-record.ts`. */
  vault: z.string(),
  /** Row key of the backup instance: its name in lower case. */
  instanceName: z.string(),
  /** Id of the backup instance, 32 hexadecimal digits. */
  instance: z.string(),
  status: z.enum(JOB_STATUSES),
  requestedBy: z.enum(["schedule", "user"]),
  request: z.discriminatedUnion("kind", [BackupRequest, RestoreRequest, RetentionRequest, ScrubRequest]),
  /** ISO 8601 UTC. */
  startedAt: z.string(),
  endedAt: z.string().optional(),
  /** Name of the policy in force when the job was requested. */
  policyName: z.string(),
  /** The recovery point that is created or read, once the job has started. */
  recoveryPoint: z
    .object({
      id: z.string(),
      sequence: z.int().positive(),
      /** The point contains all changes up to this time; set just before the markers are written. ISO 8601 UTC. */
      time: z.string().optional(),
    })
    .optional(),
  /** Containers of the job, once it has started. */
  containers: z.array(z.string()).optional(),
  /** The latest sealed point when the backup started; its listing is compared with it. */
  previous: z.string().optional(),
  tag: z.string().optional(),
  /** Times for the seal of the new recovery point. ISO 8601 UTC. */
  promisedUntil: z.string().optional(),
  scheduledSlot: z.string().optional(),
  totals: JobTotals.optional(),
  warnings: Warnings.optional(),
  /** Counts of a retention or a scrub, by name, for display. */
  counts: z.record(z.string(), z.number()).optional(),
  failure: JobFailure.optional(),
  /** How often the watchdog has restarted its orchestration; absent: never. */
  restarts: z.int().positive().optional(),
});

export type Job = Readonly<z.infer<typeof Job>>;

export type JobKind = Job["request"]["kind"];
