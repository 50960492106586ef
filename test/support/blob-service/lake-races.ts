/**
 * @module
 * A backup and a restore over an in-memory storage service, with the real adapters. Two executions process each piece
 * concurrently while requests are late, answers are lost, executions crash, copies fail and others write. Invariants
 * are checked from outside: each entry of a sealed manifest has its complete object, and a completed restore matches
 * its point.
 */
import { BlobDatasource } from "../../../src/azure/blob-datasource.ts";
import { BlobRestoreTarget } from "../../../src/azure/blob-restore-target.ts";
import { BlobBackupVault } from "../../../src/azure/blob-vault.ts";
import { beginBackupActivity } from "../../../src/backup/begin-backup.ts";
import { checkMarker, writeMarkersActivity } from "../../../src/backup/markers.ts";
import type { MarkerCheckMessage, RangeStep } from "../../../src/backup/messages.ts";
import { planContainer, planRangesActivity } from "../../../src/backup/plan-container.ts";
import { removeMarkersActivity } from "../../../src/backup/remove-markers.ts";
import { sealRecoveryPointActivity } from "../../../src/backup/seal-recovery-point.ts";
import { workRange } from "../../../src/backup/work-range.ts";
import { AdaptivePool } from "../../../src/foundation/adaptive-pool.ts";
import { VaultError } from "../../../src/foundation/errors.ts";
import { endJobActivity } from "../../../src/jobs/end-job.ts";
import { beginRestoreActivity } from "../../../src/restore/begin-restore.ts";
import { checkRestoreActivity } from "../../../src/restore/check-restore.ts";
import { planLanes, planSegmentsActivity } from "../../../src/restore/plan-segments.ts";
import { restoreSegment, type SegmentStep } from "../../../src/restore/restore-segment.ts";
import type { Entry } from "../../../src/vault/entry.ts";
import { objectPath, vaultContainerName } from "../../../src/vault/names.ts";
import { readIndex, readSeal, readSegment } from "../../../src/vault/read-manifest.ts";
import { MemoryLake } from "../memory-lake.ts";
import { Dice } from "../retention-dice.ts";
import { type Execution, noRace, Race, type RaceCounts } from "./race.ts";
import { type StoredBlob, StoredBlobs } from "./stored-blobs.ts";

const INSTANCE = "1".repeat(32);
const VAULT_CONTAINER = vaultContainerName(INSTANCE);
const CONTAINER = "raw";

/** A type, and bytes: more than 20 are copied in blocks. Blobs marked as still are never overwritten. */
const BLOBS: Readonly<
  Record<string, { readonly type: StoredBlob["type"]; readonly bytes: number; readonly metadata?: object }>
> = {
  big: { type: "BlockBlob", bytes: 35, metadata: { Owner: "finance" } },
  disk: { type: "PageBlob", bytes: 16, metadata: { Owner: "finance" } },
  log: { type: "AppendBlob", bytes: 5 },
  small: { type: "BlockBlob", bytes: 5 },
  "still big": { type: "BlockBlob", bytes: 25 },
  "still log": { type: "AppendBlob", bytes: 7, metadata: { Stage: "raw" } },
  "still small": { type: "BlockBlob", bytes: 3 },
};

export interface RaceOutcome extends RaceCounts {
  readonly entries: number;
  readonly warned: number;
  readonly redelivered: number;
  /** Entries with a version that was not requested. */
  readonly later: number;
}

class LakeRace {
  readonly #dice: Dice;
  readonly #blobs = new StoredBlobs();
  readonly #race: Race;
  readonly #lake: MemoryLake;
  /** All states of each blob, as JSON of content and metadata; and by ETag. */
  readonly #states = new Map<string, Set<string>>();
  readonly #versions = new Map<string, string>();
  #users = "";
  #redelivered = 0;

  constructor(seed: number) {
    this.#dice = new Dice(seed);
    this.#blobs.hasSnapshots = !this.#dice.oneIn(6);
    const budgetMs = this.#dice.pick([8, 40, 1_000_000]) ?? 0;
    this.#lake = new MemoryLake({ settings: { budgetMs } });
    const isHot = this.#dice.oneIn(4);
    this.#race = new Race({
      dice: this.#dice,
      blobs: this.#blobs,
      meanwhile: () => this.#write(),
      // A log that is written to all the time.
      before: ({ url, blob }) => {
        if (isHot && blob === "log" && url.searchParams.get("comp") === "snapshot") this.#write("log");
      },
    });
  }

  get trace(): string {
    return this.#race.trace.join("\n");
  }

  async run(): Promise<RaceOutcome> {
    const point = await this.#backup();
    const { entries, later, warned } = await this.#checkPoint(point);
    // All late requests arrive now, when nothing could repair their effects.
    await this.#race.runLate(0.5);
    await this.#checkPoint(point);
    await this.#restore(point, entries);
    await this.#race.runLate();
    await this.#checkPoint(point);
    this.#checkTarget(entries);
    return { ...this.#race.counts, entries: entries.length, later, warned, redelivered: this.#redelivered };
  }

  #remember(name: string, blob: StoredBlob): void {
    const state = JSON.stringify([blob.content.toString(), blob.metadata]);
    this.#states.set(name, (this.#states.get(name) ?? new Set()).add(state));
    this.#versions.set(`${name}|${blob.etag}`, state);
  }

  /** Another writer changes the source. */
  #write(blob?: string): void {
    const names = Object.keys(BLOBS).filter((name) => !name.startsWith("still"));
    const name = blob ?? this.#dice.pick(names) ?? "";
    const { blobs } = this.#blobs.container("prodlake", CONTAINER);
    const before = blobs.get(name);
    const { type = "BlockBlob", bytes = 0 } = BLOBS[name] ?? {};
    if (name === "small" && before !== undefined && this.#dice.oneIn(4)) {
      blobs.delete(name);
      return;
    }
    const fill = this.#dice.below(1_000_000).toString(36).padEnd(bytes, ".");
    const content = type === "AppendBlob" ? `${before?.content ?? ""}${fill.slice(0, 3)}` : fill;
    const metadata = this.#dice.oneIn(4) ? { Changed: String(this.#dice.below(99)) } : (before?.metadata ?? {});
    this.#remember(
      name,
      this.#blobs.put("prodlake", CONTAINER, name, { type, content: Buffer.from(content), metadata }),
    );
  }

  /** Runs without faults. */
  async #calm<T>(work: (deps: Deps) => Promise<T>): Promise<T> {
    const results: T[] = [];
    this.#race.faults = false;
    const runner = this.#race.begin("calm", async (execution) => {
      results.push(await work(depsOf(this.#lake, execution)));
    });
    await this.#race.run();
    this.#race.faults = true;
    const [result] = results;
    if (runner.end !== "done" || results.length === 0) throw runner.error;
    return result as T;
  }

  /** Delivers a message to two executions concurrently, repeatedly until one completes. */
  async #deliver<T>(work: (deps: Deps) => Promise<T>): Promise<T> {
    for (let tries = 0; tries < 4; tries++) {
      const results: T[] = [];
      const runners = ["A", "B"].map((name) =>
        this.#race.begin(`${name}${this.#redelivered}`, async (execution) => {
          results.push(await work(depsOf(this.#lake, execution)));
        }),
      );
      await this.#race.run();
      for (const { end, error } of runners) if (end === "failed") refuseUnknown(error);
      const [result] = results;
      if (results.length > 0) return result as T;
      this.#redelivered += 1;
    }
    return this.#calm(work);
  }

  async #backup(): Promise<string> {
    for (const account of ["prodlake", "vault", "target"]) {
      if (account === "prodlake") this.#blobs.createContainer(account, CONTAINER);
      if (account === "vault") this.#blobs.createContainer(account, VAULT_CONTAINER);
    }
    for (const [name, { type, bytes, metadata = {} }] of Object.entries(BLOBS)) {
      const blob = { type, content: Buffer.alloc(bytes, name), metadata: { ...metadata } };
      this.#remember(name, this.#blobs.put("prodlake", CONTAINER, name, blob));
    }
    if (this.#blobs.hasSnapshots) this.#users = this.#blobs.snapshot("prodlake", CONTAINER, "still log", {}, {}).id;
    await this.#lake.protect({ kind: "chosen", names: [CONTAINER] });
    const ref = await this.#lake.requestBackup("job");
    const messages = await this.#calm(async (deps) => {
      await beginBackupActivity(deps, ref);
      await writeMarkersActivity(deps, ref);
      const [plan] = await planRangesActivity(deps, ref);
      return plan === undefined ? [] : (await planContainer(deps, plan)).ranges;
    });
    const queue = [...messages];
    const checks: MarkerCheckMessage[] = [];
    for (let message = queue.shift(), pieces = 0; message !== undefined; message = queue.shift()) {
      const next = message;
      const step: RangeStep =
        pieces++ > MAX_PIECES
          ? await this.#calm((deps) => workRange(unhurried(deps), next))
          : await this.#deliver((deps) => workRange(deps, next));
      queue.push(...step.ranges);
      if (step.check !== undefined) checks.push(step.check);
    }
    return this.#calm(async (deps) => {
      for (const check of checks) await checkMarker(deps, check);
      await sealRecoveryPointActivity(deps, ref);
      await endJobActivity(deps, ref);
      await removeMarkersActivity(deps, ref);
      return (await this.#lake.job("job")).recoveryPoint?.id ?? "";
    });
  }

  async #checkPoint(point: string) {
    const { seal, entries } = await this.#calm(async (deps) => {
      const vault = deps.vault();
      const read = await readSeal(vault, point);
      const index = await readIndex(vault, read, CONTAINER);
      const all: Entry[] = [];
      for (const segment of index?.segments ?? []) all.push(...(await readSegment(vault, segment)));
      return { seal: read, entries: all };
    });
    let later = 0;
    for (const entry of entries) {
      const path = objectPath(CONTAINER, entry.name, entry.etag, entry.birth);
      const object = this.#blobs.container("vault", VAULT_CONTAINER).blobs.get(path);
      if (object === undefined) throw new Error(`the object of '${entry.name}' is lost: ${path}`);
      if (object.copy !== undefined && object.copy.status !== "success")
        throw new Error(`${path}: ${object.copy.status}`);
      if (object.content.length !== entry.size) throw new Error(`${path} has not the size of its entry`);
      const state = JSON.stringify([object.content.toString(), object.metadata]);
      const version = this.#versions.get(`${entry.name}|${entry.etag}`);
      if (version === undefined) later += 1;
      const isTrue = version === undefined ? this.#states.get(entry.name)?.has(state) === true : version === state;
      if (!isTrue) throw new Error(`${path} was never so: ${state}`);
    }
    // Only a deleted blob may be missing without a warning.
    const said = new Set([...entries, ...seal.warnings.first].map(({ name }) => name));
    const lost = Object.keys(BLOBS).filter((name) => name !== "small" && !said.has(name));
    if (lost.length > 0) throw new Error(`neither in the point nor in its warnings: ${lost}`);
    const { snapshots } = this.#blobs.find("prodlake", CONTAINER, "still log");
    if (this.#users !== "" && !snapshots.has(this.#users)) throw new Error("a snapshot of the user's is gone");
    return { entries, later, warned: seal.warnings.count };
  }

  async #restore(point: string, entries: readonly Entry[]): Promise<void> {
    const ref = await this.#lake.requestRestore("restore", point, [CONTAINER]);
    const messages = await this.#calm(async (deps) => {
      await beginRestoreActivity(deps, ref);
      const { messages: plans } = await planSegmentsActivity(deps, ref);
      const all = [];
      for (const plan of plans) all.push(...(await planLanes(deps, plan)));
      return all;
    });
    const queue = [...messages];
    for (let message = queue.shift(), times = 0; message !== undefined; message = queue.shift()) {
      const next = message;
      const step: SegmentStep =
        times++ > MAX_PIECES
          ? await this.#calm((deps) => restoreSegment(unhurried(deps), next))
          : await this.#deliver((deps) => restoreSegment(deps, next));
      if (step.rest !== undefined) queue.push(step.rest);
    }
    const status = await this.#calm(async (deps) => {
      await checkRestoreActivity(deps, ref);
      return endJobActivity(deps, ref);
    });
    if (status !== "Completed") throw new Error(`the restore ended as ${status}`);
    this.#checkTarget(entries);
  }

  #checkTarget(entries: readonly Entry[]): void {
    const { blobs } = this.#blobs.container("target", CONTAINER);
    for (const { name, etag, birth } of entries) {
      const restored = blobs.get(name);
      const object = this.#blobs.find("vault", VAULT_CONTAINER, objectPath(CONTAINER, name, etag, birth));
      if (restored === undefined) throw new Error(`'${name}' is not restored`);
      if (restored.copy !== undefined && restored.copy.status !== "success")
        throw new Error(`'${name}' is half restored`);
      const [a, b] = [restored, object].map((blob) => JSON.stringify([blob.content.toString(), blob.metadata]));
      if (a !== b) throw new Error(`'${name}' is restored as ${a}, not as ${b}`);
    }
  }
}

/** The real adapters of one execution; one request at a time, so that dice decide about all of them. */
function depsOf(lake: MemoryLake, { account, limits }: Execution) {
  const [source, vault] = [account("prodlake"), account("vault")];
  const settings = { widest: 1, retryForMs: 0, firstBackoffMs: 1, maxBackoffMs: 1 };
  let now = 0;
  const pool = new AdaptivePool(settings, { clock: () => new Date(now), sleep, random: () => 0 });
  async function sleep(ms: number): Promise<void> {
    now += ms;
    // Occasional checks of the time are left to the code under test, so that only dice decide the order.
    if (ms > settings.maxBackoffMs) await new Promise(() => undefined);
  }
  const files = new BlobBackupVault(vault, INSTANCE, source, { limits });
  return {
    ...lake.deps,
    datasource: () => new BlobDatasource(source, "blobServices"),
    vault: () => files,
    target: () => new BlobRestoreTarget(account("target"), vault, INSTANCE, limits),
    pool: () => pool,
  };
}

type Deps = ReturnType<typeof depsOf>;

/** A piece that was cut short this often gets unlimited time. */
const MAX_PIECES = 30;

function unhurried(deps: Deps): Deps {
  return { ...deps, settings: { ...deps.settings, budgetMs: Number.MAX_SAFE_INTEGER } };
}

/** Only retryable errors may end a delivery. */
function refuseUnknown(error: unknown): void {
  if (error instanceof VaultError && /^(storage|internal)\//.test(error.code)) return;
  throw error;
}

export function noOutcome(): RaceOutcome {
  return { ...noRace(), entries: 0, warned: 0, redelivered: 0, later: 0 };
}

/**
 * Runs the race of a seed.
 *
 * @throws Error when an invariant is violated, with the seed and the trace
 */
export async function runLakeRace(seed: number): Promise<RaceOutcome> {
  const race = new LakeRace(seed);
  try {
    return await race.run();
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(`the race of seed ${seed} is lost: ${said}\n${race.trace}`, { cause: error });
  }
}

export function addOutcomes(a: RaceOutcome, b: RaceOutcome): RaceOutcome {
  return Object.fromEntries(
    Object.entries(a).map(([name, count]) => [name, count + b[name as keyof RaceOutcome]]),
  ) as unknown as RaceOutcome;
}
