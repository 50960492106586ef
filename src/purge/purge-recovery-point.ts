import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { FULL_SAFETY } from "../foundation/safety.ts";
import { listJournals } from "../vault/list-journals.ts";
import { listSeals } from "../vault/list-seals.ts";
import { purgePath, sealPath } from "../vault/names.ts";
import type { SweepableVault, VaultFile } from "../vault/vault-files.ts";
import type { PurgePosition } from "./activities.ts";
import { type PlanDeps, type PurgePlan, planPurge, resumePlan } from "./plan-purge.ts";
import { decodeJournal, encodeJournal, journalOf, type PurgeJournal } from "./purge-journal.ts";
import { addCounts, NO_PURGE_COUNTS, type PurgeCounts, RemovalBatches } from "./removal-batches.ts";
import { walkPurge } from "./walk-purge.ts";

/** What a purge needs of the rows of an instance. */
export interface PurgeRows {
  /**
   * Whether attempts at this number may have left debris. Only the point with that number separates debris from needed
   * objects, so the debris is swept before the point is purged.
   */
  hasDebris(sequence: number): Promise<boolean>;
  /** Whether a restore has pinned a recovery point. Never answered from a cache: see {@link purgeRecoveryPoint}. */
  isPinned(recoveryPointId: string): Promise<boolean>;
  /** Deletes the row of a recovery point, if there is one. */
  remove(recoveryPointId: string): Promise<void>;
}

export interface PurgeDeps extends PlanDeps {
  readonly vault: SweepableVault;
  readonly rows: PurgeRows;
  /** Called after each segment and after every 2,048 listed files; absent: there is always time. */
  readonly hasTime?: () => boolean;
}

/** The result of one execution. */
export interface PurgeProgress extends PurgeCounts {
  /**
   * `stopped`: out of time; call it again, from the position if there is one. `put-off`: nothing was changed, because
   * debris must be swept or another purge finished first. `pinned`: nothing was changed, because a restore reads the
   * point.
   */
  readonly state: "done" | "stopped" | "put-off" | "pinned";
  readonly from?: PurgePosition;
}

/**
 * Deletes a recovery point and everything that only it needs: writes the journal, checks for pins, then deletes the
 * seal, per container the objects, the segments and the index, then the markers and the row, and last the journal. An
 * object is deleted when its birth is after the previous sealed point and the next point does not have it. With the
 * last point of an instance, everything that its points and attempts wrote to the vault is deleted.
 *
 * The caller holds the instance's lock, has swept debris, and passes a vault in which only its newest execution can
 * delete, so that no two overlap.
 *
 * Pins need no lock, because each side writes first and reads then: a restore writes its pin, and reads the point only
 * if there is then no journal and the seal exists; a purge writes its journal, and deletes the seal only if there is
 * then no pin. So at least one of the two sees the other. A purge that sees a pin withdraws its journal; a second
 * execution that had checked before the pin was written would continue without a journal, so none may overlap. A
 * restore that sees a journal fails and deletes its pin. Once the seal is gone no restore starts to read the point, and
 * pins are not checked any more.
 *
 * Safe to run twice, and to continue after a crash at any moment: the neighbours cannot change meanwhile, files that
 * are gone are skipped, and a container's index is deleted after all that it names. A point without seal and journal is
 * purged.
 *
 * A delete request may take effect late, when a new point has the same number and even the same object names. So seal
 * and journal are deleted only under the listed ETag, and files that the manifests name only if they were written
 * before the journal: that is true of all files of the purged point, and of none of a later one.
 *
 * Memory: a container's index and those of its neighbours, and four segments.
 *
 * @param from - position that the previous execution returned
 * @throws VaultError `format/corrupt`, `format/missing`, `format/newer-version` when a manifest of the point or of its
 *   neighbours cannot be read. All are read before the first change, so later only if the vault was damaged since
 */
export async function purgeRecoveryPoint(
  deps: PurgeDeps,
  recoveryPointId: string,
  from?: PurgePosition,
): Promise<PurgeProgress> {
  const journal = await readJournal(deps.vault, recoveryPointId);
  const sealed = await listSeals(deps.vault);
  if (journal !== undefined) return carryOut(deps, resumePlan(journal, sealed), from);

  const point = sealed.find(({ id }) => id === recoveryPointId);
  if (point === undefined) {
    await deps.rows.remove(recoveryPointId);
    return { state: "done", ...NO_PURGE_COUNTS };
  }
  const plan = await planPurge(deps, recoveryPointId, sealed);
  const mustWait =
    (await listJournals(deps.vault)).length > 0 || (!plan.isLast && (await deps.rows.hasDebris(point.sequence)));
  if (mustWait) return { state: "put-off", ...NO_PURGE_COUNTS };
  await deps.vault.create(purgePath(plan.recoveryPoint), encodeJournal(journalOf(plan, plan.isLast)), JSON_FILE);
  return carryOut(deps, plan, from);
}

/**
 * Finishes unfinished purges. Runs before any other writing job of the instance, under its lock. While the seal of a
 * point exists, none of its files are deleted and the purge is withdrawn: by now the policy may keep the point for
 * longer, protection may be stopped, or a restore may read it. The next retention decides again.
 *
 * Safe to run twice, like {@link purgeRecoveryPoint}.
 *
 * @param from - position that the previous execution returned
 * @throws VaultError like {@link purgeRecoveryPoint}; then no other writing job may start
 */
export async function resumePurges(deps: PurgeDeps, from?: PurgePosition): Promise<PurgeProgress> {
  let counts = NO_PURGE_COUNTS;
  for (const { recoveryPoint, file } of await listJournals(deps.vault)) {
    if (recoveryPoint === undefined) continue;
    if ((await deps.vault.read(sealPath(recoveryPoint))) !== undefined) {
      await removeAsSeen(deps.vault, file);
      continue;
    }
    const progress = await purgeRecoveryPoint(
      deps,
      recoveryPoint,
      from?.recoveryPoint === recoveryPoint ? from : undefined,
    );
    counts = addCounts(counts, progress);
    if (progress.state !== "done" && progress.state !== "pinned") return { ...progress, ...counts };
  }
  return { state: "done", ...counts };
}

async function fileAt(vault: Pick<SweepableVault, "list">, path: string): Promise<VaultFile | undefined> {
  for await (const file of vault.list(path)) return file.path === path ? file : undefined;
  return undefined;
}

/** @throws VaultError `storage/conflict` (retryable) when the file was written again meanwhile */
async function removeAsSeen(vault: SweepableVault, { path, etag }: VaultFile): Promise<void> {
  const changed = await vault.remove([{ path, etag }]);
  if (changed.length > 0) throw new VaultError("storage/conflict", `another process changed '${path}'`);
}

async function readJournal(vault: SweepableVault, recoveryPointId: string): Promise<PurgeJournal | undefined> {
  const path = purgePath(recoveryPointId);
  const content = await vault.read(path);
  return content === undefined ? undefined : decodeJournal(path, content);
}

const JSON_FILE = { contentType: "application/json" };

/** Deletes the seal, then the files that the walk of the plan yields, and last the journal. */
async function carryOut(deps: PurgeDeps, plan: PurgePlan, from: PurgePosition | undefined): Promise<PurgeProgress> {
  const { vault, rows, hasTime = () => true } = deps;
  const { recoveryPoint: id } = plan;
  const journal = await fileAt(vault, purgePath(id));
  if (journal === undefined) {
    throw new VaultError("storage/conflict", `another execution has finished the purge of '${id}'`);
  }
  if (await isWithdrawn(deps, id, journal)) return { state: "pinned", ...NO_PURGE_COUNTS };
  const seal = await fileAt(vault, sealPath(id));
  if (seal !== undefined) await removeAsSeen(vault, seal);

  const writtenUntil = new Date(journal.writtenAt.getTime() + FULL_SAFETY.timeGrainMs);
  const removals = new RemovalBatches((files) => vault.remove(files), writtenUntil);
  const stopped = await removals.follow(walkPurge(deps, plan, from), hasTime);
  if (stopped !== undefined) return { state: "stopped", ...removals.counts, ...present({ from: stopped.from }) };
  await rows.remove(id);
  await removeAsSeen(vault, journal);
  return { state: "done", ...removals.counts };
}

/** Withdraws the journal while the point is still sealed and a restore reads it. @returns whether it did */
async function isWithdrawn({ vault, rows }: PurgeDeps, id: string, journal: VaultFile): Promise<boolean> {
  const isSealed = (await vault.read(sealPath(id))) !== undefined;
  if (!isSealed || !(await rows.isPinned(id))) return false;
  await removeAsSeen(vault, journal);
  return true;
}
