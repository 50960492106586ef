/**
 * @module
 * Random vaults, created by the real in-memory engine, with random debris and random damage; and the expected result of
 * a scrub, computed slowly from everything at once.
 */
import { gunzipSync } from "node:zlib";
import { removeMarkersActivity } from "../../src/backup/remove-markers.ts";
import { endJobActivity } from "../../src/jobs/end-job.ts";
import { purgeRecoveryPoint } from "../../src/purge/purge-recovery-point.ts";
import type { Entry } from "../../src/vault/entry.ts";
import { ManifestCache } from "../../src/vault/manifest-cache.ts";
import type { ManifestIndex } from "../../src/vault/manifest-index.ts";
import {
  CONTENT_PREFIXES,
  indexPath,
  markersPrefix,
  objectPath,
  SEALS_PREFIX,
  sealPath,
  vaultMarkerPath,
} from "../../src/vault/names.ts";
import type { Seal } from "../../src/vault/seal.ts";
import { Crash } from "./crash-switch.ts";
import type { MemoryBlob, MemoryVault } from "./memory-account.ts";
import { MemoryLake } from "./memory-lake.ts";
import { INSTANCE, ScrubWorld } from "./scrub-world.ts";
import { seededRandom } from "./seeded-random.ts";

const CONTAINERS = ["raw", "curated"];
const NAMES = ["a", "a!", "a/b", "a/c", "b", "long".repeat(300)];

/** The files of one sealed point. */
interface Held {
  readonly id: string;
  readonly sequence: number;
  readonly job: string;
  readonly containers: readonly {
    readonly name: string;
    readonly index: string;
    readonly segments: readonly { readonly path: string; readonly objects: readonly string[] }[];
  }[];
}

/** Reads all points from their seals down, without the real reader. @returns ascending by number */
function readAll({ files }: MemoryVault): Held[] {
  const bytesOf = (path: string): Buffer => {
    const file = files.get(path);
    if (file === undefined) throw new Error(`'${path}' is needed but missing`);
    return Buffer.from(file.content, "latin1");
  };
  const seals = [...files.keys()].filter((path) => path.startsWith(SEALS_PREFIX));
  const held = seals.map((path): Held => {
    const seal = JSON.parse(bytesOf(path).toString()) as Seal;
    const containers = seal.containers.map(({ name, index }) => ({
      name,
      index: index.path,
      segments: (JSON.parse(bytesOf(index.path).toString()) as ManifestIndex).segments.map((segment) => ({
        path: segment.path,
        objects: gunzipSync(bytesOf(segment.path))
          .toString()
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => JSON.parse(line) as Entry)
          .map((entry) => objectPath(name, entry.name, entry.etag, entry.birth)),
      })),
    }));
    return { id: seal.recoveryPoint, sequence: seal.sequence, job: seal.job, containers };
  });
  return held.sort((a, b) => a.sequence - b.sequence);
}

function pathsOf(points: readonly Held[]): Set<string> {
  const paths = new Set<string>();
  for (const { id, job, containers } of points) {
    paths.add(sealPath(id));
    for (const { name, index, segments } of containers) {
      paths.add(index).add(vaultMarkerPath(job, name));
      for (const { path, objects } of segments) for (const one of [path, ...objects]) paths.add(one);
    }
  }
  return paths;
}

type Damage = "gone" | "altered";

/** Expected marks of each point: missing, altered, manifests. */
export type Marks = Readonly<Record<string, readonly [number, number, number]>>;

/** Computes the damage of each point from its content and the damaged files. */
function marksOf(points: readonly Held[], damaged: ReadonlyMap<string, Damage>): Marks {
  const marks = new Map<string, [number, number, number]>();
  const add = (kind: 0 | 1 | 2, first: number, last: number): void => {
    for (const { id, sequence } of points) {
      if (sequence < first || sequence > last) continue;
      const mark = marks.get(id) ?? [0, 0, 0];
      mark[kind] += 1;
      marks.set(id, mark);
    }
  };
  /** Numbers of the points that need a path. */
  const seen = new Map<string, number[]>();
  const see = (path: string, sequence: number): void => {
    if (damaged.has(path)) seen.set(path, [...(seen.get(path) ?? []), sequence]);
  };
  for (const { id, sequence, containers } of points) {
    see(sealPath(id), sequence);
    if (damaged.has(sealPath(id))) continue;
    for (const { index, segments } of containers) {
      see(index, sequence);
      if (damaged.has(index)) continue;
      for (const { path, objects } of segments) {
        see(path, sequence);
        if (!damaged.has(path)) for (const object of objects) see(object, sequence);
      }
    }
  }
  for (const [path, numbers] of seen) {
    const kind = !path.startsWith("data") ? 2 : damaged.get(path) === "gone" ? 0 : 1;
    add(kind, Math.min(...numbers), Math.max(...numbers));
  }
  return Object.fromEntries(marks);
}

/** Counts of a number of histories. */
export interface ScrubOutcome {
  readonly points: number;
  readonly removed: number;
  readonly damaged: number;
  readonly steps: number;
  readonly deaths: number;
  /** Backups and purges between two steps. */
  readonly meanwhile: number;
}

export const NO_OUTCOME: ScrubOutcome = { points: 0, removed: 0, damaged: 0, steps: 0, deaths: 0, meanwhile: 0 };

export class ScrubHistory {
  readonly #random: () => number;
  readonly #lake: MemoryLake;
  readonly #world: ScrubWorld;
  #jobs = 0;
  #outcome = NO_OUTCOME;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#lake = new MemoryLake({
      pageSize: 3,
      settings: { segmentSizes: { usual: 2, largest: 4, small: 1 } },
      planSettings: { rangeNames: 3 },
    });
    this.#world = new ScrubWorld(this.#lake, 1 + this.#below(4));
  }

  /** @throws Error with the violated invariant */
  async run(): Promise<ScrubOutcome> {
    await this.#lake.protect();
    this.#vault.answersMd5 = this.#below(2) === 0;
    for (const name of CONTAINERS) this.#lake.source.createContainer(name);
    for (let step = 2 + this.#below(4); step > 0; step--) await this.#event();
    await this.#calmRound();
    await this.#roundAmongOthers();
    await this.#roundOfDamage();
    return this.#outcome;
  }

  get #vault(): MemoryVault {
    return this.#lake.vault;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(values: readonly T[]): T | undefined {
    return values[this.#below(values.length)];
  }

  #add(more: Partial<ScrubOutcome>): void {
    const sum: Record<string, number> = { ...this.#outcome };
    for (const [name, number] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + number;
    this.#outcome = sum as unknown as ScrubOutcome;
  }

  async #event(): Promise<void> {
    for (let changes = this.#below(5); changes > 0; changes--) this.#changeBlob();
    const kind = this.#below(6);
    if (kind === 0) await this.#failBackup();
    else if (kind === 1) await this.#purgeAny();
    else await this.#backup();
  }

  #changeBlob(): void {
    const container = this.#pick(CONTAINERS) ?? "";
    const name = this.#pick(NAMES) ?? "";
    if (this.#below(4) === 0) this.#lake.source.container(container).delete(name);
    else this.#lake.source.write(container, name, `content ${this.#below(1_000_000)}`, this.#kindOfBlob());
  }

  /** Blobs of each type, some with an MD5 from their writer. */
  #kindOfBlob(): Partial<MemoryBlob> {
    const type = this.#pick([undefined, "append", "page"] as const);
    return {
      ...(type === undefined ? {} : { type }),
      ...(this.#below(3) === 0 ? { claimedMd5: `old ${this.#below(100)}` } : {}),
    };
  }

  async #backup(): Promise<void> {
    const ref = await this.#lake.requestBackup(`job-${this.#jobs++}`);
    await this.#lake.deliverAll(await this.#lake.beginBackup(ref));
    await this.#lake.seal(ref);
  }

  async #failBackup(): Promise<void> {
    const ref = await this.#lake.requestBackup(`job-${this.#jobs++}`);
    await this.#lake.deliverAll((await this.#lake.beginBackup(ref)).slice(0, this.#below(4)));
    await endJobActivity(this.#lake.deps, { ...ref, failure: { code: "storage/unavailable", message: "gone" } });
    await removeMarkersActivity(this.#lake.deps, ref);
  }

  async #purgeAny(): Promise<void> {
    const id = this.#pick(readAll(this.#vault))?.id;
    if (id === undefined) return;
    const rows = {
      hasDebris: async () => false,
      isPinned: async () => false,
      remove: (point: string) => this.#lake.recoveryPoints.remove(INSTANCE, point),
    };
    const deps = { instance: INSTANCE, vault: this.#vault, manifests: new ManifestCache(), rows };
    const { state } = await purgeRecoveryPoint(deps, id);
    if (state !== "done") throw new Error(`the purge of '${id}' is ${state}`);
  }

  /** Adds files to the vault that no point needs. @returns those that are too young for deletion */
  #strew(): Set<string> {
    const young = new Set<string>();
    const newest = readAll(this.#vault).at(-1)?.sequence ?? 0;
    for (let count = this.#below(8); count > 0; count--) {
      const container = this.#pick([...CONTAINERS, "other"]) ?? "";
      const name = this.#pick([...NAMES, "z", "A", "longer".repeat(250)]) ?? "";
      const path =
        this.#pick([
          objectPath(container, name, `debris${this.#below(99)}`, 1 + this.#below(newest + 2)),
          objectPath(container, name, `debris${this.#below(99)}`, 1 + this.#below(newest + 2)),
          `manifests/${this.#pick([...readAll(this.#vault).map(({ id }) => id), "failed"])}/${container}/${this.#below(99)}.ndjson.gz`,
          indexPath("failed", container),
          `${markersPrefix("failed")}${container}`,
        ]) ?? "";
      this.#vault.files.set(path, { content: "debris", etag: "0x0", modified: "2026-01-01T00:00:00.000Z" });
      if (this.#below(4) > 0) continue;
      young.add(path);
      this.#world.files.writtenAt.set(path, this.#world.now);
    }
    return young;
  }

  /** Ends steps at random. */
  #cut(): void {
    this.#world.tickMs = 1;
    this.#world.settings = {
      ...this.#world.settings,
      budgetMs: this.#pick([0, 1, 3, 10, 1_000]) ?? 0,
      sliceObjects: 1 + this.#below(3),
      batchFiles: 1 + this.#below(5),
      rereadShare: this.#pick([0, 0.3]) ?? 0,
    };
  }

  /** Without damage: deletes all debris, and nothing else. */
  async #calmRound(): Promise<void> {
    const young = this.#strew();
    const points = readAll(this.#vault);
    const newest = points.at(-1)?.sequence ?? 0;
    const needed = pathsOf(points);
    const stays = (path: string): boolean =>
      points.length === 0 ||
      needed.has(path) ||
      young.has(path) ||
      !CONTENT_PREFIXES.some((prefix) => path.startsWith(prefix)) ||
      (path.startsWith("data") && Number(path.slice(path.lastIndexOf(".") + 1)) > newest);
    const expected = this.#world.paths().filter(stays);
    const before = this.#world.paths().length;
    await this.#scrub(async () => undefined);
    this.#expectSame("files", this.#world.paths(), expected);
    this.#expectSame("marks", this.#world.marks(), {});
    this.#expectSame("alerts", this.#critical(), []);
    this.#add({ points: points.length, removed: before - expected.length });
  }

  /** With concurrent backups and purges: keeps everything that their points need, and reports no damage. */
  async #roundAmongOthers(): Promise<void> {
    this.#strew();
    await this.#scrub(async () => {
      // A scrub that crashed while deleting holds the lock until its next step.
      if (this.#below(8) > 0 || this.#lake.locks.size > 0) return;
      await this.#event();
      this.#add({ meanwhile: 1 });
    });
    readAll(this.#vault);
    for (const path of pathsOf(readAll(this.#vault))) {
      if (!this.#vault.files.has(path)) throw new Error(`'${path}' is needed but missing`);
    }
    this.#expectSame("marks", this.#world.marks(), {});
    this.#expectSame("alerts", this.#critical(), []);
  }

  /** With damage: finds each damaged file, marks exactly the points that need it, and deletes nothing else. */
  async #roundOfDamage(): Promise<void> {
    this.#strew();
    const points = readAll(this.#vault);
    const needed = pathsOf(points);
    const damaged = new Map<string, Damage>();
    const all = [...needed].filter((path) => !path.startsWith("markers/")).sort();
    for (let count = this.#below(6); count > 0 && all.length > 0; count--) {
      const path = this.#pick(all) ?? "";
      if (!damaged.has(path)) damaged.set(path, this.#damage(path));
    }
    await this.#scrub(async () => undefined);
    const marks = marksOf(points, damaged);
    this.#expectSame("marks", sorted(this.#world.marks()), sorted(marks));
    const hasAny = [0, 1, 2].map((kind) => Object.values(marks).some((mark) => (mark[kind] ?? 0) > 0));
    const kinds = ["scrub.objects-missing", "scrub.objects-altered", "scrub.manifests-damaged"];
    this.#expectSame("alerts", this.#critical(), kinds.filter((_, i) => hasAny[i]).sort());
    for (const path of needed) {
      if (damaged.get(path) !== "gone" && !this.#vault.files.has(path))
        throw new Error(`'${path}' is needed but missing`);
    }
    this.#add({ damaged: damaged.size });
  }

  /** If copies return no MD5, a wrong MD5 from a writer looks like altered content: a warning. */
  #critical(): string[] {
    const kinds = Object.keys(this.#world.openAlerts()).sort();
    return this.#vault.answersMd5 ? kinds : kinds.filter((kind) => kind !== "scrub.md5-unconfirmed");
  }

  #damage(path: string): Damage {
    const file = this.#vault.files.get(path) as MemoryBlob;
    const bytes = Buffer.from(file.content, "latin1");
    const kind = this.#below(3);
    if (kind === 0) this.#vault.files.delete(path);
    else if (kind === 1) this.#vault.files.set(path, { ...file, content: file.content.slice(0, -2) });
    else {
      // Within a seal any byte of its ids and totals is checked; its human-readable text is not.
      const at = path.startsWith(SEALS_PREFIX) ? 0 : this.#below(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      // Writing a block blob changes its MD5, writing a page does not.
      const { claimedMd5, ...written } = file;
      const claim = claimedMd5 === undefined || file.type === undefined ? {} : { claimedMd5 };
      this.#vault.files.set(path, { ...written, ...claim, content: bytes.toString("latin1") });
      this.#world.files.writtenAt.set(path, this.#world.now);
    }
    return kind === 0 ? "gone" : "altered";
  }

  /** Processes a round, with ends and crashes at random, and an action between the steps. */
  async #scrub(between: () => Promise<void>): Promise<void> {
    this.#cut();
    const before = await this.#endedRounds();
    let ref = await this.#world.request();
    for (;;) {
      if (this.#below(3) === 0) this.#world.crash.arm(this.#below(150));
      try {
        const steps = await this.#world.work(ref, async () => {
          this.#world.crash.disarm();
          await between();
          if (this.#below(6) === 0) this.#world.crash.arm(this.#below(60));
        });
        this.#world.crash.disarm();
        this.#add({ steps });
        return;
      } catch (error) {
        this.#world.crash.disarm();
        if (!(error instanceof Crash)) throw error;
        this.#add({ deaths: 1 });
        if (this.#below(2) === 0) continue;
        // The job is abandoned, and another continues.
        await this.#world.end(ref, "Failed");
        if ((await this.#endedRounds()) > before) return;
        ref = await this.#world.request();
      }
    }
  }

  async #endedRounds(): Promise<number> {
    const state = (await this.#world.scrubs.get(INSTANCE, "round"))?.value;
    return state === undefined ? 0 : state.round - (state.endedAt === undefined ? 1 : 0);
  }

  #expectSame(what: string, found: unknown, expected: unknown): void {
    const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
    if (a !== b) throw new Error(`${what}: ${a}, not ${b}`);
  }
}

function sorted(marks: Marks): Marks {
  return Object.fromEntries(Object.entries(marks).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Runs histories, one per seed.
 *
 * @throws Error at the first failure, with its seed
 */
export async function runScrubHistories(count: number, firstSeed: number): Promise<ScrubOutcome> {
  let all = NO_OUTCOME;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    let one: ScrubOutcome;
    try {
      one = await new ScrubHistory(seed).run();
    } catch (error) {
      throw new Error(`the history of seed ${seed} is wrong`, { cause: error });
    }
    all = {
      points: all.points + one.points,
      removed: all.removed + one.removed,
      damaged: all.damaged + one.damaged,
      steps: all.steps + one.steps,
      deaths: all.deaths + one.deaths,
      meanwhile: all.meanwhile + one.meanwhile,
    };
  }
  return all;
}
