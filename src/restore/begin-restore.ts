import { mapBounded } from "../foundation/bounded-pool.ts";
import { VaultError } from "../foundation/errors.ts";
import { type RecordTable, updateRecord } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { Job, RestoreRequest } from "../jobs/job.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { type Pin, pin } from "../jobs/pins.ts";
import { purgePath } from "../vault/names.ts";
import { readSeal } from "../vault/read-manifest.ts";
import type { BegunRestore } from "./activities.ts";
import { checkTargetFree, planRestore } from "./plan-restore.ts";
import type { RestoreTarget, RestoreVault } from "./restore-target.ts";

export interface BeginRestoreDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly pins: RecordTable<Pin>;
  readonly vault: (instanceId: string) => RestoreVault;
  readonly target: (request: RestoreRequest, instanceId: string) => RestoreTarget;
}

/**
 * Decides what a restore writes, pins its recovery point, and claims its target: creates the containers, which must not
 * exist yet.
 *
 * Safe to run twice: a container that this job created is recognised by its metadata and reused; a job that has
 * restored everything claims nothing more.
 *
 * @throws VaultError `recovery-point/not-found`, `restore/target-is-source`, `restore/container-not-in-recovery-point`,
 *   `restore/target-container-exists`; nothing is written to the target then
 */
export async function beginRestoreActivity(deps: BeginRestoreDeps, ref: JobRef): Promise<BegunRestore> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  if (job === undefined) throw new VaultError("job/not-found", `job '${ref.job}' was not found`);
  if (job.status !== "InProgress" || job.request.kind !== "restore") return { begun: false, containers: [] };
  const { request } = job;

  const instance = (await deps.instances.get(job.vault, job.instanceName))?.value;
  const vault = deps.vault(job.instance);
  await pin(deps.pins, job, request.recoveryPoint);
  // Only what is read after the pin counts: a purge looks for pins after it has written its journal.
  if ((await vault.read(purgePath(request.recoveryPoint))) !== undefined) {
    throw new VaultError("recovery-point/not-found", `recovery point '${request.recoveryPoint}' is being purged`);
  }
  const seal = await readSeal(vault, request.recoveryPoint);
  const held = seal.containers.map(({ name }) => name);
  const { containers } = planRestore(request, instance?.datasource.account, held);
  // A job with totals has restored everything, and its containers may no longer have its mark.
  if (job.totals === undefined)
    await claim(deps.target(request, job.instance), request.target.account, containers, job);
  await updateRecord(deps.jobs, ref.vault, ref.job, (row) => ({
    ...row,
    containers: [...containers],
    recoveryPoint: { id: seal.recoveryPoint, sequence: seal.sequence, time: seal.time },
  }));
  return { begun: true, containers };
}

/** Containers that are checked, or created, at once: there may be ten thousand. */
const CLAIMING_WIDTH = 16;

async function claim(target: RestoreTarget, account: string, containers: readonly string[], job: Job): Promise<void> {
  // All are checked before the first is created, so that a refusal leaves the target as it was. A job whose row lists
  // its containers has claimed them before.
  if (job.containers === undefined) {
    const owners = await mapBounded(containers, CLAIMING_WIDTH, (name) => target.look(name, job.id));
    checkTargetFree(
      account,
      containers.filter((_, i) => owners[i] === "foreign"),
    );
  }
  await mapBounded(containers, CLAIMING_WIDTH, async (name) => {
    if ((await target.createContainer(name, job.id)) === "foreign") checkTargetFree(account, [name]);
  });
}
