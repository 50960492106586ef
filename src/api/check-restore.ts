import { mapBounded } from "../foundation/bounded-pool.ts";
import { VaultError } from "../foundation/errors.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import type { StorageAccounts } from "../instances/storage-accounts.ts";
import type { RestoreRequest } from "../jobs/job.ts";
import { checkTargetFree, planRestore } from "../restore/plan-restore.ts";

/** Max concurrent checks of containers. */
const LOOKING_WIDTH = 8;

/**
 * Checks a requested restore against its recovery point and its target, by the plan that the restore itself goes by; writes
 * nothing.
 *
 * @throws VaultError `recovery-point/not-found`, `restore/container-not-in-recovery-point`,
 *   `restore/target-account-unknown`, `restore/target-container-exists`, `datasource/forbidden`
 */
export async function checkRestoreRequest(
  deps: { readonly recoveryPoints: RecordTable<RecoveryPoint>; readonly accounts: StorageAccounts },
  instance: BackupInstance,
  request: RestoreRequest,
): Promise<void> {
  const point = await findRecoveryPoint(deps.recoveryPoints, instance, request.recoveryPoint);
  const plan = planRestore(request, instance.datasource.account, point.containers);
  const { account } = request.target;
  const found = await mapBounded(plan.containers, LOOKING_WIDTH, (name) => targetHas(deps.accounts, account, name));
  checkTargetFree(
    account,
    plan.containers.filter((_, at) => found[at] === true),
  );
}

/** @throws VaultError `recovery-point/not-found` */
export async function findRecoveryPoint(
  recoveryPoints: RecordTable<RecoveryPoint>,
  instance: BackupInstance,
  id: string,
): Promise<RecoveryPoint> {
  // Ids come from bodies too; an invalid id is not looked up.
  const stored = /^[0-9a-f-]{1,36}$/i.test(id)
    ? await recoveryPoints.get(instance.id, id.toLowerCase().replaceAll("-", ""))
    : undefined;
  if (stored === undefined) {
    throw new VaultError("recovery-point/not-found", `recovery point '${id}' of '${instance.name}' was not found`);
  }
  return stored.value;
}

async function targetHas(accounts: StorageAccounts, account: string, container: string): Promise<boolean> {
  try {
    return await accounts.containerExists(account, container);
  } catch (error) {
    if (!(error instanceof VaultError && error.code === "datasource/account-unknown")) throw error;
    throw new VaultError("restore/target-account-unknown", `the target storage account '${account}' was not found`, {
      cause: error,
    });
  }
}
