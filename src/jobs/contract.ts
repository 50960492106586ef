/**
 * @module
 * Jobs as the other capabilities see them. A job's row is written when it is requested, so that it can be looked up
 * at once; its orchestration does the work and ends it.
 */
import { z } from "zod";
import { FAILURES, type FailureCode } from "../foundation/errors.ts";
import { Warnings } from "../vault/seal.ts";

export const Failure = z.object({
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

/** Whether a job has not ended; one that is being cancelled has not. */
export function isOpen({ status }: { readonly status: JobStatus }): boolean {
  return status === "InProgress" || status === "Cancelling";
}

/** What a backup is asked for. */
export const BackupRequest = z.object({
  kind: z.literal("backup"),
  /** The scheduled moment, or the moment of the request; ISO 8601 UTC. */
  slot: z.string(),
  /** The rule of the policy that runs. */
  rule: z.string(),
  /** Overrides what the policy's tagging says. */
  tag: z.string().optional(),
});
export type BackupRequest = Readonly<z.infer<typeof BackupRequest>>;

/** What a restore is asked for. */
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

/** Purges what has expired of an instance. */
export const RetentionRequest = z.object({ kind: z.literal("retention") });

/** Compares what the vault account holds of an instance with what its manifests name. */
export const ScrubRequest = z.object({ kind: z.literal("scrub") });

/** What a job did, or has done so far. All counts are of blobs, all sizes are bytes. */
export const JobTotals = z.object({
  /** Entries of the source listing, or of the manifest for a restore. */
  listed: z.int().nonnegative(),
  /** Objects that were copied, and their bytes. */
  copied: z.int().nonnegative(),
  copiedBytes: z.int().nonnegative(),
  /** Already in the vault (or the target) as they should be. */
  unchanged: z.int().nonnegative(),
  /** In the previous recovery point, not at the source any more. */
  removed: z.int().nonnegative(),
  /** Changed or removed at the source between its listing and its copy. */
  changedDuringCopy: z.int().nonnegative(),
  /** Could not be taken, or given back: see the warnings. */
  warned: z.int().nonnegative(),
  /** What the recovery point holds, or the restore has written. */
  entries: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
});
export type JobTotals = Readonly<z.infer<typeof JobTotals>>;

export const NO_TOTALS: JobTotals = {
  listed: 0,
  copied: 0,
  copiedBytes: 0,
  unchanged: 0,
  removed: 0,
  changedDuringCopy: 0,
  warned: 0,
  entries: 0,
  bytes: 0,
};

export function addTotals(a: JobTotals, b: JobTotals): JobTotals {
  return {
    listed: a.listed + b.listed,
    copied: a.copied + b.copied,
    copiedBytes: a.copiedBytes + b.copiedBytes,
    unchanged: a.unchanged + b.unchanged,
    removed: a.removed + b.removed,
    changedDuringCopy: a.changedDuringCopy + b.changedDuringCopy,
    warned: a.warned + b.warned,
    entries: a.entries + b.entries,
    bytes: a.bytes + b.bytes,
  };
}

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
  /** The recovery point that is being made or read, once the job has begun. */
  recoveryPoint: z
    .object({
      id: z.string(),
      sequence: z.int().positive(),
      /** Up to when the point is complete; set when the markers are about to be written. ISO 8601 UTC. */
      time: z.string().optional(),
    })
    .optional(),
  /** The containers that the job works on, once it has begun. */
  containers: z.array(z.string()).optional(),
  /** The newest sealed point when a backup began; what its listing is compared with. */
  previous: z.string().optional(),
  tag: z.string().optional(),
  /** Of the recovery point that is being made, for its seal. ISO 8601 UTC. */
  promisedUntil: z.string().optional(),
  scheduledSlot: z.string().optional(),
  totals: JobTotals.optional(),
  warnings: Warnings.optional(),
  /** Counts of a retention or a scrub, by name, for the eye. */
  counts: z.record(z.string(), z.number()).optional(),
  failure: Failure.optional(),
  /** How often the watchdog has begun its orchestration anew; absent: never. */
  restarts: z.int().positive().optional(),
});
export type Job = Readonly<z.infer<typeof Job>>;

export type JobKind = Job["request"]["kind"];

/** A place in the listing of a container: at the name, or just after it. */
export const Position = z.object({ name: z.string(), after: z.boolean() });
export type Position = Readonly<z.infer<typeof Position>>;

/** Where every listing begins. */
export const START: Position = { name: "", after: false };

/** Names a job in messages, activities and events: ids only. */
export const JobRef = z.object({ vault: z.string(), job: z.string() });
export type JobRef = Readonly<z.infer<typeof JobRef>>;

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
