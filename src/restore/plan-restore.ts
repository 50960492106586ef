import { VaultError } from "../foundation/errors.ts";
import type { RestoreRequest } from "../jobs/job.ts";

/** What a restore writes. The check of a request and the restore itself use the same plan. */
export interface RestorePlan {
  /** Containers that it creates in the target account, with all their content of the recovery point. */
  readonly containers: readonly string[];
}

/**
 * Decides what a restore writes, before any request to the target.
 *
 * @param sourceAccount - the account that is backed up; undefined when its instance is gone
 * @param held - containers of the recovery point
 * @throws VaultError `restore/target-is-source`, `restore/container-not-in-recovery-point`
 */
export function planRestore(
  { recoveryPoint, containers, target }: RestoreRequest,
  sourceAccount: string | undefined,
  held: readonly string[],
): RestorePlan {
  if (sourceAccount?.toLowerCase() === target.account.toLowerCase()) {
    throw new VaultError("restore/target-is-source", `'${target.account}' is the account that is backed up`, {
      hint: "restore to another storage account",
    });
  }
  const known = new Set(held);
  const unknown = (containers ?? []).filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new VaultError(
      "restore/container-not-in-recovery-point",
      `recovery point '${recoveryPoint}' does not contain ${quotedList(unknown)}`,
    );
  }
  return { containers: containers ?? held };
}

/**
 * Refuses a restore if containers of the plan exist in the target.
 *
 * @param existing - containers that exist and were not created by this restore
 * @throws VaultError `restore/target-container-exists`
 */
export function checkTargetFree(account: string, existing: readonly string[]): void {
  if (existing.length === 0) return;
  throw new VaultError("restore/target-container-exists", `account '${account}' already has ${quotedList(existing)}`, {
    hint: "delete these containers, or restore to another account",
  });
}

function quotedList(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(", ");
}
