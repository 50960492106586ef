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
   * Whether attempts at this number may have left debris: only the point of the number can tell such objects from those
   * that are needed, so they are swept before it goes.
   */
  hasDebris(sequence: number): Promise<boolean>;
  /** Whether a restore is reading a recovery point, as its pin says. Never answered from a cache: see {@link purgeRecoveryPoint}. */
  isPinned(recoveryPointId: string): Promise<boolean>;
  /** Removes the row of a recovery point; one that is gone is fine. */
  remove(recoveryPointId: string): Promise<void>;
}

export interface PurgeDeps extends PlanDeps {
  readonly vault: SweepableVault;
  readonly rows: PurgeRows;
  /** Asked after each segment and each thousand or two of listed files; absent: there is always time. */
  readonly hasTime?: () => boolean;
}

/** What one execution came to. */
export interface PurgeProgress extends PurgeCounts {
  /**
   * `stopped`: the time was over, and it is called again, from the position if there is one. `put-off`: nothing was
   * touched, because debris has to be swept or another purge has to be finished first. `pinned`: nothing was touched,
   * because a restore is reading the point.
   */
  readonly state: "done" | "stopped" | "put-off" | "pinned";
  readonly from?: PurgePosition;
}

/**
 * Removes a recovery point and all that only it needs: writes the journal, asks for pins, then removes the seal, container
 * by container the objects, the segments and the index, then the markers and the row, and last the journal. An object goes
 * when it was born after the previous sealed point and the next one does not have it. With the last point of an instance
 * goes all that its points and attempts have put into the vault.
 *
 * The caller holds the instance's lock, gives a vault from which only its newest execution can remove, so that no two
 * overlap, and has swept debris.
 *
 * Pins need no lock, because each side first writes and then looks: a restore writes its pin, and reads the point only
 * when it then finds no journal of it and its seal in place; a purge writes its journal, and removes the seal only when it
 * then finds no pin. So at least one of the two sees the other. A purge that sees a pin takes its journal back; were there
 * a second execution that had asked before the pin was there, it would go on without one, so none may overlap. A restore
 * that sees a journal gives up and removes its pin. Once the seal is gone nobody begins to read the point, and pins are not
 * asked for any more.
 *
 * Safe to run twice, and to go on after a death at any moment: the neighbours cannot change meanwhile, what is gone is
 * passed over, and a container's index goes after all that it names. A point that is neither sealed nor in a journal is
 * gone.
 *
 * A removal may be carried out long after it was asked for, when the number and even the objects' names are those of a new
 * point. So seal and journal go only as they were listed, and what the manifests name only when it was written before the
 * journal: all of the purged point was, and nothing of a later one.
 *
 * Memory: a container's index and those of its neighbours, and four segments.
 *
 * @param from - as the execution before has told
 * @throws VaultError `format/corrupt`, `format/missing`, `format/newer-version` when the manifests of the point or of its
 *   neighbours cannot be read. They are read before anything is touched, so later on only when the vault was damaged since
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
 * Ends the purges that were begun and not ended. Runs before any other writing job of the instance, under its lock. While the
 * seal of a point is there nothing of it has gone, and the purge is taken back: the policy may keep the point for longer by
 * now, its protection may have been stopped, a restore may read it. Who still wants it purged decides so anew.
 *
 * Safe to run twice, as {@link purgeRecoveryPoint} is.
 *
 * @param from - as the execution before has told
 * @throws VaultError as {@link purgeRecoveryPoint} does; then no other writing job may begin
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

/** @throws VaultError `storage/conflict` (retryable) when the file was written anew meanwhile */
async function removeAsSeen(vault: SweepableVault, { path, etag }: VaultFile): Promise<void> {
  const changed = await vault.remove([{ path, etag }]);
  if (changed.length > 0) throw new VaultError("storage/conflict", `'${path}' was changed by another`);
}

async function readJournal(vault: SweepableVault, recoveryPointId: string): Promise<PurgeJournal | undefined> {
  const path = purgePath(recoveryPointId);
  const content = await vault.read(path);
  return content === undefined ? undefined : decodeJournal(path, content);
}

const JSON_FILE = { contentType: "application/json" };

/** Puts the seal away, removes what the walk of the plan names, and takes the journal back at the end. */
async function carryOut(deps: PurgeDeps, plan: PurgePlan, from: PurgePosition | undefined): Promise<PurgeProgress> {
  const { vault, rows, hasTime = () => true } = deps;
  const { recoveryPoint: id } = plan;
  const journal = await fileAt(vault, purgePath(id));
  if (journal === undefined) {
    throw new VaultError("storage/conflict", `another execution has ended the purge of '${id}'`);
  }
  if (await isTakenBack(deps, id, journal)) return { state: "pinned", ...NO_PURGE_COUNTS };
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

/** Takes the journal back while the point is still sealed and a restore reads it. @returns whether it did */
async function isTakenBack({ vault, rows }: PurgeDeps, id: string, journal: VaultFile): Promise<boolean> {
  const isSealed = (await vault.read(sealPath(id))) !== undefined;
  if (!isSealed || !(await rows.isPinned(id))) return false;
  await removeAsSeen(vault, journal);
  return true;
}
