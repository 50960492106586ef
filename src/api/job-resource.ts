import type { Failure } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { parseStorageAccountId } from "../instances/storage-account-id.ts";
import type { VaultRecord } from "../instances/vault-record.ts";
import { isOpen, type Job, type JobKind } from "../jobs/job.ts";
import type { JobTotals } from "../jobs/job-totals.ts";
import { type Advance, MAX_LISTED_CONTAINERS, type Progress } from "../jobs/progress.ts";
import type { PressureRecord } from "../jobs/work.ts";
import { datasourceType } from "../policies/policy-record.ts";
import { NO_WARNINGS } from "../vault/seal.ts";
import { PROVIDER, vaultPathOf } from "./arm-ids.ts";
import { userFacingError } from "./error-body.ts";

/** ARM id of a job. */
export function jobArmId(vaultArmId: string, jobId: string): string {
  return `${vaultArmId}/backupJobs/${jobId}`;
}

/** Display names of each kind of job. Azure has these categories, and `Tiering`. */
const TOLD_AS: Readonly<
  Record<JobKind, { readonly operation: string; readonly category: string; readonly task: string }>
> = {
  backup: { operation: "Backup", category: "Backup", task: "Copy to the vault" },
  restore: { operation: "Restore", category: "Restore", task: "Copy to the target" },
  retention: { operation: "Retention", category: "Management", task: "Purge expired recovery points" },
  scrub: { operation: "Scrub", category: "Management", task: "Compare the vault with its manifests" },
};

/** Input for the resource of a job. */
export interface JobView {
  readonly vault: VaultRecord;
  /** Absent: it was deleted since. */
  readonly instance: BackupInstance | undefined;
  readonly job: Job;
  /** For an unfinished job, the current time. */
  readonly now: Date;
}

/**
 * A job as ARM's `AzureBackupJobResource`.
 *
 * @param progress - adds the details of the job; lists omit them
 */
export function jobResource(told: JobView, progress?: Progress): object {
  const { vault, instance, job } = told;
  const source = instance === undefined ? undefined : parseStorageAccountId(instance.datasource.resourceId);
  const { operation, category } = TOLD_AS[job.request.kind];
  return {
    id: jobArmId(vault.armId, job.id),
    name: job.id,
    type: `${PROVIDER}/backupVaults/backupJobs`,
    properties: {
      activityID: job.id,
      backupInstanceId: `${vault.armId}/backupInstances/${instance?.name ?? job.instanceName}`,
      backupInstanceFriendlyName: instance?.friendlyName ?? job.instanceName,
      dataSourceId: instance?.datasource.resourceId ?? "",
      dataSourceLocation: instance?.datasource.location ?? vault.location,
      dataSourceName: instance?.datasource.account ?? "",
      dataSourceSetName: instance?.datasource.account ?? "",
      dataSourceType: instance === undefined ? "" : datasourceType(instance.datasource.kind),
      sourceResourceGroup: source?.resourceGroup ?? "",
      sourceSubscriptionID: source?.subscription ?? "",
      subscriptionId: vaultPathOf(vault.armId).subscription,
      vaultName: vault.name,
      policyId: `${vault.armId}/backupPolicies/${job.policyName}`,
      policyName: job.policyName,
      operation,
      operationCategory: category,
      ...(job.request.kind === "restore" ? { restoreType: "ALR" } : {}),
      isUserTriggered: job.requestedBy === "user",
      progressEnabled: true,
      supportedActions: job.status === "InProgress" ? ["Cancel"] : [],
      status: job.status,
      startTime: job.startedAt,
      ...present({ endTime: job.endedAt }),
      duration: timeSpan(
        (job.endedAt === undefined ? told.now.getTime() : Date.parse(job.endedAt)) - Date.parse(job.startedAt),
      ),
      ...(job.failure === undefined ? {} : { errorDetails: [userFacingError(jobFailure(job))] }),
      ...(progress === undefined ? {} : { extendedInfo: extendedInfo(told, progress) }),
    },
  };
}

/** Format of .NET time spans, which Azure's jobs use: `[d.]hh:mm:ss.fffffff`. */
export function timeSpan(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  const days = Math.floor(whole / 86_400_000);
  const clock = new Date(whole % 86_400_000).toISOString().slice(11, 23);
  return `${days === 0 ? "" : `${days}.`}${clock}0000`;
}

function extendedInfo({ instance, job }: JobView, progress: Progress): object {
  const { request, recoveryPoint, warnings } = job;
  const { totals, pressure, containers, containerCount } = progress;
  const warned = warningCount(job, totals);
  const point = {
    ...present({ recoveryPointID: recoveryPoint?.id }),
    ...present({ recoveryPointTime: recoveryPoint?.time }),
  };
  return {
    additionalDetails: {
      ...advanceDetails(progress),
      ...(pressure === undefined ? {} : pressureDetails(pressure)),
      ...(request.kind === "backup" ? { policyRuleName: request.rule, slot: request.slot } : {}),
      ...present({ retentionTag: job.tag }),
      ...present({ recoveryPointId: recoveryPoint?.id }),
      ...(job.containers === undefined ? {} : { containers: job.containers.slice(0, MAX_LISTED_CONTAINERS).join(",") }),
      ...(containerCount <= MAX_LISTED_CONTAINERS ? {} : listedOf(containerCount)),
      ...(warned === 0 && warnings === undefined ? {} : { warnings: String(warned) }),
      ...Object.fromEntries(Object.entries(job.counts ?? {}).map(([name, count]) => [name, String(count)])),
    },
    ...present({ backupInstanceState: instance?.protectionState }),
    dataTransferredInBytes: totals.copiedBytes,
    ...(request.kind === "backup" ? { targetRecoverPoint: point } : {}),
    ...(request.kind === "restore"
      ? {
          sourceRecoverPoint: { recoveryPointID: request.recoveryPoint, ...point },
          recoveryDestination: request.target.resourceId,
        }
      : {}),
    subTasks: [
      {
        taskId: 1,
        taskName: TOLD_AS[request.kind].task,
        taskStatus: job.status,
        ...taskProgress(progress),
      },
      ...containers.map((advance, i) => ({
        taskId: i + 2,
        taskName: advance.container,
        taskStatus: containerStatus(job, advance),
        ...taskProgress(advance),
        additionalDetails: advanceDetails(advance),
      })),
    ],
    ...(warnings === undefined
      ? {}
      : {
          warningDetails: warnings.first.map(({ container, name, code, message }) => ({
            resourceName: `${container}/${name}`,
            warning: { code, message, isRetryable: false, isUserError: true },
          })),
        }),
  };
}

/** Counts, rate and time left; ARM has details as text only. */
function advanceDetails({ totals, rate, secondsLeft }: Advance): Record<string, string> {
  return {
    ...Object.fromEntries(Object.entries(totals).map(([name, count]) => [name, String(count)])),
    ...(rate === undefined
      ? {}
      : {
          objectsPerSecond: rate.objectsPerSecond.toFixed(1),
          bytesPerSecond: rate.bytesPerSecond.toFixed(0),
        }),
    ...(secondsLeft === undefined ? {} : { timeLeft: timeSpan(secondsLeft * 1_000) }),
  };
}

/** `containersTold` is the member's name before version 0.2. */
function listedOf(containerCount: number): Record<string, string> {
  const listed = `the first ${MAX_LISTED_CONTAINERS} of ${containerCount}`;
  return { containersListed: listed, containersTold: listed };
}

/** Concurrent copies of a worker, and why they are fewer than the maximum. */
function pressureDetails({ width, widest, halvings, last }: PressureRecord): Record<string, string> {
  return {
    copiesAtOnce: `${width} of ${widest}`,
    throttlings: String(halvings),
    ...(last === undefined ? {} : { throttledBy: `${last.code}: ${last.message}`, throttledAt: last.at }),
  };
}

/** Warnings of a running job have no names yet: those come with the seal. */
function warningCount(job: Job, { warned }: JobTotals): number {
  const { count } = job.warnings ?? NO_WARNINGS;
  return job.totals === undefined ? count + warned : count;
}

function taskProgress({ doneShare }: Advance): { readonly taskProgress?: string } {
  return doneShare === undefined ? {} : { taskProgress: `${Math.floor(doneShare * 100)}%` };
}

function containerStatus(job: Job, { doneShare, totals }: Advance): string {
  if (doneShare === 1) return totals.warned > 0 ? "CompletedWithWarnings" : "Completed";
  return totals.listed === 0 && isOpen(job) ? "NotStarted" : job.status;
}

/** @returns why a job ended without success */
export function jobFailure({ failure, status }: Job): Failure {
  if (failure !== undefined) {
    const { code, message, hint } = failure;
    return { code, message, ...present({ hint }) };
  }
  return status === "Cancelled"
    ? { code: "job/cancelled", message: "the job was cancelled" }
    : { code: "internal/unexpected", message: "the job failed without a reason" };
}
