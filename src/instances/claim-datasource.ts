/**
 * @module One backup instance of a vault at a time protects a datasource: the one that has claimed it. A claim is a row
 *   that only the first request can insert, so of two concurrent PUTs only one gets it. Another vault may protect the
 *   datasource too, as a second copy.
 */

import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";
import type { RecordTable, Stored } from "../foundation/records.ts";
import { FULL_SAFETY } from "../foundation/safety.ts";
import type { BackupInstance } from "./backup-instance.ts";

/** Partition: vault key; row: account and kind. */
export const DatasourceClaim = z.object({
  instanceName: z.string(),
  instance: z.string(),
  /** ISO 8601 UTC. */
  since: z.string(),
  /** Of an instance that is announced: name in lower case, see `announce-instance.ts`. */
  policy: z.string().optional(),
});
export type DatasourceClaim = Readonly<z.infer<typeof DatasourceClaim>>;

export interface ClaimDeps {
  readonly claims: RecordTable<DatasourceClaim>;
  readonly instances: RecordTable<BackupInstance>;
}

/** The instance that claims a datasource; it may have no row yet. */
type Claimant = Pick<BackupInstance, "id" | "name" | "datasource">;

function rowOf({ account, kind }: BackupInstance["datasource"]): string {
  return `${account.toLowerCase()}|${kind}`;
}

/**
 * Refuses a datasource that another instance of the vault protects; writes nothing.
 *
 * @param vault - key of the vault
 * @throws VaultError `instance/already-protected`
 */
export async function checkUnclaimed(deps: ClaimDeps, vault: string, wanted: Claimant, now: Date): Promise<void> {
  const claim = await deps.claims.get(vault, rowOf(wanted.datasource));
  if (claim !== undefined) await refuseWhenHeld(deps, vault, claim.value, wanted, now);
}

/**
 * Claims a datasource for an instance; takes it over from one that is deleted, gone, or protects something else now.
 *
 * Safe to run twice: an instance that has the claim keeps it.
 *
 * @param vault - key of the instance's vault
 * @throws VaultError `instance/already-protected`
 */
export async function claimDatasource(deps: ClaimDeps, vault: string, wanted: Claimant, now: Date): Promise<void> {
  const row = rowOf(wanted.datasource);
  const claim: DatasourceClaim = {
    instanceName: wanted.name.toLowerCase(),
    instance: wanted.id,
    since: now.toISOString(),
  };
  for (;;) {
    const held: Stored<DatasourceClaim> | undefined = await deps.claims.get(vault, row);
    if (held === undefined) {
      if (await deps.claims.insert(vault, row, claim)) return;
      continue;
    }
    if (held.value.instance === wanted.id) return;
    await refuseWhenHeld(deps, vault, held.value, wanted, now);
    try {
      await deps.claims.replace(vault, row, claim, held.etag);
      return;
    } catch (error) {
      if (!(error instanceof VaultError && error.code === "storage/conflict")) throw error;
    }
  }
}

async function refuseWhenHeld(
  { instances }: ClaimDeps,
  vault: string,
  claim: DatasourceClaim,
  { id, datasource }: Claimant,
  now: Date,
): Promise<void> {
  if (claim.instance === id) return;
  const holder = (await instances.get(vault, claim.instanceName))?.value;
  const isHeld =
    holder === undefined
      ? now.getTime() - Date.parse(claim.since) < FULL_SAFETY.claimMs
      : holder.id === claim.instance &&
        holder.protectionState !== "SoftDeleted" &&
        rowOf(holder.datasource) === rowOf(datasource);
  if (!isHeld) return;
  throw new VaultError(
    "instance/already-protected",
    `instance '${holder?.name ?? claim.instanceName}' already protects '${datasource.resourceId}'`,
  );
}
