/**
 * @module
 * Random histories of a protected account: blobs come, change, go and come back with their old ETags; backups succeed, die
 * and go on, or die for good; recovery points are purged in any order, and purges die and go on. After each step every
 * sealed point must have all it had when it was sealed, byte for byte, and nothing else may lie in the vault once no
 * attempt is left to be swept.
 */
import { gunzipSync } from "node:zlib";
import {
  addCounts,
  finishPurges,
  type PurgeDeps,
  type PurgeProgress,
  purgeRecoveryPoint,
} from "../../src/retention/purge-recovery-point.ts";
import type { SweepableVault } from "../../src/vault/contract.ts";
import type { Entry } from "../../src/vault/entry.ts";
import { listSeals } from "../../src/vault/list-seals.ts";
import { ManifestCache } from "../../src/vault/manifest-cache.ts";
import type { ManifestIndex } from "../../src/vault/manifest-index.ts";
import { markersPrefix, objectPath, sealPath } from "../../src/vault/names.ts";
import type { Seal } from "../../src/vault/seal.ts";
import { Crash, type CrashSwitch } from "./crash-switch.ts";
import type { MemoryAccount, MemoryBlob } from "./memory-account.ts";
import { seededRandom } from "./seeded-random.ts";

/** What makes recovery points: the real engine in memory, or a model of it. */
export interface Backups {
  readonly source: MemoryAccount;
  readonly crash: CrashSwitch;
  /** What lies in the vault, by path. */
  readonly files: ReadonlyMap<string, Pick<MemoryBlob, "content">>;
  /** The vault, dying where the crash switch says. */
  vault(): SweepableVault;
  /** Makes a recovery point. It may die, and is then either called again or given up. */
  backup(id: string): Promise<void>;
  giveUp(id: string): Promise<void>;
  /** Removes what attempts have left. */
  sweep(): Promise<void>;
  /** Restores a point. @returns the content of each blob, by container and name; undefined: it has no restore */
  restore(recoveryPointId: string): Promise<ReadonlyMap<string, string> | undefined>;
  /** Moments at which a backup can die, about. */
  readonly moments: number;
  /** Numbers of the attempts that may have left something. */
  attempts(): Promise<number[]>;
}

/** What a recovery point needs: each file that it leads to, with its content. */
type Needed = ReadonlyMap<string, string>;

interface Sealed {
  readonly needed: Needed;
  /** What a restore gives: the content of each blob, by container and name. */
  readonly held: ReadonlyMap<string, string>;
}

const CONTAINERS = ["raw", "curated"];
const NAMES = ["a", "a!", "a/b", "a/c", "b", "long".repeat(300)];

/** What came about in a history. */
export interface HistoryOutcome {
  /** Purges that ended in one go. */
  readonly purged: number;
  /** Purges that died. */
  readonly deaths: number;
  readonly objects: number;
  /** Backups that died for good. */
  readonly givenUp: number;
  /** Purges for which debris had to be swept first. */
  readonly putOff: number;
}

const NOTHING_YET: HistoryOutcome = { purged: 0, deaths: 0, objects: 0, givenUp: 0, putOff: 0 };

class History {
  readonly #backups: Backups;
  readonly #random: () => number;
  /** By ETag, of all that ever was at the source. */
  readonly #contents = new Map<string, string>();
  /** Versions that can come back: `container`, `name` and the blob. */
  readonly #gone: [string, string, MemoryBlob][] = [];
  readonly #sealed = new Map<string, Sealed>();
  /** By segment, which never changes. */
  readonly #entries = new Map<string, readonly Entry[]>();
  readonly #manifests = new ManifestCache();
  #jobs = 0;
  #outcome: HistoryOutcome = NOTHING_YET;

  constructor(backups: Backups, random: () => number) {
    this.#backups = backups;
    this.#random = random;
  }

  /** @throws Error when anything is wrong, saying what */
  async run(steps: number): Promise<HistoryOutcome> {
    for (const name of CONTAINERS) this.#backups.source.createContainer(name);
    for (let i = 0; i < 4; i++) this.#changeSource();
    for (let step = 0; step < steps; step++) {
      for (let i = this.#below(4); i > 0; i--) this.#changeSource();
      if (this.#below(3) > 0) await this.#backup();
      else await this.#purgeAny();
      await this.#check();
    }
    // Nothing but what the points need is there when each attempt has been swept, and nothing when all are purged.
    for (let i = 0; (await this.#backups.attempts()).length > 0; i++) {
      if (i > steps) throw new Error(`attempts at ${await this.#backups.attempts()} are never swept`);
      await this.#backup("calm");
    }
    await this.#check();
    await this.#restoreAny();
    while (this.#sealed.size > 0) {
      await this.#purgeAny();
      await this.#check();
    }
    await this.#finishPurges();
    if (this.#backups.files.size > 0) throw new Error(`left: ${[...this.#backups.files.keys()].join(", ")}`);
    return this.#outcome;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(values: readonly T[]): T | undefined {
    return values[this.#below(values.length)];
  }

  #changeSource(): void {
    const { source } = this.#backups;
    const container = this.#pick(CONTAINERS) ?? "";
    const blobs = source.containers.get(container);
    if (blobs === undefined) source.createContainer(container);
    else if (this.#below(12) > 0) this.#changeBlob();
    else {
      for (const [lost, blob] of blobs) this.#gone.push([container, lost, blob]);
      source.containers.delete(container);
    }
  }

  #changeBlob(): void {
    const { source } = this.#backups;
    const container = this.#pick([...source.containers.keys()]);
    if (container === undefined) return;
    const blobs = source.container(container);
    const name = this.#pick(NAMES) ?? "";
    const before = blobs.get(name);
    const kind = this.#below(8);
    if (kind < 2 && before !== undefined) {
      this.#gone.push([container, name, before]);
      blobs.delete(name);
    } else if (kind < 5 && this.#gone.length > 0) {
      // An undelete, or a version that was written over and is now the current one again.
      const [where, what, blob] = this.#pick(this.#gone) ?? [container, name, before];
      if (blob !== undefined) source.containers.get(where)?.set(what, blob);
    } else if (kind === 5 && before !== undefined) {
      blobs.set(name, { ...before, tier: this.#pick(["Hot", "Cool"]) ?? "Hot" });
    } else {
      if (before !== undefined) this.#gone.push([container, name, before]);
      const { etag, content } = source.write(container, name, `content ${this.#contents.size}`);
      this.#contents.set(etag, content);
    }
  }

  async #backup(mood: "any" | "calm" = "any"): Promise<void> {
    const { crash } = this.#backups;
    const id = `job-${this.#jobs++}`;
    await this.#finishPurges();
    const fate = mood === "calm" ? "calm" : this.#pick(["calm", "goes on", "given up"]);
    if (fate !== "calm") crash.arm(this.#below(this.#backups.moments));
    if (await this.#dies(() => this.#backups.backup(id))) {
      if (fate === "goes on") {
        for (let i = this.#below(3); i > 0; i--) this.#changeBlob();
        await this.#backups.backup(id);
      } else {
        await this.#backups.giveUp(id);
        this.#outcome = { ...this.#outcome, givenUp: this.#outcome.givenUp + 1 };
      }
    }
    if (mood === "calm" || this.#below(3) > 0) await this.#backups.sweep();
    for (const point of await listSeals(this.#backups.vault())) {
      if (!this.#sealed.has(point.id)) this.#sealed.set(point.id, this.#read(point.id));
    }
  }

  async #purgeAny(): Promise<void> {
    await this.#finishPurges();
    const id = this.#pick([...this.#sealed.keys()]);
    if (id === undefined) return;
    if (this.#below(2) > 0) await this.#backups.sweep();
    if (this.#below(2) === 0) this.#backups.crash.arm(this.#below(40));
    let progress: PurgeProgress | undefined;
    const died = await this.#dies(async () => {
      progress = await this.#wholePurge(id);
    });
    if (progress?.state === "put-off") {
      this.#outcome = { ...this.#outcome, putOff: this.#outcome.putOff + 1 };
      return;
    }
    if (died) this.#outcome = { ...this.#outcome, deaths: this.#outcome.deaths + 1 };
    // What has begun is gone for readers; what died before it began has to be there still.
    if (!this.#backups.files.has(sealPath(id))) this.#sealed.delete(id);
    await this.#check();
    if (this.#below(2) === 0) await this.#finishPurges();
  }

  async #wholePurge(id: string): Promise<PurgeProgress> {
    let progress = await purgeRecoveryPoint(this.#purgeDeps(), id);
    let counts = progress;
    for (; progress.state === "stopped"; ) {
      progress = await purgeRecoveryPoint(this.#purgeDeps(), id, this.#below(2) === 0 ? progress.from : undefined);
      counts = { ...progress, ...addCounts(counts, progress) };
    }
    if (progress.state === "done") {
      const { purged, objects } = this.#outcome;
      this.#outcome = { ...this.#outcome, purged: purged + 1, objects: objects + counts.objects };
    }
    return counts;
  }

  async #finishPurges(): Promise<void> {
    for (const path of this.#backups.files.keys()) {
      if (!path.startsWith("purges/")) continue;
      this.#sealed.delete(path.slice("purges/".length, -".json".length));
    }
    let progress = await finishPurges(this.#purgeDeps());
    while (progress.state === "stopped") progress = await finishPurges(this.#purgeDeps(), progress.from);
  }

  #purgeDeps(): PurgeDeps {
    return {
      instance: "lake",
      vault: this.#backups.vault(),
      manifests: this.#manifests,
      rows: {
        hasDebris: async (sequence) => (await this.#backups.attempts()).includes(sequence),
        isPinned: async () => false,
        remove: async () => undefined,
      },
      hasTime: () => this.#below(3) > 0,
    };
  }

  async #dies(run: () => Promise<void>): Promise<boolean> {
    const { crash } = this.#backups;
    let died = false;
    try {
      await run();
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      died = true;
    }
    // What died within a step that carries on all the same has not died.
    crash.disarm();
    return died;
  }

  /** Reads a new point from its seal down: by hand, because the checks of the real reader would be most of the time. */
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
          const content = this.#contents.get(etag) ?? `unknown ${etag}`;
          needed.set(objectPath(container, name, etag, birth), content);
          held.set(`${container}/${name}`, content);
        }
      }
    }
    return { needed, held };
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

  async #restoreAny(): Promise<void> {
    const id = this.#pick([...this.#sealed.keys()]);
    const restored = id === undefined ? undefined : await this.#backups.restore(id);
    if (id === undefined || restored === undefined) return;
    const { held } = this.#sealed.get(id) ?? { held: new Map<string, string>() };
    const isSame = restored.size === held.size && [...held].every(([name, content]) => restored.get(name) === content);
    if (!isSame) throw new Error(`point ${id} restores ${[...restored.keys()]}, not ${[...held.keys()]}`);
  }

  async #check(): Promise<void> {
    const { files } = this.#backups;
    const needed = new Set<string>();
    for (const [id, { needed: own }] of this.#sealed) {
      for (const [path, content] of own) {
        if (files.get(path)?.content !== content) throw new Error(`point ${id} has lost '${path}'`);
        needed.add(path);
      }
    }
    const hasJournal = [...files.keys()].some((path) => path.startsWith("purges/"));
    if (hasJournal || (await this.#backups.attempts()).length > 0) return;
    for (const path of files.keys()) if (!needed.has(path)) throw new Error(`nobody needs '${path}'`);
  }
}

/** How many histories were right, and what came about in them. */
export interface Histories extends HistoryOutcome {
  readonly right: number;
}

/**
 * Runs histories, one a seed.
 *
 * @param firstSeed - the others follow it
 * @throws Error at the first that is wrong, naming its seed
 */
export async function runHistories(
  count: number,
  firstSeed: number,
  open: () => Promise<Backups>,
  steps = 6,
): Promise<Histories> {
  let seen: Histories = { right: 0, ...NOTHING_YET };
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const history = new History(await open(), seededRandom(seed));
    let outcome: HistoryOutcome;
    try {
      outcome = await history.run(steps);
    } catch (error) {
      throw new Error(`the history of seed ${seed} is wrong`, { cause: error });
    }
    seen = {
      right: seen.right + 1,
      purged: seen.purged + outcome.purged,
      deaths: seen.deaths + outcome.deaths,
      objects: seen.objects + outcome.objects,
      givenUp: seen.givenUp + outcome.givenUp,
      putOff: seen.putOff + outcome.putOff,
    };
  }
  return seen;
}
