import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import { deriveId } from "../foundation/ids.ts";
import { type RecordTable, updateRecord } from "../foundation/records.ts";
import type { BackupInstance, ContainerChoice } from "../instances/contract.ts";
import type { BackupRequest, Job, JobRef } from "../jobs/contract.ts";
import { type InstanceLock, takeLock } from "../jobs/job-lock.ts";
import type { PolicyRecord } from "../policies/contract.ts";
import type { VaultFiles } from "../vault/contract.ts";
import { listSeals } from "../vault/list-seals.ts";
import { NO_WARNINGS, type Warning } from "../vault/seal.ts";
import { type Attempt, attemptRow } from "./attempts.ts";
import type { BegunBackup, Datasource } from "./contract.ts";

export interface BeginBackupDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly policies: RecordTable<PolicyRecord>;
  readonly locks: RecordTable<InstanceLock>;
  readonly attempts: RecordTable<Attempt>;
  readonly datasource: (instance: BackupInstance) => Datasource;
  readonly vault: (instanceId: string) => VaultFiles;
  readonly clock: Clock;
}

/** The tag of Azure's default tagging criterion. */
const DEFAULT_TAG = "Default";

/**
 * Takes the instance's lock and settles what the job is about: the recovery point and its sequence number, the
 * containers, the tag, and the newest sealed point to compare with.
 *
 * Safe to run twice: the lock is taken again by the same job, and what was settled stays.
 *
 * @throws VaultError `instance/busy`, `instance/not-found`, `instance/not-protected`, `datasource/container-not-found`
 *   when none of the chosen containers exists, and what reading the datasource and the vault throws
 */
export async function beginBackupActivity(deps: BeginBackupDeps, ref: JobRef): Promise<BegunBackup> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  if (job === undefined) throw new VaultError("job/not-found", `there is no job '${ref.job}'`);
  if (job.status !== "InProgress" || job.request.kind !== "backup") return { begun: false, containers: [] };

  const instance = (await deps.instances.get(job.vault, job.instanceName))?.value;
  if (instance === undefined) {
    throw new VaultError("instance/not-found", `there is no backup instance '${job.instanceName}'`);
  }
  if (instance.protectionState === "ProtectionStopped") {
    throw new VaultError("instance/not-protected", `protection of '${instance.name}' is stopped`);
  }
  const holder = await takeLock(deps, job, deps.clock());
  if (holder !== job.id) {
    throw new VaultError("instance/busy", `job '${holder}' is working on backup instance '${instance.name}'`, {
      hint: "wait until that job has ended, then start the backup again",
    });
  }
  if (job.containers !== undefined) return { begun: true, containers: job.containers };

  const { containers, missing } = await resolveContainers(deps.datasource(instance), instance.containers);
  const seals = await listSeals(deps.vault(instance.id));
  const newest = seals.toSorted((a, b) => b.sequence - a.sequence)[0];
  const point = { id: deriveId("recovery-point", instance.id, job.id), sequence: (newest?.sequence ?? 0) + 1 };
  const attempt: Attempt = { job: job.id, recoveryPoint: point.id, sequence: point.sequence, containers };
  await deps.attempts.put(instance.id, attemptRow(attempt), attempt);
  const policy = (await deps.policies.get(job.vault, instance.policyName.toLowerCase()))?.value;
  const settled = await updateRecord(deps.jobs, ref.vault, ref.job, (row) => ({
    ...row,
    recoveryPoint: { ...point, time: deps.clock().toISOString() },
    containers,
    tag: tagOf(job.request as BackupRequest, policy),
    warnings: missing.length === 0 ? NO_WARNINGS : { count: missing.length, first: missing },
    ...(newest === undefined ? {} : { previous: newest.id }),
  }));
  return { begun: true, containers: settled?.containers ?? containers };
}

function tagOf(request: BackupRequest, policy: PolicyRecord | undefined): string {
  return request.tag ?? policy?.backupRule?.defaultTag ?? DEFAULT_TAG;
}

/** A chosen container that is gone is told, and keeps nobody from protecting the others. */
async function resolveContainers(
  datasource: Datasource,
  choice: ContainerChoice,
): Promise<{ readonly containers: string[]; readonly missing: Warning[] }> {
  const existing = await datasource.listContainers();
  if (choice.kind === "all") {
    const excluded = (name: string): boolean => choice.excludedPrefixes.some((prefix) => name.startsWith(prefix));
    return { containers: existing.filter((name) => !excluded(name)), missing: [] };
  }
  const there = new Set(existing);
  const containers = choice.names.filter((name) => there.has(name));
  if (containers.length === 0) {
    throw new VaultError("datasource/container-not-found", "none of the chosen containers exists any more", {
      hint: "choose containers that exist, or delete the backup instance",
    });
  }
  const missing = choice.names
    .filter((name) => !there.has(name))
    .map((container) => ({ container, name: "", code: "container-missing", message: "the container does not exist" }));
  return { containers, missing };
}
