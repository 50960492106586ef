import { type Attempt, attemptRow } from "../debris/attempts.ts";
import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import { deriveId } from "../foundation/ids.ts";
import { present } from "../foundation/present.ts";
import { type RecordTable, updateRecord } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { checkKind } from "../instances/datasource-kind.ts";
import type { BackupRequest, Job } from "../jobs/job.ts";
import { holdLock, type InstanceLock } from "../jobs/job-lock.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { type WorkRecord, workRows } from "../jobs/work.ts";
import { decideTag } from "../policies/decide-tag.ts";
import type { PolicyRecord } from "../policies/policy-record.ts";
import { expiryOf, type TaggingCriterion } from "../policies/retention-rules.ts";
import type { ContainerChoice } from "../vault/instance-document.ts";
import { listSeals } from "../vault/list-seals.ts";
import { readSeal } from "../vault/read-manifest.ts";
import { joinWarnings, type Warning } from "../vault/seal.ts";
import type { VaultFiles } from "../vault/vault-files.ts";
import type { BegunBackup } from "./activities.ts";
import type { ContainerProperties, Datasource } from "./datasource.ts";

/** Rows written at once. */
const NOTING_WIDTH = 16;

export interface BeginBackupDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly policies: RecordTable<PolicyRecord>;
  readonly locks: RecordTable<InstanceLock>;
  readonly attempts: RecordTable<Attempt>;
  readonly work: RecordTable<WorkRecord>;
  readonly datasource: (instance: BackupInstance) => Datasource;
  readonly vault: (instanceId: string) => VaultFiles;
  readonly clock: Clock;
}

/**
 * Takes the instance's lock and settles what the job is about: the recovery point and its sequence number, the
 * containers, the tag, and the newest sealed point to compare with.
 *
 * Safe to run twice: the lock is taken again by the same job, and what was settled stays.
 *
 * @throws VaultError `instance/busy`, `instance/not-found`, `instance/not-protected`, `datasource/container-not-found`
 *   when none of the chosen containers exists, `datasource/kind-mismatch`, and what reading the datasource and the vault throws
 */
export async function beginBackupActivity(deps: BeginBackupDeps, ref: JobRef): Promise<BegunBackup> {
  const stored = await deps.jobs.get(ref.vault, ref.job);
  if (stored === undefined) throw new VaultError("job/not-found", `there is no job '${ref.job}'`);
  const job = stored.value;
  if (job.status !== "InProgress" || job.request.kind !== "backup") return { begun: false, containers: [] };

  const instance = (await deps.instances.get(job.vault, job.instanceName))?.value;
  if (instance === undefined) {
    throw new VaultError("instance/not-found", `there is no backup instance '${job.instanceName}'`);
  }
  if (instance.protectionState !== "ProtectionConfigured") {
    throw new VaultError("instance/not-protected", `'${instance.name}' is in state '${instance.protectionState}'`);
  }
  await holdLock(deps, job, deps.clock());
  if (job.containers !== undefined) return { begun: true, containers: job.containers };

  const datasource = deps.datasource(instance);
  const { containers, missing } = await resolveContainers(datasource, instance.containers);
  checkKind(instance.datasource, await datasource.actualKind());
  const untold = await noteProperties(deps, job.id, containers, await datasource.describeContainers());
  const vault = deps.vault(instance.id);
  const newest = (await listSeals(vault)).toSorted((a, b) => b.sequence - a.sequence)[0];
  const point = { id: deriveId("recovery-point", instance.id, job.id), sequence: (newest?.sequence ?? 0) + 1 };
  const attempt: Attempt = { job: job.id, recoveryPoint: point.id, sequence: point.sequence, containers };
  await deps.attempts.put(instance.id, attemptRow(attempt), attempt);
  const policy = (await deps.policies.get(job.vault, instance.policyName.toLowerCase()))?.value;
  const earlierSlot = newest === undefined ? undefined : (await readSeal(vault, newest.id)).scheduledSlot;
  const time = deps.clock();
  const settle = (row: Job): Job => ({
    ...row,
    recoveryPoint: { ...point, time: time.toISOString() },
    containers,
    ...retentionOf(job, policy, earlierSlot, time),
    warnings: joinWarnings([{ count: missing.length + untold.length, first: [...missing, ...untold] }]),
    ...present({ previous: newest?.id }),
  });
  const settled = await updateRecord(deps.jobs, ref.vault, ref.job, settle, stored);
  return { begun: true, containers: settled?.containers ?? containers };
}

/**
 * Notes what the containers have beside their blobs, for the seal. Safe to run twice: the first note stays.
 *
 * @returns a warning for each container of whose metadata the service does not tell all
 */
async function noteProperties(
  { work }: Pick<BeginBackupDeps, "work">,
  jobId: string,
  containers: readonly string[],
  described: readonly ContainerProperties[],
): Promise<Warning[]> {
  const wanted = new Set(containers);
  const ours = described.filter(({ container }) => wanted.has(container));
  await mapBounded(ours, NOTING_WIDTH, ({ untoldMetadata: _, ...properties }) =>
    work.insert(jobId, workRows.properties(properties.container), { kind: "properties", ...properties }),
  );
  return ours.flatMap(({ container, untoldMetadata = [] }) =>
    untoldMetadata.length === 0
      ? []
      : {
          ...{ container, name: "", code: "metadata-not-told" },
          message: `the service does not tell the container's metadata '${untoldMetadata.join("', '")}'`,
        },
  );
}

function taggingOf(policy: PolicyRecord | undefined): readonly TaggingCriterion[] {
  const { backupRule, defaultTag } = policy ?? {};
  if (backupRule !== undefined) return backupRule.tagging;
  return defaultTag === undefined ? [] : [{ tag: defaultTag, priority: 0, isDefault: true, criteria: [] }];
}

/** Settles under which rule the point comes, and until when that rule keeps it at the least. */
function retentionOf(
  job: Job,
  policy: PolicyRecord | undefined,
  earlierSlot: string | undefined,
  time: Date,
): Pick<Job, "tag" | "promisedUntil" | "scheduledSlot"> {
  const { slot, tag: asked } = job.request as BackupRequest;
  const isScheduled = job.requestedBy === "schedule";
  const { tag } = decideTag(taggingOf(policy), {
    slot: new Date(slot),
    zone: policy?.backupRule?.intervals[0]?.zone ?? "UTC",
    earlierSlot: earlierSlot === undefined ? undefined : new Date(earlierSlot),
    onDemand: isScheduled ? undefined : { tag: asked },
  });
  const rule = policy?.retentionRules.find(({ name }) => name === tag);
  const promisedUntil = rule && expiryOf(time, rule.keep);
  const scheduledSlot = isScheduled ? slot : earlierSlot;
  return {
    tag,
    ...present({ promisedUntil: promisedUntil?.toISOString() }),
    ...present({ scheduledSlot }),
  };
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
