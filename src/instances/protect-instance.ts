import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { listRecords, type RecordTable, writeAhead } from "../foundation/records.ts";
import { datasourceType, type PolicyRecord } from "../policies/policy-record.ts";
import { type AnnounceDeps, whileKept } from "./announce-instance.ts";
import type { BackupInstance } from "./backup-instance.ts";
import { type ClaimDeps, checkUnclaimed, claimDatasource } from "./claim-datasource.ts";
import { checkKind } from "./datasource-kind.ts";
import type { ProtectionFiles } from "./protection-files.ts";
import type { WantedInstance } from "./read-instance.ts";
import { ALL_SCHEDULES, type Schedule, scheduleRow } from "./schedules.ts";
import type { StorageAccounts } from "./storage-accounts.ts";
import { vaultKey } from "./vault-record.ts";

export interface CheckInstanceDeps extends ClaimDeps {
  readonly instances: RecordTable<BackupInstance>;
  readonly policies: RecordTable<PolicyRecord>;
  readonly accounts: StorageAccounts;
  readonly clock: Clock;
}

export interface ProtectInstanceDeps extends CheckInstanceDeps, AnnounceDeps {
  readonly schedules: RecordTable<Schedule>;
  readonly files: ProtectionFiles;
}

/** Containers that are checked at once. */
const CHECKING_WIDTH = 8;

/**
 * Checks that a backup instance can be protected; writes nothing.
 *
 * @throws VaultError `policy/not-found`, `instance/invalid`, `instance/deleted`, `instance/already-protected`,
 *   `datasource/account-unknown`, `datasource/container-not-found`, `datasource/forbidden`, `datasource/kind-mismatch`
 */
export async function checkInstance(deps: CheckInstanceDeps, wanted: WantedInstance): Promise<void> {
  const vault = vaultKey(wanted.vaultArmId);
  const policy = (await deps.policies.get(vault, wanted.policyName.toLowerCase()))?.value;
  if (policy === undefined) {
    throw new VaultError("policy/not-found", `policy '${wanted.policyName}' was not found in the vault`);
  }
  const { kind, account, resourceId } = wanted.datasource;
  if (!policy.datasourceTypes.includes(datasourceType(kind))) {
    throw new VaultError("instance/invalid", `policy '${policy.name}' is not for datasources of kind '${kind}'`);
  }

  for await (const { value: other } of listRecords(deps.instances, vault)) {
    const sameDatasource = other.datasource.account === account && other.datasource.kind === kind;
    if (other.id === wanted.id && !sameDatasource) {
      throw new VaultError("instance/invalid", `instance '${other.name}' protects '${other.datasource.account}'`, {
        hint: "the datasource of an instance never changes; protect another one under another name",
      });
    }
    if (other.id === wanted.id) refuseDeleted(other);
    if (other.id !== wanted.id && sameDatasource && other.protectionState !== "SoftDeleted") {
      throw new VaultError("instance/already-protected", `instance '${other.name}' already protects '${resourceId}'`);
    }
  }
  await checkUnclaimed(deps, vault, wanted, deps.clock());
  await checkContainers(deps.accounts, wanted);
  checkKind(wanted.datasource, await deps.accounts.kindOf(account));
}

function refuseDeleted({ name, protectionState, deletion }: BackupInstance): void {
  if (protectionState !== "SoftDeleted") return;
  throw new VaultError("instance/deleted", `instance '${name}' was deleted and is kept until ${deletion?.purgeAt}`, {
    hint: "undelete it and resume its protection, or use another name",
  });
}

async function checkContainers(accounts: StorageAccounts, { datasource, containers }: WantedInstance): Promise<void> {
  if (containers.kind === "all") {
    await accounts.listContainers(datasource.account);
    return;
  }
  const found = await mapBounded(containers.names, CHECKING_WIDTH, (name) =>
    accounts.containerExists(datasource.account, name),
  );
  const missing = containers.names.filter((_, at) => found[at] !== true);
  if (missing.length > 0) {
    throw new VaultError(
      "datasource/container-not-found",
      `account '${datasource.account}' has no container '${missing.join("', '")}'`,
    );
  }
}

/**
 * Protects a datasource, or changes how it is protected, after {@link checkInstance}.
 *
 * Policy and vault cannot be deleted meanwhile. The claim of the datasource is written first and the instance's row
 * last, so after a crash every protected instance has a schedule and its document in the vault account.
 *
 * Safe to run twice: every write ends in the same state.
 *
 * @throws VaultError like {@link checkInstance} and {@link whileKept}
 */
export async function protectInstance(
  deps: ProtectInstanceDeps,
  wanted: WantedInstance,
): Promise<{ readonly instance: BackupInstance; readonly created: boolean }> {
  await checkInstance(deps, wanted);
  return await whileKept(deps, wanted, deps.clock(), () => writeInstance(deps, wanted));
}

async function writeInstance(
  deps: ProtectInstanceDeps,
  wanted: WantedInstance,
): Promise<{ readonly instance: BackupInstance; readonly created: boolean }> {
  const vault = vaultKey(wanted.vaultArmId);
  await claimDatasource(deps, vault, wanted, deps.clock());
  const row = wanted.name.toLowerCase();
  const now = deps.clock().toISOString();
  const decide = (before: BackupInstance | undefined): BackupInstance => {
    if (before === undefined) return { ...wanted, protectionState: "ProtectionConfigured", createdAt: now };
    refuseDeleted(before);
    const samePolicy = before.policyName.toLowerCase() === wanted.policyName.toLowerCase();
    const slotsAfter = samePolicy ? before.slotsAfter : now;
    return {
      ...wanted,
      name: before.name,
      armId: before.armId,
      protectionState: before.protectionState,
      createdAt: before.createdAt,
      ...present({ slotsAfter }),
    };
  };
  const ahead = async (instance: BackupInstance, before: BackupInstance | undefined): Promise<void> => {
    await deps.files.ensure(instance);
    const schedule: Schedule = { vault, instanceName: row };
    // A new instance overwrites the schedule that a removed one of the same name left.
    if (before !== undefined) await deps.schedules.insert(ALL_SCHEDULES, scheduleRow(vault, row), schedule);
    else await deps.schedules.put(ALL_SCHEDULES, scheduleRow(vault, row), schedule);
  };
  const { value: instance, created } = await writeAhead(deps.instances, vault, row, decide, ahead);
  return { instance, created };
}
