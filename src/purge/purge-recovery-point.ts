import { mapBounded } from "../foundation/bounded-pool.ts";
import { VaultError } from "../foundation/errors.ts";
import { decodeEntry, type Entry, type EntryLine } from "../vault/entry.ts";
import { EntryLookup } from "../vault/entry-lookup.ts";
import { listSeals } from "../vault/list-seals.ts";
import { decodeIndex } from "../vault/manifest-index.ts";
import {
  CONTENT_PREFIXES,
  markersPrefix,
  objectPath,
  PURGES_PREFIX,
  purgePath,
  recoveryPointOfPurge,
  sealPath,
} from "../vault/names.ts";
import { readSeal } from "../vault/read-manifest.ts";
import { checkSha256, openSegment, type SegmentRef } from "../vault/segment.ts";
import { MAX_REMOVALS, type Removal, type SweepableVault, type VaultFile } from "../vault/vault-files.ts";
import type { PurgePosition } from "./activities.ts";
import {
  type NeighbourSeals,
  neighboursOf,
  type PlanDeps,
  planContainerPurge,
  planPurge,
  readIndexes,
  readNeighbours,
} from "./plan-purge.ts";
import { decodeJournal, encodeJournal, journalOf, type PurgeJournal } from "./purge-journal.ts";

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

export interface PurgeCounts {
  readonly objects: number;
  readonly objectBytes: number;
  readonly segments: number;
  readonly segmentsRead: number;
  /** Objects and whole segments of which nobody can tell whether they are needed, because a manifest is damaged. They stay. */
  readonly undecided: number;
  /** Files that were written anew since the purge began. They stay, and are not counted above; what nobody needs of them is debris. */
  readonly changed: number;
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

/** Requests under way at once; each takes the service tenths of a second. */
const REMOVING_WIDTH = 8;

/** Files that wait to be removed. */
const MAX_PENDING_REMOVALS = REMOVING_WIDTH * MAX_REMOVALS;

/** The vault account tells times to the second, and may compare them more finely. */
const TIME_GRAIN_MS = 1_000;

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
  if (journal !== undefined) return new Purge(deps).run(journal, from);

  const point = (await listSeals(deps.vault)).find(({ id }) => id === recoveryPointId);
  if (point === undefined) {
    await deps.rows.remove(recoveryPointId);
    return { state: "done", ...NOTHING };
  }
  const { previous, next } = await planPurge(deps, recoveryPointId);
  const isLast = previous === undefined && next === undefined;
  const mustWait =
    (await listPurges(deps.vault)).length > 0 || (!isLast && (await deps.rows.hasDebris(point.sequence)));
  if (mustWait) return { state: "put-off", ...NOTHING };
  return new Purge(deps).run(await writeJournal(deps.vault, recoveryPointId, isLast), from);
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
  let counts = NOTHING;
  for (const { recoveryPoint, file } of await listJournalFiles(deps.vault)) {
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

/** Recovery points whose purge was begun and not ended: none of them may be read any more. */
export async function listPurges(vault: Pick<SweepableVault, "list">): Promise<string[]> {
  return (await listJournalFiles(vault)).map(({ recoveryPoint }) => recoveryPoint);
}

async function listJournalFiles(
  vault: Pick<SweepableVault, "list">,
): Promise<{ readonly recoveryPoint: string; readonly file: VaultFile }[]> {
  const found = [];
  for await (const file of vault.list(PURGES_PREFIX)) {
    const recoveryPoint = recoveryPointOfPurge(file.path);
    if (recoveryPoint !== undefined) found.push({ recoveryPoint, file });
  }
  return found;
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

const NOTHING: PurgeCounts = {
  objects: 0,
  objectBytes: 0,
  segments: 0,
  segmentsRead: 0,
  undecided: 0,
  changed: 0,
};

/** Adds up what several executions came to. */
export function addCounts(a: PurgeCounts, b: PurgeCounts): PurgeCounts {
  return {
    objects: a.objects + b.objects,
    objectBytes: a.objectBytes + b.objectBytes,
    segments: a.segments + b.segments,
    segmentsRead: a.segmentsRead + b.segmentsRead,
    undecided: a.undecided + b.undecided,
    changed: a.changed + b.changed,
  };
}

async function readJournal(vault: SweepableVault, recoveryPointId: string): Promise<PurgeJournal | undefined> {
  const path = purgePath(recoveryPointId);
  const content = await vault.read(path);
  return content === undefined ? undefined : decodeJournal(path, content);
}

async function writeJournal(vault: SweepableVault, recoveryPointId: string, isLast: boolean): Promise<PurgeJournal> {
  const journal = journalOf(await readSeal(vault, recoveryPointId), isLast);
  await vault.create(purgePath(recoveryPointId), encodeJournal(journal), { contentType: "application/json" });
  return journal;
}

/** A file that goes, and what it counts as when it has gone. */
type Garbage = Removal & { readonly counts?: Partial<PurgeCounts> };

/** One execution of the purge of one recovery point. */
class Purge {
  readonly #deps: PurgeDeps;
  readonly #vault: SweepableVault;
  readonly #hasTime: () => boolean;
  readonly #garbage: Garbage[] = [];
  /** What the manifests name goes when it was written up to this moment. */
  #writtenUntil = new Date(0);
  #counts = NOTHING;

  constructor(deps: PurgeDeps) {
    this.#deps = deps;
    this.#vault = deps.vault;
    this.#hasTime = deps.hasTime ?? (() => true);
  }

  async run(journal: PurgeJournal, from: PurgePosition | undefined): Promise<PurgeProgress> {
    const { recoveryPoint: id, sequence, job } = journal;
    const file = await fileAt(this.#vault, purgePath(id));
    if (file === undefined)
      throw new VaultError("storage/conflict", `another execution has ended the purge of '${id}'`);
    this.#writtenUntil = new Date(file.writtenAt.getTime() + TIME_GRAIN_MS);
    if (await this.#isTakenBack(id, file)) return { state: "pinned", ...NOTHING };
    const seal = await fileAt(this.#vault, sealPath(id));
    if (seal !== undefined) await removeAsSeen(this.#vault, seal);
    const neighbours = neighboursOf({ id, sequence }, await listSeals(this.#vault));
    const isLast = neighbours.previous === undefined && neighbours.next === undefined;
    if (isLast && !journal.isLast) {
      throw new VaultError("format/missing", `the other recovery points are gone since the purge of '${id}' began`, {
        hint: "the vault account was changed by something other than Lakevault; nothing more is removed",
      });
    }
    if (!isLast) {
      const seals = await readNeighbours(this.#deps, neighbours);
      const stopped = await this.#containers(journal, seals, from);
      if (stopped !== undefined) return { state: "stopped", ...this.#counts, from: stopped };
    }
    for (const prefix of isLast ? CONTENT_PREFIXES : [markersPrefix(job)]) {
      if (!(await this.#removeAllUnder(prefix))) return { state: "stopped", ...this.#counts };
    }
    await this.#deps.rows.remove(id);
    await removeAsSeen(this.#vault, file);
    return { state: "done", ...this.#counts };
  }

  /** Takes the journal back while the point is still sealed and a restore reads it. @returns whether it did */
  async #isTakenBack(id: string, journal: VaultFile): Promise<boolean> {
    const isSealed = (await this.#vault.read(sealPath(id))) !== undefined;
    if (!isSealed || !(await this.#deps.rows.isPinned(id))) return false;
    await removeAsSeen(this.#vault, journal);
    return true;
  }

  /** @returns where to go on, when the time is over */
  async #containers(
    journal: PurgeJournal,
    seals: NeighbourSeals,
    from: PurgePosition | undefined,
  ): Promise<PurgePosition | undefined> {
    for (const [i, { name, index }] of journal.containers.entries()) {
      const content = await this.#vault.read(index.path);
      // The index goes last of its container.
      if (content === undefined) continue;
      checkSha256(index.path, index.sha256, content);
      const point = decodeIndex(index.path, content);
      const [previous, next] = await readIndexes(this.#deps, seals, name);
      const { own, compared } = planContainerPurge(point, previous, next);
      const first = from?.container === name ? from.segment : 0;
      const segment =
        (await this.#objects(name, {
          own,
          bornAfter: seals[0]?.sequence ?? 0,
          next: new EntryLookup(this.#vault, compared, (next ?? point).order),
          first,
        })) ?? (await this.#segments(own, first));
      if (segment !== undefined) return { recoveryPoint: journal.recoveryPoint, container: name, segment };
      this.#garbage.push({ path: index.path, writtenUntil: this.#writtenUntil });
      await this.#removeGarbage();
      const following = journal.containers[i + 1]?.name;
      if (following !== undefined && !this.#hasTime()) {
        return { recoveryPoint: journal.recoveryPoint, container: following, segment: 0 };
      }
    }
    return undefined;
  }

  /** @returns the segment to go on at, when the time is over */
  async #objects(container: string, { own, bornAfter, next, first }: ContainerTask): Promise<number | undefined> {
    let stoppedAt: number | undefined;
    for (const [i, segment] of own.entries()) {
      if (i < first) continue;
      for (const line of await this.#linesOf(segment)) {
        if (isBornUntil(line, bornAfter)) continue;
        const entry = await this.#unlessDamaged(() => decodeEntry(line));
        if (entry !== undefined && (await this.#isGarbage(entry, bornAfter, next))) {
          await this.#removeObject(container, entry);
        }
      }
      if (i + 1 < own.length && !this.#hasTime()) {
        stoppedAt = i + 1;
        break;
      }
    }
    await this.#removeGarbage();
    this.#count({ segmentsRead: next.segmentsRead });
    return stoppedAt;
  }

  /** @returns nothing for a segment that is gone: an execution before got so far; and for one that is damaged */
  async #linesOf(segment: SegmentRef): Promise<readonly EntryLine[]> {
    const content = await this.#vault.read(segment.path);
    if (content === undefined) return [];
    this.#count({ segmentsRead: 1 });
    return (await this.#unlessDamaged(() => openSegment(segment, content))) ?? [];
  }

  async #isGarbage(entry: Entry, bornAfter: number, next: EntryLookup): Promise<boolean> {
    if (entry.type === "directory" || entry.birth <= bornAfter) return false;
    const isNeeded = await this.#unlessDamaged(async () => {
      const after = await next.find(entry.name);
      return after?.etag === entry.etag && after.birth === entry.birth;
    });
    return isNeeded === false;
  }

  /** A damaged manifest must not keep the instance from ever being backed up again; what it hides stays. */
  async #unlessDamaged<T>(read: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof VaultError) || !["format/corrupt", "format/missing"].includes(error.code)) throw error;
      this.#count({ undecided: 1 });
      return undefined;
    }
  }

  async #removeObject(container: string, { name, etag, birth, size }: Entry): Promise<void> {
    const path = objectPath(container, name, etag, birth);
    this.#garbage.push({ path, writtenUntil: this.#writtenUntil, counts: { objects: 1, objectBytes: size } });
    if (this.#garbage.length === MAX_PENDING_REMOVALS) await this.#removeGarbage();
  }

  async #removeGarbage(): Promise<void> {
    const requests: Garbage[][] = [];
    while (this.#garbage.length > 0) requests.push(this.#garbage.splice(0, MAX_REMOVALS));
    await mapBounded(requests, REMOVING_WIDTH, async (files) => {
      const changed = new Set(await this.#vault.remove(files.map(({ counts: _, ...file }) => file)));
      for (const { path, counts } of files) this.#count(changed.has(path) ? { changed: 1 } : (counts ?? {}));
    });
  }

  /**
   * Removes the segments' files, once their objects are gone.
   *
   * @param first - beyond all segments by as many as an execution before has removed
   * @returns the same for the next execution, when the time is over
   */
  async #segments(own: readonly SegmentRef[], first: number): Promise<number | undefined> {
    for (let from = Math.max(0, first - own.length); from < own.length; from += MAX_PENDING_REMOVALS) {
      for (const { path } of own.slice(from, from + MAX_PENDING_REMOVALS)) {
        this.#garbage.push({ path, writtenUntil: this.#writtenUntil, counts: { segments: 1 } });
      }
      await this.#removeGarbage();
      const removed = from + MAX_PENDING_REMOVALS;
      if (removed < own.length && !this.#hasTime()) return own.length + removed;
    }
    return undefined;
  }

  /** @returns whether there was time for all */
  async #removeAllUnder(prefix: string): Promise<boolean> {
    for await (const { path, size, etag } of this.#vault.list(prefix)) {
      const isObject = prefix.startsWith("data");
      this.#garbage.push({ path, etag, ...(isObject ? { counts: { objects: 1, objectBytes: size } } : {}) });
      if (this.#garbage.length < MAX_PENDING_REMOVALS) continue;
      await this.#removeGarbage();
      if (!this.#hasTime()) return false;
    }
    await this.#removeGarbage();
    return true;
  }

  #count(counts: Partial<PurgeCounts>): void {
    this.#counts = addCounts(this.#counts, { ...NOTHING, ...counts });
  }
}

interface ContainerTask {
  /** The segments that only the purged point has. */
  readonly own: readonly SegmentRef[];
  /** Number of the previous point: it has all objects of that birth and earlier ones. */
  readonly bornAfter: number;
  readonly next: EntryLookup;
  /** The first segment that is not done. */
  readonly first: number;
}

/** JSON escapes every quote within a text, so this is never a part of a name or a tag. */
const BIRTH = /,"birth":(\d+)/;

/** Tells most entries that need no closer look without parsing them. */
function isBornUntil(line: EntryLine, sequence: number): boolean {
  const birth = BIRTH.exec(line)?.[1];
  return birth !== undefined && Number(birth) <= sequence;
}
