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
  /** A worker begins no copy after this, and none a second time; see `src/azure/function-time.ts`. */
  readonly budgetMs: number;
  /** Between two slices of a segment a worker looks whether it is still wanted: entries of a slice. */
  readonly sliceEntries: number;
  /** The same in bytes; whichever is reached first. */
  readonly sliceBytes: number;
  /** Time between two notes of how far a segment is. */
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
  /** Whether the host is about to end this process: what is left of a segment goes to the next message then. */
  readonly isStopping: () => boolean;
  readonly settings: RestoreSettings;
}

/** Restored blobs read at once, where no listing tells whether they are right. */
const CHECKING_WIDTH = 8;

/** What follows from a message. */
export interface SegmentStep {
  /** To be put on the queue: the same segment, when there was no time for all of it, or the next one of its lane. */
  readonly rest?: SegmentMessage;
  /** To be raised to the restore's orchestration: the whole container is in. */
  readonly event?: string;
}

/**
 * Copies the objects of one segment into the restore target, then lists the target and compares it with the segment.
 *
 * Safe to run twice, also at the same time: a blob is never written over, what is already there is compared like all
 * others, and the result row is inserted once. The containers of the target were made by the job, so whatever is in them
 * and as it should be was restored by it, in this attempt or in another: its totals are those of the segment.
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

  /** @returns the segment's totals once all of it is in the target, and as it should be */
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
    // What earlier messages have copied is proved by a listing after them, which this one is.
    if (wanted.length === 0) return this.#totalsIfAllThere(entries, before);
    this.#totals = totalsOf(entries.filter(({ name }) => before.get(name)?.isWhole === true));
    for (const slice of slicesOf(wanted, this.#deps.settings)) {
      const shouldContinue = (): boolean => {
        // It is asked also while all wait, so that whoever looks at the job sees that it is alive.
        void this.#progress.note(this.#totals, this.#pool.pressure);
        return this.#hasTime();
      };
      const { results, gaveUp } = await this.#pool.mapWhile(slice, shouldContinue, (entry) => this.#copy(entry));
      if (gaveUp !== undefined && this.#copied === 0) throw gaveUp;
      if (Array.from(results).some((result) => result !== "there")) return "unfinished";
      if (!(await this.#isWanted())) return "job ended";
    }
    // Only what the target itself says counts.
    const after = await this.#list(entries, compare);
    return after === undefined ? "unfinished" : this.#totalsIfAllThere(entries, after);
  }

  async noteEnd(): Promise<void> {
    await this.#progress.end();
  }

  async #copy(entry: Entry): Promise<"there" | "unfinished"> {
    // However little time there is, each message gets something done.
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
        throw new VaultError("format/missing", `the vault lacks the object of '${name}' in container '${container}'`, {
          hint: "the vault account was changed by something other than Lakevault; use another recovery point",
        });
      case "unreadable":
        throw new VaultError(
          "format/missing",
          `the object of '${name}' in container '${container}' cannot be read: ${outcome.message}`,
          { hint: "move the object back to an online access tier, wait until it is there, then restore again" },
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
   * @returns blobs by name; undefined when there was no time for it
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

  /** @returns `unfinished` when another worker's copy into a blob is still under way */
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
        throw new VaultError("restore/verification-failed", `'${entry.name}' did not arrive in '${container}'`);
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
   * Whether a blob is that of its entry, as far as the listing tells. Undefined: its content decides. A blob brings along the
   * MD5 of its object, which its writer at the source may have set wrongly, while the entry may have what the copy into the
   * vault worked out.
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
    throw new VaultError("restore/target-changed", `'${entry.name}' in '${container}' is not what was backed up`, {
      hint: "something else writes to the target container; restore to containers that nobody uses",
    });
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
