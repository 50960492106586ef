/**
 * @module
 * Random histories of a protected account: blobs are created, changed, deleted and undeleted with old ETags; backups
 * succeed, crash and continue, or crash permanently; time advances, policies change, points and the whole instance are
 * deleted and undeleted, vaults become immutable, restores read points; expired points are purged in any order, and
 * purges crash and continue.
 *
 * After each step every kept point must have all its content since its seal, byte for byte, and the vault must contain
 * nothing else once all attempts are swept. An independent oracle decides which points are kept.
 */
import { gunzipSync } from "node:zlib";
import {
  type PurgeDeps,
  type PurgeProgress,
  purgeRecoveryPoint,
  resumePurges,
} from "../../src/purge/purge-recovery-point.ts";
import { addCounts } from "../../src/purge/removal-batches.ts";
import { decideRetention } from "../../src/retention/decide-retention.ts";
import type { Entry } from "../../src/vault/entry.ts";
import { listSeals } from "../../src/vault/list-seals.ts";
import { ManifestCache } from "../../src/vault/manifest-cache.ts";
import type { ManifestIndex } from "../../src/vault/manifest-index.ts";
import { markersPrefix, objectPath, PURGES_PREFIX, purgePath, sealPath } from "../../src/vault/names.ts";
import type { Seal } from "../../src/vault/seal.ts";
import type { SweepableVault } from "../../src/vault/vault-files.ts";
import { Crash, type CrashSwitch } from "./crash-switch.ts";
import type { MemoryAccount, MemoryBlob } from "./memory-account.ts";
import { Dice } from "./retention-dice.ts";
import { stays } from "./retention-oracle.ts";
import { InstanceRecords } from "./retention-records.ts";
import { ChangingSource } from "./retention-source.ts";

/** Source of recovery points: the real in-memory engine, or a model of it. */
export interface Backups {
  readonly source: MemoryAccount;
  readonly crash: CrashSwitch;
  /** Files in the vault, by path. */
  readonly files: ReadonlyMap<string, Pick<MemoryBlob, "content">>;
  /** The vault, which crashes where the crash switch says. */
  vault(): SweepableVault;
  /**
   * Creates a recovery point. It may crash, and is then either called again or abandoned.
   *
   * @param meanwhile - changes the source; called at any time. Absent: no faults and no changes
   */
  backup(id: string, meanwhile?: () => void): Promise<void>;
  giveUp(id: string): Promise<void>;
  /** Sweeps the debris of attempts. */
  sweep(): Promise<void>;
  /** Restores a point. @returns the content of each blob, by container and name; undefined: not supported */
  restore(recoveryPointId: string): Promise<ReadonlyMap<string, string> | undefined>;
  /** Faults so far; absent: none. */
  readonly faults?: FaultCounts;
  /** Approximate number of moments at which a backup can crash. */
  readonly moments: number;
  /** Numbers of the attempts that may have debris. */
  attempts(): Promise<number[]>;
}

export interface FaultCounts {
  /** Calls that failed, or whose answer was lost. */
  readonly faults: number;
  /** Duplicated, lost or late messages. */
  readonly strays: number;
  /** Hanging orchestrations. */
  readonly begunAnew: number;
  /** Jobs that ended as failed. */
  readonly failedJobs: number;
}

interface Sealed {
  /** Each of its files, with content. */
  readonly needed: ReadonlyMap<string, string>;
  /** Result of a restore: the content of each blob, by container and name. */
  readonly held: ReadonlyMap<string, string>;
  /** Names in its warnings, by container and name. */
  readonly named: ReadonlySet<string>;
}

/** Approximate number of moments at which a purge can crash. */
const PURGE_MOMENTS = 40;

/** Rounds in which every point of a history should be purged. */
const MAX_ROUNDS = 500;

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Counts of a history. */
export interface HistoryOutcome extends Writable<FaultCounts> {
  /** Points that were kept for a reason other than their rule, counted at each decision. */
  kept: number;
  /** Purges without a crash. */
  purged: number;
  /** Crashed purges. */
  deaths: number;
  objects: number;
  /** Permanently crashed backups. */
  givenUp: number;
  /** Purges for which debris had to be swept first. */
  putOff: number;
  /** Purges that were cancelled, because a restore had pinned the point. */
  takenBack: number;
  /** Successful restores. */
  restored: number;
  /** Restores that came too late. */
  refused: number;
  undeleted: number;
  /** Blobs unchanged during a backup, found in its point. */
  steady: number;
}

export const nothingYet = (): HistoryOutcome => ({
  kept: 0,
  purged: 0,
  deaths: 0,
  objects: 0,
  givenUp: 0,
  putOff: 0,
  takenBack: 0,
  restored: 0,
  refused: 0,
  undeleted: 0,
  steady: 0,
  faults: 0,
  strays: 0,
  begunAnew: 0,
  failedJobs: 0,
});

class History {
  readonly #backups: Backups;
  readonly #dice: Dice;
  readonly #source: ChangingSource;
  readonly #records: InstanceRecords;
  /** Points that must be complete. */
  readonly #sealed = new Map<string, Sealed>();
  /** Points with a started purge, allowed by both the decision and the oracle. */
  readonly #mayGo = new Set<string>();
  /** Points that a restore reads, by restore. */
  readonly #reading = new Map<string, string>();
  /** By segment; segments never change. */
  readonly #entries = new Map<string, readonly Entry[]>();
  readonly #manifests = new ManifestCache();
  readonly #outcome = nothingYet();
  #jobs = 0;

  constructor(backups: Backups, dice: Dice) {
    this.#backups = backups;
    this.#dice = dice;
    this.#source = new ChangingSource(backups.source, this.#dice);
    this.#records = new InstanceRecords(this.#dice);
  }

  /** @throws Error with the violated invariant */
  async run(steps: number): Promise<HistoryOutcome> {
    for (let step = 0; step < steps; step++) {
      await this.#step();
      await this.#check();
    }
    await this.#endRestores();
    await this.#sweepAll();
    await this.#check();
    this.#restore(this.#dice.pick([...this.#sealed.keys()]));
    await this.#endRestores();
    await this.#purgeAll();
    const left = [...this.#backups.files.keys(), ...this.#records.ids];
    if (left.length > 0) throw new Error(`left: ${left.join(", ")}`);
    return { ...this.#outcome, undeleted: this.#records.undeleted, ...this.#backups.faults };
  }

  async #step(): Promise<void> {
    const dice = this.#dice;
    this.#records.pass();
    for (let i = dice.below(4); i > 0; i--) this.#source.change();
    if (dice.oneIn(2)) this.#records.change((id) => this.#hasJournal(id));
    if (dice.oneIn(4)) this.#restore(dice.pick(this.#records.ids));
    if (dice.oneIn(4)) await this.#endRestores();
    if (dice.below(5) < 3) await this.#backup();
    else await this.#retain();
  }

  /** Backs up until all debris of failed attempts is swept. */
  async #sweepAll(): Promise<void> {
    for (let round = 0; (await this.#backups.attempts()).length > 0; round++) {
      if (round > MAX_ROUNDS) throw new Error(`attempts at ${await this.#backups.attempts()} are never swept`);
      if (this.#records.resume()) await this.#backup("calm");
      else {
        // An instance that can no longer be undeleted must be purged before the account can be protected again.
        this.#records.unlock();
        await this.#retain();
        await this.#endRestores();
      }
    }
  }

  /** Purges the points one after the other in any order, or all concurrently. */
  async #purgeAll(): Promise<void> {
    this.#records.unlock();
    const isAtOnce = this.#dice.oneIn(2);
    for (let round = 0; this.#sealed.size > 0 || this.#hasAnyJournal(); round++) {
      if (round > MAX_ROUNDS) throw new Error(`${[...this.#sealed.keys()]} are never purged`);
      if (isAtOnce) this.#records.deleteInstanceForGood();
      else this.#records.deleteForGood();
      await this.#retain();
      await this.#check();
      await this.#endRestores();
    }
  }

  async #backup(mood: "any" | "calm" = "any"): Promise<void> {
    if (!this.#records.resume()) return;
    const { crash } = this.#backups;
    const id = `job-${this.#jobs++}`;
    await this.#finishPurges();
    const before = this.#source.contents();
    this.#source.touched.clear();
    const meanwhile = mood === "calm" ? undefined : () => this.#source.change();
    const fate = mood === "calm" ? "calm" : this.#dice.pick(["calm", "goes on", "given up"]);
    if (fate !== "calm") crash.arm(this.#dice.below(this.#backups.moments));
    if (await this.#dies(() => this.#backups.backup(id, meanwhile))) {
      if (fate === "goes on") {
        for (let i = this.#dice.below(3); i > 0; i--) this.#source.changeBlob();
        await this.#backups.backup(id, meanwhile);
      } else {
        await this.#backups.giveUp(id);
        this.#outcome.givenUp += 1;
      }
    }
    if (mood === "calm" || !this.#dice.oneIn(3)) await this.#backups.sweep();
    for (const point of await listSeals(this.#backups.vault())) {
      if (this.#sealed.has(point.id)) continue;
      this.#sealed.set(point.id, this.#read(point.id));
      this.#checkSteady(point.id, before);
      this.#records.add(point);
    }
  }

  /** Blobs that existed before a backup, and were unchanged until its end, are in its point, or in a warning. */
  #checkSteady(id: string, before: ReadonlyMap<string, string>): void {
    const { held, named } = this.#sealed.get(id) ?? {};
    for (const [path, content] of before) {
      if (this.#source.touched.has(path) || named?.has(path) === true) continue;
      const found = held?.get(path);
      if (found !== content) throw new Error(`point ${id} has '${found}' of '${path}', and not '${content}'`);
      this.#outcome.steady += 1;
    }
  }

  /** Like the retention job: decides about all points, and purges the expired ones. */
  async #retain(): Promise<void> {
    await this.#finishPurges();
    if (this.#dice.oneIn(3)) this.#records.deleteForGood();
    if (this.#dice.oneIn(2)) await this.#backups.sweep();
    for (const [i, id] of this.#dice.shuffle(this.#expired()).entries()) {
      if (i > 0) await this.#check();
      // One that comes after the decision and before the purge: only the purge itself can see its pin.
      if (this.#dice.oneIn(8)) this.#restore(id);
      if (!(await this.#purge(id))) return;
    }
  }

  #expired(): string[] {
    const { now, terms } = this.#records;
    const points = this.#records.points();
    return decideRetention(points, terms, now).flatMap((decision, i) => {
      const point = points[i];
      if (point?.id !== decision.id) throw new Error(`the decision about ${point?.id} is about ${decision.id}`);
      if (stays(point, points, terms, now) !== decision.keep) {
        throw new Error(`point ${point.id} is ${decision.keep ? "kept" : "let go"}: ${decision.because}`);
      }
      if (decision.keep && decision.until === undefined) this.#outcome.kept += 1;
      return decision.keep ? [] : [point.id];
    });
  }

  /** @returns whether the job continues */
  async #purge(id: string): Promise<boolean> {
    this.#mayGo.add(id);
    if (this.#dice.oneIn(2)) this.#backups.crash.arm(this.#dice.below(PURGE_MOMENTS));
    let progress: PurgeProgress | undefined;
    const died = await this.#dies(async () => {
      progress = await this.#wholePurge(id);
    });
    if (died) {
      this.#outcome.deaths += 1;
      if (this.#dice.oneIn(2)) await this.#finishPurges();
      return this.#dice.oneIn(2);
    }
    if (progress !== undefined) this.#count(id, progress);
    return true;
  }

  async #wholePurge(id: string): Promise<PurgeProgress> {
    let progress = await purgeRecoveryPoint(this.#purgeDeps(), id);
    let counts = progress;
    while (progress.state === "stopped") {
      progress = await purgeRecoveryPoint(this.#purgeDeps(), id, this.#dice.oneIn(2) ? progress.from : undefined);
      counts = { ...progress, ...addCounts(counts, progress) };
    }
    return counts;
  }

  #count(id: string, { state, objects, undecided }: PurgeProgress): void {
    if (undecided > 0) throw new Error(`a purge could not decide about ${undecided} objects`);
    if (state === "pinned") this.#outcome.takenBack += 1;
    if (state === "pinned" && this.#hasJournal(id)) throw new Error(`the purge of ${id} was not cancelled`);
    if (state === "put-off") this.#outcome.putOff += 1;
    if (state !== "done") return;
    this.#outcome.purged += 1;
    this.#outcome.objects += objects;
  }

  async #finishPurges(): Promise<void> {
    if (!this.#hasAnyJournal()) return;
    let progress = await resumePurges(this.#purgeDeps());
    while (progress.state === "stopped") progress = await resumePurges(this.#purgeDeps(), progress.from);
    if (progress.state !== "done") throw new Error(`the unfinished purges are ${progress.state}`);
    await this.#check();
  }

  #purgeDeps(): PurgeDeps {
    const rows = {
      hasDebris: async (sequence: number) => (await this.#backups.attempts()).includes(sequence),
      isPinned: async (id: string) => {
        // A restore starts now: it sees the journal, and the purge may see its pin before it is deleted.
        const restore = this.#dice.oneIn(8) ? this.#pin(id) : undefined;
        const isPinned = this.#records.isPinned(id);
        if (restore !== undefined) this.#look(restore, id);
        return isPinned;
      },
      remove: async (id: string) => this.#records.remove(id),
    };
    return {
      instance: "lake",
      vault: this.#backups.vault(),
      manifests: this.#manifests,
      rows: this.#backups.crash.wrap(rows),
      hasTime: () => !this.#dice.oneIn(3),
    };
  }

  async #dies(run: () => Promise<void>): Promise<boolean> {
    const { crash } = this.#backups;
    let died = false;
    const { stackTraceLimit } = Error;
    // Stack traces of all crashes would be a tenth of the time.
    Error.stackTraceLimit = 0;
    try {
      await run();
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      died = true;
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
    // A crash within a step that continues anyway does not count.
    crash.disarm();
    return died;
  }

  #hasJournal(id: string): boolean {
    return this.#backups.files.has(purgePath(id));
  }

  #hasAnyJournal(): boolean {
    for (const path of this.#backups.files.keys()) if (path.startsWith(PURGES_PREFIX)) return true;
    return false;
  }

  /** Starts a restore, which continues until {@link #endRestores}. */
  #restore(id: string | undefined): void {
    if (id !== undefined) this.#look(this.#pin(id), id);
  }

  #pin(id: string): string {
    const restore = `restore-${this.#jobs++}`;
    this.#records.pin(restore, id);
    return restore;
  }

  /** The second step of a restore: after its pin it checks whether it may read. */
  #look(restore: string, id: string): void {
    if (!this.#hasJournal(id) && this.#backups.files.has(sealPath(id))) {
      this.#reading.set(restore, id);
    } else {
      this.#records.unpin(restore);
      this.#outcome.refused += 1;
    }
  }

  async #endRestores(): Promise<void> {
    for (const [restore, id] of this.#reading) {
      // The engine restores only now, and would be refused while a crashed purge can still be cancelled.
      if (this.#hasJournal(id)) await this.#finishPurges();
      const { held } = this.#sealed.get(id) ?? {};
      if (held === undefined) throw new Error(`point ${id} was purged while it was restored`);
      const restored = (await this.#backups.restore(id)) ?? held;
      const isSame =
        restored.size === held.size && [...held].every(([name, content]) => restored.get(name) === content);
      if (!isSame) throw new Error(`point ${id} restores ${[...restored.keys()]}, not ${[...held.keys()]}`);
      this.#records.unpin(restore);
      this.#outcome.restored += 1;
    }
    this.#reading.clear();
  }

  /** Reads a new point from its seal down, without the real reader, whose checks would be most of the time. */
  #read(id: string): Sealed {
    const needed = new Map<string, string>();
    const held = new Map<string, string>();
    const keep = (path: string): Buffer => {
      const content = this.#backups.files.get(path)?.content;
      if (content === undefined) throw new Error(`point ${id} was sealed without '${path}'`);
      needed.set(path, content);
      return Buffer.from(content, "latin1");
    };
    const seal = JSON.parse(keep(sealPath(id)).toString()) as Seal;
    for (const { name: container, index } of seal.containers) {
      keep(`${markersPrefix(seal.job)}${container}`);
      for (const { path } of (JSON.parse(keep(index.path).toString()) as ManifestIndex).segments) {
        for (const { name, etag, birth } of this.#entriesOf(path, keep(path))) {
          const content = this.#source.contentOf(etag) ?? `unknown ${etag}`;
          needed.set(objectPath(container, name, etag, birth), content);
          held.set(`${container}/${name}`, content);
        }
      }
    }
    return { needed, held, named: new Set(seal.warnings.first.map(({ container, name }) => `${container}/${name}`)) };
  }

  #entriesOf(path: string, segment: Buffer): readonly Entry[] {
    const known = this.#entries.get(path);
    if (known !== undefined) return known;
    const entries = gunzipSync(segment)
      .toString()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Entry);
    this.#entries.set(path, entries);
    return entries;
  }

  async #check(): Promise<void> {
    const { files } = this.#backups;
    const needed = new Set<string>();
    for (const [id, { needed: own }] of this.#sealed) {
      if (!files.has(sealPath(id))) this.#forget(id);
      else {
        for (const [path, content] of own) {
          if (files.get(path)?.content !== content) throw new Error(`point ${id} has lost '${path}'`);
          needed.add(path);
        }
      }
    }
    if (this.#hasAnyJournal()) return;
    this.#mayGo.clear();
    for (const id of this.#records.ids) if (!this.#sealed.has(id)) throw new Error(`the row of ${id} was not deleted`);
    if ((await this.#backups.attempts()).length > 0) return;
    for (const path of files.keys()) if (!needed.has(path)) throw new Error(`nobody needs '${path}'`);
  }

  #forget(id: string): void {
    if (!this.#mayGo.has(id)) throw new Error(`point ${id} must be kept, but was purged`);
    if ([...this.#reading.values()].includes(id)) throw new Error(`point ${id} was purged while a restore reads it`);
    this.#sealed.delete(id);
  }
}

/** Number of successful histories, and their counts. */
export interface Histories extends HistoryOutcome {
  right: number;
}

/**
 * Runs one history.
 *
 * @throws Error when it fails, with its seed
 */
export async function runHistory(
  seed: number,
  open: (seed: number) => Promise<Backups>,
  steps = 6,
): Promise<HistoryOutcome> {
  const history = new History(await open(seed), new Dice(seed));
  try {
    return await history.run(steps);
  } catch (error) {
    throw new Error(`the history of seed ${seed} is wrong: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

/**
 * Runs the history that a list of choices makes, see {@link Dice}.
 *
 * @throws Error with the violated invariant
 */
export async function runChosenHistory(
  choices: readonly number[],
  backups: Backups,
  steps = 6,
): Promise<HistoryOutcome> {
  return new History(backups, new Dice(choices)).run(steps);
}

/**
 * Runs histories, one per seed.
 *
 * @param firstSeed - the others follow it
 * @throws Error at the first failure, with its seed
 */
export async function runHistories(
  count: number,
  firstSeed: number,
  open: (seed: number) => Promise<Backups>,
): Promise<Histories> {
  const seen: Histories = { right: 0, ...nothingYet() };
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    addOutcome(seen, await runHistory(seed, open));
    seen.right += 1;
  }
  return seen;
}

export function addOutcome(sum: HistoryOutcome, outcome: HistoryOutcome): void {
  for (const key of Object.keys(outcome) as (keyof HistoryOutcome)[]) sum[key] += outcome[key];
}
