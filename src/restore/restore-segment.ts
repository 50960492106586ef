import type { AdaptivePool } from "../foundation/adaptive-pool.ts";
import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { deadline } from "../foundation/deadline.ts";
import { VaultError } from "../foundation/errors.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { Job, RestoreRequest } from "../jobs/job.ts";
import { addTotals, type JobTotals, NO_TOTALS } from "../jobs/job-totals.ts";
import { isStillWanted, type JobUnderWay, jobUnderWay } from "../jobs/job-under-way.ts";
import { nextInLane } from "../jobs/lanes.ts";
import { NOTE_EVERY_MS, ProgressNote } from "../jobs/progress-note.ts";
import { plannedRangeId, type WorkRecord, workRows } from "../jobs/work.ts";
import type { Entry } from "../vault/entry.ts";
import { type NameComparator, nameComparator } from "../vault/listing-order.ts";
import type { ManifestCache } from "../vault/manifest-cache.ts";
import type { ManifestIndex } from "../vault/manifest-index.ts";
import { objectPath } from "../vault/names.ts";
import { readSegment } from "../vault/read-manifest.ts";
import { restoredEvent, type SegmentMessage } from "./messages.ts";
import type { RestoredBlob, RestoreTarget, RestoreVault } from "./restore-target.ts";
import { isContainerRestored, isSegmentRestored, noteRestored } from "./restored-segments.ts";

export interface RestoreSettings {
  /** A worker starts and retries no copy after this time; see `src/azure/function-time.ts`. */
  readonly budgetMs: number;
  /** Maximum entries of a slice. Between two slices of a segment a worker checks whether its job still runs. */
  readonly sliceEntries: number;
  /** Maximum bytes of a slice; whichever is reached first. */
  readonly sliceBytes: number;
  /** Time between two progress rows of a segment. */
  readonly noteEveryMs: number;
}

export const RESTORE_SETTINGS: RestoreSettings = {
  budgetMs: 4 * 60_000,
  sliceEntries: 1_000,
  sliceBytes: 4 * 2 ** 30,
  noteEveryMs: NOTE_EVERY_MS,
};

export interface RestoreSegmentDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly work: RecordTable<WorkRecord>;
  readonly vault: (instanceId: string) => RestoreVault;
  readonly manifests: ManifestCache;
  readonly target: (request: RestoreRequest, instanceId: string) => RestoreTarget;
  /** Shared by all segments in this process that are restored to the same account. */
  readonly pool: (account: string) => AdaptivePool;
  readonly clock: Clock;
  /** Whether the host is about to stop this process: the next message then continues the segment. */
  readonly isStopping: () => boolean;
  readonly settings: RestoreSettings;
}

/** Restored blobs that are read at once, where a listing does not prove that they are correct. */
const CHECKING_WIDTH = 8;

/** The result of a message. */
export interface SegmentStep {
  /** To send to the queue: the same segment, if there was no time for all of it, or the next one of its lane. */
  readonly rest?: SegmentMessage;
  /** To raise to the restore's orchestration: the whole container is restored. */
  readonly event?: string;
}

/**
 * Copies the objects of one segment into the restore target, then lists the target and compares it with the segment.
 *
 * Safe to run twice, also concurrently: a blob is never overwritten, an existing one is compared like all others, and
 * the result row is inserted once. The job created the target's containers, so every correct blob in them was restored
 * by this attempt or another one of the job: the totals are those of the segment.
 *
 * @throws VaultError `format/corrupt`, `format/missing`, `restore/target-changed`, `restore/verification-failed`, and
 *   retryable ones of storage
 */
export async function restoreSegment(deps: RestoreSegmentDeps, message: SegmentMessage): Promise<SegmentStep> {
  const startedAt = deps.clock();
  const under = await jobUnderWay(deps, message);
  if (under === undefined || under.job.request.kind !== "restore") return {};
  const { job } = under;
  const { container, segment, lanes } = message;
  const index = await readIndexOf(deps, job, container);

  if (!(await isSegmentRestored(deps.work, job.id, container, segment))) {
    const worker = new SegmentWorker(deps, job, under.job.request, message, startedAt);
    const end = await worker.restore(index);
    if (end === "job ended") return {};
    if (end === "unfinished") return { rest: message };
    await noteRestored(deps.work, job.id, container, segment, end);
    await worker.noteEnd();
  }
  const parts = index.segments.length;
  const next = nextInLane(segment, lanes ?? parts, parts);
  return {
    ...(next === undefined ? {} : { rest: { ...message, segment: next } }),
    ...((await isContainerRestored(deps.work, job.id, container, segment)) ? { event: restoredEvent(container) } : {}),
  };
}

async function readIndexOf(deps: RestoreSegmentDeps, job: JobUnderWay, container: string): Promise<ManifestIndex> {
  const vault = deps.vault(job.instance);
  const seal = await deps.manifests.readSeal(vault, job.instance, job.recoveryPoint.id);
  const index = await deps.manifests.readIndex(vault, seal, container);
  if (index !== undefined) return index;
  throw new VaultError("format/corrupt", `the recovery point does not hold container '${container}'`);
}

class SegmentWorker {
  readonly #deps: RestoreSegmentDeps;
  readonly #job: JobUnderWay;
  readonly #message: SegmentMessage;
  readonly #target: RestoreTarget;
  readonly #pool: AdaptivePool;
  readonly #progress: ProgressNote;
  readonly #isInTime: () => boolean;
  /** Of what is in the target. */
  #totals: JobTotals = NO_TOTALS;
  #copied = 0;

  constructor(
    deps: RestoreSegmentDeps,
    job: JobUnderWay,
    request: RestoreRequest,
    message: SegmentMessage,
    startedAt: Date,
  ) {
    this.#deps = deps;
    this.#job = job;
    this.#message = message;
    this.#target = deps.target(request, job.instance);
    this.#pool = deps.pool(request.target.account);
    const row = workRows.running(message.container, plannedRangeId(message.segment), 0);
    this.#progress = new ProgressNote(deps.work, job.id, row, deps.clock, deps.settings.noteEveryMs);
    this.#isInTime = deadline(deps.clock, deps.settings.budgetMs, startedAt);
  }

  /** @returns the segment's totals once all of it is in the target, and correct */
  async restore(index: ManifestIndex): Promise<JobTotals | "unfinished" | "job ended"> {
    const { container, segment } = this.#message;
    const ref = index.segments[segment];
    if (ref === undefined) throw new VaultError("format/corrupt", `container '${container}' has no segment ${segment}`);
    void this.#progress.announce();
    const entries = await readSegment(this.#deps.vault(this.#job.instance), ref);
    const compare = nameComparator(index.order);

    const before = await this.#list(entries, compare);
    if (before === undefined) return "unfinished";
    const wanted = entries.filter(({ name }) => before.get(name)?.isWhole !== true);
    // This listing is later than the copies of earlier messages, so it proves them.
    if (wanted.length === 0) return this.#totalsIfAllThere(entries, before);
    this.#totals = totalsOf(entries.filter(({ name }) => before.get(name)?.isWhole === true));
    for (const slice of slicesOf(wanted, this.#deps.settings)) {
      const shouldContinue = (): boolean => {
        // Also called while all copies wait, so that the job shows a heartbeat.
        void this.#progress.note(this.#totals, this.#pool.pressure);
        return this.#hasTime();
      };
      const { results, gaveUp } = await this.#pool.mapWhile(slice, shouldContinue, (entry) => this.#copy(entry));
      if (gaveUp !== undefined && this.#copied === 0) throw gaveUp;
      if (Array.from(results).some((result) => result !== "there")) return "unfinished";
      if (!(await this.#isWanted())) return "job ended";
    }
    // Only the target's own listing counts.
    const after = await this.#list(entries, compare);
    return after === undefined ? "unfinished" : this.#totalsIfAllThere(entries, after);
  }

  async noteEnd(): Promise<void> {
    await this.#progress.end();
  }

  async #copy(entry: Entry): Promise<"there" | "unfinished"> {
    // Each message makes progress, however little time it has.
    if (this.#copied > 0 && !this.#hasTime()) return "unfinished";
    const { container } = this.#message;
    const { name, etag, birth } = entry;
    const path = objectPath(container, name, etag, birth);
    const outcome = await this.#target.copyObject(path, container, entry, () => this.#hasTime());
    switch (outcome.kind) {
      case "copied":
      case "exists":
        this.#copied += 1;
        this.#totals = addTotals(this.#totals, totalsOf([entry]));
        return "there";
      case "unfinished":
        return "unfinished";
      case "missing":
        throw new VaultError("format/missing", `the vault has no object for '${name}' in container '${container}'`, {
          hint: "something other than Lakevault changed the vault account; use another recovery point",
        });
      case "unreadable":
        throw new VaultError(
          "format/missing",
          `the object of '${name}' in container '${container}' cannot be read: ${outcome.message}`,
          { hint: "move the object back to an online access tier, wait until that has ended, then restore again" },
        );
    }
  }

  #hasTime(): boolean {
    return !this.#deps.isStopping() && this.#isInTime();
  }

  #isWanted(): Promise<boolean> {
    return isStillWanted(this.#deps.jobs, this.#message);
  }

  /**
   * Lists what the target has of the segment.
   *
   * @returns blobs by name; undefined when there was no time
   */
  async #list(
    entries: readonly Entry[],
    compare: NameComparator,
  ): Promise<ReadonlyMap<string, RestoredBlob> | undefined> {
    const wanted = new Set(entries.map(({ name }) => name));
    const { results, gaveUp } = await this.#pool.mapWhile(
      [wanted],
      () => this.#hasTime(),
      async () => {
        const found = new Map<string, RestoredBlob>();
        for await (const page of this.#pages(entries, compare)) {
          for (const blob of page) if (wanted.has(blob.name)) found.set(blob.name, blob);
        }
        return found;
      },
    );
    if (gaveUp !== undefined) throw gaveUp;
    return results[0];
  }

  /** @returns `unfinished` while another worker still copies into a blob */
  async #totalsIfAllThere(
    entries: readonly Entry[],
    found: ReadonlyMap<string, RestoredBlob>,
  ): Promise<JobTotals | "unfinished"> {
    const unsure: Entry[] = [];
    let isWhole = true;
    for (const entry of entries) {
      const blob = found.get(entry.name);
      if (blob === undefined) {
        const { container } = this.#message;
        throw new VaultError(
          "restore/verification-failed",
          `'${entry.name}' was not found in '${container}' after its copy`,
        );
      }
      const isSame = blob.isWhole ? this.#isSame(entry, blob) : true;
      if (isSame === false) this.#refuse(entry);
      if (isSame === undefined) unsure.push(entry);
      isWhole &&= blob.isWhole;
    }
    await mapBounded(unsure, CHECKING_WIDTH, (entry) => this.#checkContent(entry));
    return isWhole ? totalsOf(entries) : "unfinished";
  }

  /**
   * Whether the listing shows the blob of an entry. Undefined: its content decides. A blob keeps the MD5 of its object,
   * which its writer at the source may have set wrongly, while the entry may have the one that the copy into the vault
   * computed.
   */
  #isSame(entry: Entry, blob: RestoredBlob): boolean | undefined {
    if (blob.size !== entry.size) return false;
    return !blob.md5 || !entry.md5 || blob.md5 === entry.md5 || undefined;
  }

  async #checkContent(entry: Entry): Promise<void> {
    const md5 = await this.#pool.run(() => this.#target.contentMd5(this.#message.container, entry.name));
    if (md5 !== entry.md5) this.#refuse(entry);
  }

  #refuse(entry: Entry): never {
    const { container } = this.#message;
    throw new VaultError(
      "restore/target-changed",
      `'${entry.name}' in '${container}' does not match the recovery point`,
      {
        hint: "something else writes to the target container; restore to containers that nothing else uses",
      },
    );
  }

  /** Pages of the target from the first name of the segment to the last, and a little beyond. */
  async *#pages(
    entries: readonly Entry[],
    compare: NameComparator,
  ): AsyncGenerator<readonly RestoredBlob[], void, undefined> {
    const first = entries[0]?.name ?? "";
    const last = entries.at(-1)?.name ?? "";
    for await (const page of this.#target.listPages(this.#message.container, first)) {
      yield page;
      const end = page.at(-1);
      if (end !== undefined && compare(end.name, last) >= 0) return;
    }
  }
}

function totalsOf(entries: readonly Entry[]): JobTotals {
  const count = entries.length;
  const bytes = entries.reduce((sum, { size }) => sum + size, 0);
  return { ...NO_TOTALS, listed: count, copied: count, copiedBytes: bytes, entries: count, bytes };
}

function* slicesOf(
  entries: readonly Entry[],
  { sliceEntries, sliceBytes }: RestoreSettings,
): Generator<readonly Entry[], void, undefined> {
  let slice: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    slice.push(entry);
    bytes += entry.size;
    if (slice.length < sliceEntries && bytes < sliceBytes) continue;
    yield slice;
    slice = [];
    bytes = 0;
  }
  if (slice.length > 0) yield slice;
}
