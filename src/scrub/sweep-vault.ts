import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { Job } from "../jobs/job.ts";
import { type InstanceLock, LOCK_ROW, releaseLock, takeLock } from "../jobs/job-lock.ts";
import { unlessDamaged } from "../vault/damage.ts";
import { listJournals } from "../vault/list-journals.ts";
import { listReadableSeals } from "../vault/list-seals.ts";
import { ManifestCache } from "../vault/manifest-cache.ts";
import { CONTENT_PREFIXES } from "../vault/names.ts";
import { MAX_REMOVALS } from "../vault/vault-files.ts";
import { type DebrisDecision, decideFiles, type SurePoint } from "./find-debris.ts";
import { type FoundPoints, readCheckedSeal, unlessGone } from "./read-points.ts";
import type { Round } from "./round.ts";
import type { ScrubSettings } from "./scrub-settings.ts";
import type { FilePosition } from "./scrub-state.ts";
import type { ScrubVault, StoredFile } from "./scrub-vault.ts";

export interface SweepVaultDeps {
  readonly vault: ScrubVault;
  readonly job: Job;
  readonly jobs: RecordTable<Job>;
  readonly locks: RecordTable<InstanceLock>;
  /** Immutable: nothing may be deleted early. */
  readonly isImmutable: boolean;
  readonly settings: ScrubSettings;
  readonly clock: Clock;
  /** Checked after each batch. */
  readonly shouldContinue: () => Promise<boolean>;
}

/** Max files deleted while the lock is held once. */
const MAX_REMOVALS_PER_LOCK = 8 * MAX_REMOVALS;

const SEALS_WIDTH = 8;

/**
 * Checks the vault from the round's position on for files that no recovery point needs, and deletes those that are
 * older than the safe age. Younger ones may belong to a running job.
 *
 * Deletes nothing while there is any doubt about the points: an unreadable seal, a point with a row but no seal, two
 * points with one number, no point at all, an unfinished purge.
 *
 * Safe to run twice, and concurrently with all other jobs: deleted files are not listed, and unneeded files never
 * become needed again. Objects that no point of their number or later needs can only be needed if such a point is
 * created again, which requires the lock that a deletion holds, and other seals than the decision was based on.
 *
 * Memory: the names of a batch, and what deciding about them takes.
 *
 * @returns whether everything was checked
 */
export async function sweepVault(deps: SweepVaultDeps, round: Round, found: FoundPoints): Promise<boolean> {
  const sweep = new Sweep(deps, round, await surePoints(deps.vault, found));
  for (const prefix of CONTENT_PREFIXES) {
    if (!(await sweep.run(prefix))) return false;
  }
  return true;
}

/** @returns undefined when it is unknown what is needed */
async function surePoints(
  vault: ScrubVault,
  { points, unplaced }: FoundPoints,
): Promise<readonly SurePoint[] | undefined> {
  const hasTwins = points.some(({ sequence }, i) => points[i + 1]?.sequence === sequence);
  if (unplaced.length > 0 || hasTwins || points.some(({ isSealed }) => !isSealed)) return undefined;
  const read = await mapBounded(points, SEALS_WIDTH, (point) =>
    unlessDamaged(async () => (await unlessGone(() => readCheckedSeal(vault, point))) ?? ("gone" as const)),
  );
  const sure: SurePoint[] = [];
  for (const [i, { id, sequence }] of points.entries()) {
    const seal = read[i];
    if (seal === undefined) return undefined;
    if (seal !== "gone") sure.push({ id, sequence, job: seal.job });
  }
  return sure.length === 0 ? undefined : sure;
}

class Sweep {
  readonly #deps: SweepVaultDeps;
  readonly #round: Round;
  readonly #points: readonly SurePoint[] | undefined;
  readonly #manifests = new ManifestCache();
  readonly #writtenBefore: number;

  constructor(deps: SweepVaultDeps, round: Round, points: readonly SurePoint[] | undefined) {
    this.#deps = deps;
    this.#round = round;
    this.#points = points;
    this.#writtenBefore = deps.clock().getTime() - deps.settings.safeAgeMs;
  }

  /** @returns whether everything below the prefix was checked */
  async run(prefix: string): Promise<boolean> {
    const { after } = this.#position();
    const isWithin = after.startsWith(prefix);
    if (after > prefix && !isWithin) return true;
    const { batchFiles } = this.#deps.settings;
    let waiting: StoredFile[] = [];
    const work = async (least: number): Promise<boolean> => {
      while (waiting.length >= least) {
        waiting = waiting.slice(await this.#batch(waiting.slice(0, batchFiles)));
        if (!(await this.#deps.shouldContinue())) return false;
      }
      return true;
    };
    for await (const page of this.#deps.vault.listPages(prefix, isWithin ? after : undefined)) {
      for (const file of page) if (file.path > after) waiting.push(file);
      if (!(await work(batchFiles))) return false;
    }
    return work(1);
  }

  #position(): FilePosition {
    const { position } = this.#round.state;
    if (position.phase !== "files") throw new Error("the vault is swept before all points were checked");
    return position;
  }

  /** @returns number of finished files, from the first; at least one */
  async #batch(files: readonly StoredFile[]): Promise<number> {
    const old = files.filter(({ writtenAt }) => writtenAt.getTime() < this.#writtenBefore);
    const verdicts = old.length === 0 ? new Map<string, DebrisDecision>() : await this.#decide(old);
    const undone = old[verdicts.size];
    const done = undone === undefined ? files.length : files.indexOf(undone);
    const count = (verdict: DebrisDecision): number => [...verdicts.values()].filter((one) => one === verdict).length;
    const debris = old.filter(({ path }) => verdicts.get(path) === "debris");
    await this.#removeAll(debris);
    this.#round.count({
      files: done,
      debris: debris.length,
      undecided: count("undecided"),
      notUnderstood: count("not-understood"),
    });
    this.#round.moveTo({ phase: "files", after: files[done - 1]?.path ?? this.#position().after });
    return done;
  }

  async #decide(old: readonly StoredFile[]): Promise<Map<string, DebrisDecision>> {
    const paths = old.map(({ path }) => path);
    if (this.#points === undefined) return new Map(paths.map((path) => [path, "undecided"]));
    const { vault, job } = this.#deps;
    return decideFiles({ vault, instance: job.instance, manifests: this.#manifests, points: this.#points }, paths);
  }

  async #removeAll(debris: readonly StoredFile[]): Promise<void> {
    if (this.#deps.isImmutable) return;
    for (let from = 0; from < debris.length; from += MAX_REMOVALS_PER_LOCK) {
      await this.#removeLocked(debris.slice(from, from + MAX_REMOVALS_PER_LOCK));
    }
  }

  /**
   * Skips deletion when another job writes, or the points or the file itself have changed; the next round checks these
   * files again.
   */
  async #removeLocked(debris: readonly StoredFile[]): Promise<void> {
    const { job, locks, clock } = this.#deps;
    if ((await takeLock(this.#deps, job, clock())) !== job.id) return;
    try {
      if (!(await this.#isAsDecided())) return;
      for (let from = 0; from < debris.length; from += MAX_REMOVALS) {
        // A job that was ended from outside has lost the lock without noticing.
        if ((await locks.get(job.instance, LOCK_ROW))?.value.job !== job.id) return;
        const some = debris.slice(from, from + MAX_REMOVALS);
        const changed = new Set(await this.#deps.vault.remove(some.map(({ path, etag }) => ({ path, etag }))));
        const removed = some.filter(({ path }) => !changed.has(path));
        this.#round.count({ removed: removed.length, removedBytes: removed.reduce((sum, { size }) => sum + size, 0) });
      }
    } finally {
      await releaseLock(locks, job.instance, job.id);
    }
  }

  /** Whether the points are exactly those of the decision, and none is being purged. */
  async #isAsDecided(): Promise<boolean> {
    const { vault } = this.#deps;
    if ((await listJournals(vault)).length > 0) return false;
    const known = new Map(this.#points?.map(({ id, sequence }) => [id, sequence]));
    const now = await listReadableSeals(vault);
    return now.length === known.size && now.every(({ id, sequence }) => known.get(id) === sequence);
  }
}
