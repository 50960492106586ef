import { type AdaptivePool, isTransient } from "../foundation/adaptive-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { deadline } from "../foundation/deadline.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { Job } from "../jobs/job.ts";
import { addTotals, type JobTotals, NO_TOTALS } from "../jobs/job-totals.ts";
import { isStillWanted, type JobUnderWay, jobUnderWay } from "../jobs/job-under-way.ts";
import { LISTING_START, type ListingPosition } from "../jobs/listing-position.ts";
import { endNote, NOTE_EVERY_MS, ProgressNote } from "../jobs/progress-note.ts";
import {
  getWork,
  type PieceRecord,
  plannedOrdinal,
  plannedRangeId,
  splitRangeId,
  type WorkRecord,
  workRows,
} from "../jobs/work.ts";
import { type Entry, type EntryLine, headOf } from "../vault/entry.ts";
import { type ListingOrder, type NameComparator, nameComparator } from "../vault/listing-order.ts";
import type { ManifestCache } from "../vault/manifest-cache.ts";
import { separator } from "../vault/name-cuts.ts";
import { isSourceMarker } from "../vault/names.ts";
import { readSegmentLines } from "../vault/read-manifest.ts";
import { joinWarnings, MAX_WARNINGS, type Warning, type Warnings } from "../vault/seal.ts";
import type { SegmentRef } from "../vault/segment.ts";
import type { BackupVault } from "./backup-vault.ts";
import { BlobBlame } from "./blob-blame.ts";
import { type Change, compareListing, relabel } from "./compare-listing.ts";
import { copyVersion, type Taken } from "./copy-version.ts";
import type { Datasource } from "./datasource.ts";
import { listingOrderOf } from "./listing-order-of.ts";
import { ListingReader } from "./listing-reader.ts";
import { ManifestWriter, SEGMENT_SIZES, type SegmentSizes } from "./manifest-writer.ts";
import type { RangeMessage, RangeStep } from "./messages.ts";
import { previousSegments } from "./previous-segments.ts";
import { groupOf, maySplit } from "./range-tallies.ts";
import { containerOutcome, skipOrThrow } from "./skip-container.ts";
import { probeOf, splitRange } from "./split-range.ts";

export interface RangeSettings {
  /**
   * A piece begins no copy after this, and none a second time. Why that is soon enough for the host, which ends functions
   * after 10 minutes, is said in `src/azure/function-time.ts`.
   */
  readonly budgetMs: number;
  /** How long a piece whose budget is over looks for a place to split its rest. */
  readonly splitMs: number;
  /** Names that a piece lists at most; twice what a range is planned to have. */
  readonly maxNames: number;
  /** Between two slices of a page a piece looks at its time and whether it is still wanted: bytes of a slice. */
  readonly sliceBytes: number;
  readonly segmentSizes: SegmentSizes;
  /** A piece stops after this many segments, so that its result fits a table row of 1 MiB. */
  readonly maxSegments: number;
  /** Time between two notes of how far a piece is. */
  readonly noteEveryMs: number;
}

export const RANGE_SETTINGS: RangeSettings = {
  budgetMs: 4 * 60_000,
  splitMs: 15_000,
  maxNames: 100_000,
  sliceBytes: 4 * 2 ** 30,
  segmentSizes: SEGMENT_SIZES,
  maxSegments: 20,
  noteEveryMs: NOTE_EVERY_MS,
};

export interface RangeDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly work: RecordTable<WorkRecord>;
  readonly datasource: (instance: BackupInstance) => Datasource;
  readonly vault: (instance: BackupInstance) => BackupVault;
  /** Shared by all pieces in this process that copy from the same account. */
  readonly pool: (account: string) => AdaptivePool;
  readonly manifests: ManifestCache;
  readonly clock: Clock;
  /** Whether the host is about to end this process: what is left of a piece goes to the next one then. */
  readonly isStopping: () => boolean;
  readonly settings: RangeSettings;
}

/** Characters of the warnings that a piece names: its row has to hold its segments too. */
const MAX_WARNINGS_LENGTH = 200_000;

/**
 * Works one piece of one range: walks the source listing and the previous manifest in step, copies what is new, writes the
 * segments that changed, and leaves the result as one row. What it has no time for goes on as another piece; of a long
 * rest the second half becomes a range of its own, for another worker.
 *
 * Safe to run twice, also at the same time: objects and segments are named by their contents, the result row is inserted
 * once, and whoever comes second goes on from the first one's row.
 *
 * A container that is gone, or that alone refuses what others do, is skipped: the check that follows says so.
 *
 * @throws VaultError `listing/out-of-order`, `format/corrupt`, `format/missing`, `datasource/forbidden`, and retryable
 *   ones of storage; nothing of the piece counts then
 */
export async function workRange(deps: RangeDeps, message: RangeMessage): Promise<RangeStep> {
  const under = await jobUnderWay(deps, message);
  if (under === undefined) return { ranges: [] };
  const { container, range, piece } = message;
  const { vault, job } = message;
  const skipped: RangeStep = { ranges: [], check: { vault, job, container, group: groupOf(range) } };
  if ((await containerOutcome(deps.work, job, container)) !== undefined) return skipped;
  const row = workRows.piece(container, range, piece);
  const done = await getWork(deps.work, message.job, row, "piece");
  if (done !== undefined) return nextStep(deps, message, done);

  let result: PieceRecord | undefined;
  try {
    const worker = new PieceOfRange(deps, under.job, under.instance, message);
    await worker.begin();
    // Another may have ended it since, and the point may be sealed: nobody would look for what is copied from here on.
    const ended = await getWork(deps.work, message.job, row, "piece");
    if (ended !== undefined) return nextStep(deps, message, ended);
    result = await worker.walk();
  } catch (error) {
    const { work } = deps;
    await skipOrThrow({ work, datasource: deps.datasource(under.instance) }, under.job, container, error);
    return skipped;
  }
  if (result === undefined) return { ranges: [] };
  if (await deps.work.insert(message.job, row, result)) return nextStep(deps, message, result);
  const first = await getWork(deps.work, message.job, row, "piece");
  // The row was there and is gone: the job has ended, as the message's next delivery will see.
  if (first === undefined) throw new VaultError("storage/conflict", `work row '${row}' was removed meanwhile`);
  return nextStep(deps, message, first);
}

/**
 * Writes down what follows from a result, and tells what to send. The tally goes before the messages: whoever counts the
 * ranges after one of them was finished sees each part that was given away before.
 */
async function nextStep(deps: RangeDeps, message: RangeMessage, result: PieceRecord): Promise<RangeStep> {
  const { vault, job, container, range, piece } = message;
  const { rest, split, totals } = result;
  const ranges = rest === undefined ? nextOfLane(message) : [{ ...message, piece: piece + 1 }];
  const group = groupOf(range);
  const rows: Promise<unknown>[] = [
    deps.work.insert(job, workRows.tally(container, group, range, piece), {
      kind: "tally",
      finished: rest === undefined,
      split: split !== undefined,
      totals,
    }),
    endNote(deps.work, job, workRows.running(container, range, piece)),
  ];
  if (split !== undefined) {
    const given = splitRangeId(range, piece);
    const row: WorkRecord = { kind: "range", container, range: given, ...split };
    rows.push(deps.work.insert(job, workRows.range(container, given), row));
    ranges.push({ vault, job, container, range: given, piece: 0 });
  }
  await Promise.all(rows);
  return { ranges, ...(rest === undefined ? { check: { vault, job, container, group } } : {}) };
}

function nextOfLane({ lane, ...message }: RangeMessage): RangeMessage[] {
  if (lane === undefined) return [];
  const next = Number.parseInt(message.range, 10) + lane.lanes;
  return next < lane.parts ? [{ ...message, range: plannedRangeId(next), piece: 0, lane }] : [];
}

/** The names of one segment of the previous manifest, and those that would come after it and before the next. */
interface Interval {
  /** Absent where the previous recovery point has nothing. */
  readonly segment?: SegmentRef;
  /** Excluded; absent: to the end of the listing. */
  readonly until?: string;
}

type WrittenChange = Extract<Change, { kind: "written" }>;

/** Where a piece begins and how far it may go. */
interface Task {
  readonly from: ListingPosition;
  readonly until?: string;
  readonly nextSegment: number;
}

/** Ids of ranges are part of row keys, which have 512 characters; a range given away too often keeps its rest. */
const MAX_RANGE_ID_LENGTH = 200;

class PieceOfRange {
  readonly #deps: RangeDeps;
  readonly #job: JobUnderWay;
  readonly #message: RangeMessage;
  readonly #datasource: Datasource;
  readonly #vault: BackupVault;
  readonly #pool: AdaptivePool;
  readonly #compare: NameComparator;
  readonly #order: ListingOrder;
  readonly #isInTime: () => boolean;
  readonly #progress: ProgressNote;

  #totals: JobTotals = NO_TOTALS;
  /** Names listed, also those that are left to the next piece in the end. */
  #names = 0;
  /** Changes that were settled. */
  #taken = 0;
  readonly #warnings: Warning[] = [];
  readonly #blame: BlobBlame;

  constructor(deps: RangeDeps, job: JobUnderWay, instance: BackupInstance, message: RangeMessage) {
    this.#deps = deps;
    this.#job = job;
    this.#message = message;
    this.#datasource = deps.datasource(instance);
    this.#vault = deps.vault(instance);
    this.#pool = deps.pool(instance.datasource.account);
    this.#blame = new BlobBlame(this.#vault, job.id, message.container);
    this.#order = listingOrderOf(this.#datasource.kind);
    this.#compare = nameComparator(this.#order);
    this.#isInTime = deadline(deps.clock, deps.settings.budgetMs);
    const row = workRows.running(message.container, message.range, message.piece);
    this.#progress = new ProgressNote(deps.work, job.id, row, deps.clock, deps.settings.noteEveryMs);
  }

  /** Says that the piece is being worked on; one that was begun before may have copied what no manifest will name. */
  async begin(): Promise<void> {
    if (!(await this.#progress.begin())) await this.#noteRepeat();
  }

  /** @returns undefined when the job ended meanwhile */
  async walk(): Promise<PieceRecord | undefined> {
    const { container, range, piece } = this.#message;
    const task = await this.#task();
    const writer = new ManifestWriter(
      this.#vault,
      { recoveryPoint: this.#job.recoveryPoint.id, container, range },
      task.nextSegment,
      this.#deps.settings.segmentSizes,
    );
    const intervals = await this.#intervals(task);
    const pages = this.#datasource.listPages(container, { from: task.from });
    const listing = new ListingReader(pages, this.#compare, task.until);
    let stoppedAt: ListingPosition | undefined;
    let done = 0;
    try {
      for (const interval of intervals) {
        // A page may go over many segments, each of which is read.
        if (done > 0 && interval.segment !== undefined && !this.#hasTime()) {
          stoppedAt = { name: interval.segment.first, after: false };
          break;
        }
        const end = await this.#walkInterval(interval, task, listing, writer, done > 0);
        if (end === "job ended") return undefined;
        if (end !== "done") {
          stoppedAt = end;
          break;
        }
        done += 1;
      }
    } finally {
      await listing.close();
    }
    const segments = await writer.finish();
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const entries = segments.reduce((sum, segment) => sum + segment.entries, 0);
    return {
      kind: "piece",
      container,
      range,
      piece,
      from: task.from,
      ...(await this.#end(task, stoppedAt, intervals.slice(done))),
      segments: [...segments],
      totals: { ...this.#totals, entries, bytes },
      warnings: this.#warningsSoFar(),
      nextSegment: writer.nextSegment,
    };
  }

  async #task(): Promise<Task> {
    const { job, container, range, piece } = this.#message;
    const { work } = this.#deps;
    if (piece === 0) {
      const { from, until } = await this.#range();
      return { from: { name: from, after: false }, ...untilOf({ until }), nextSegment: 0 };
    }
    const row = workRows.piece(container, range, piece - 1);
    const before = await getWork(work, job, row, "piece");
    if (before?.rest === undefined || before.to === undefined) throw lostRow(row);
    return { from: before.to, ...untilOf(before.rest), nextSegment: before.nextSegment };
  }

  async #range(): Promise<{ readonly from: string; readonly until?: string | undefined }> {
    const { job, container, range } = this.#message;
    const { work } = this.#deps;
    const ordinal = plannedOrdinal(range);
    if (ordinal === undefined) {
      const row = workRows.range(container, range);
      const given = await getWork(work, job, row, "range");
      if (given === undefined) throw lostRow(row);
      return given;
    }
    const row = workRows.plan(container);
    const plan = await getWork(work, job, row, "plan");
    if (plan === undefined || ordinal >= plan.parts) throw lostRow(row);
    return { from: plan.cuts[ordinal - 1] ?? LISTING_START.name, until: plan.cuts[ordinal] };
  }

  /** Notes that some of what the piece copies may be copied again, as another version. */
  async #noteRepeat(): Promise<void> {
    const { container, range, piece } = this.#message;
    await this.#deps.work.insert(this.#job.id, workRows.repeat(container, range, piece), { kind: "repeat", container });
  }

  /** How the piece ended, and what becomes of the rest of its range. */
  async #end(
    task: Task,
    stoppedAt: ListingPosition | undefined,
    left: readonly Interval[],
  ): Promise<Pick<PieceRecord, "to" | "rest" | "split">> {
    if (stoppedAt === undefined) return task.until === undefined ? {} : { to: { name: task.until, after: false } };
    const at = await this.#placeToSplit(stoppedAt, task.until, left).catch((error: unknown) => {
      // A range that is not split is worked on by one worker, which is all there is to lose.
      if (!isTransient(error)) throw error;
      return undefined;
    });
    return {
      to: stoppedAt,
      rest: at === undefined ? untilOf(task) : { until: at },
      ...(at === undefined ? {} : { split: { from: at, ...untilOf(task) } }),
    };
  }

  /**
   * Looks for the middle of the rest, between two segments of the previous manifest where there are some, so that whole
   * ones can be referred to.
   */
  async #placeToSplit(
    stoppedAt: ListingPosition,
    until: string | undefined,
    left: readonly Interval[],
  ): Promise<string | undefined> {
    const { container, range } = this.#message;
    if (range.length > MAX_RANGE_ID_LENGTH) return undefined;
    if (!(await maySplit(this.#deps.work, this.#job.id, container, groupOf(range)))) return undefined;
    const later = left.slice(1).flatMap(({ segment }) => segment ?? []);
    const middle = later[Math.floor(later.length / 2)];
    if (middle !== undefined) {
      const before = left[left.findIndex(({ segment }) => segment === middle) - 1]?.segment;
      // The listing may have new names between the two, and have passed some of them.
      const passed = before === undefined || this.#isBefore(before.last, stoppedAt) ? stoppedAt.name : before.last;
      return separator(passed, middle.first);
    }
    const probe = probeOf(this.#datasource, container, this.#order);
    return splitRange(probe, stoppedAt.name, until, deadline(this.#deps.clock, this.#deps.settings.splitMs));
  }

  #warningsSoFar(): Warnings {
    return joinWarnings([{ count: this.#totals.warned, first: this.#warnings }], MAX_WARNINGS_LENGTH);
  }

  /** The intervals of the previous manifest that reach into the range, clipped to it; at least one. */
  async #intervals({ from, until }: Task): Promise<Interval[]> {
    const { container } = this.#message;
    const segments = (await this.#previousSegments(container)) ?? [];
    const reaching = segments.filter(
      ({ first, last }) =>
        this.#compare(last, from.name) >= (from.after ? 1 : 0) &&
        (until === undefined || this.#compare(first, until) < 0),
    );
    if (reaching.length === 0) return [untilOf({ until })];
    return reaching.map((segment, i) => ({ segment, ...untilOf({ until: reaching[i + 1]?.first ?? until }) }));
  }

  #previousSegments(container: string): Promise<readonly SegmentRef[] | undefined> {
    return previousSegments(this.#deps.manifests, this.#vault, this.#job, container, this.#order);
  }

  /**
   * Walks one interval.
   *
   * @param mayStepBack - whether an interval before it is done, so that this one may be left whole to the next piece
   * @returns `done`, or where the next piece goes on
   */
  async #walkInterval(
    interval: Interval,
    task: Task,
    listing: ListingReader,
    writer: ManifestWriter,
    mayStepBack: boolean,
  ): Promise<"done" | "job ended" | ListingPosition> {
    const { segment, until } = interval;
    const isInside = (name: string): boolean => this.#isInside(name, task.from, until);
    const lines = segment === undefined ? [] : await readSegmentLines(this.#vault, segment);
    // Only a segment that lies in the range from end to end can be referred to.
    let isKept = segment !== undefined && isInside(segment.first) && isInside(segment.last);
    const before = isKept ? lines : lines.filter((line) => isInside(headOf(line).name));
    const totalsBefore = this.#totals;
    let next = 0;

    for (;;) {
      const { blobs, atEnd, pageEnded } = await listing.take(until);
      const listed = blobs.filter((blob) => !isSourceMarker(this.#message.container, blob));
      const comparison = compareListing(listed, before, next, atEnd ? "end" : "last-listed", this.#compare);
      this.#names += listed.length;
      if (isKept && !comparison.isClean) {
        await writer.add(before.slice(0, next));
        isKept = false;
      }
      let stoppedAt: number | undefined;
      if (isKept) this.#count({ unchanged: listed.length });
      else {
        const taken = await this.#take(comparison.changes);
        await writer.add(taken.entries);
        stoppedAt = taken.stoppedAt;
      }

      const stop = stoppedAt === undefined ? undefined : listed[stoppedAt];
      if (stop !== undefined) {
        const part = compareListing(listed.slice(0, stoppedAt), before, next, "last-listed", this.#compare);
        const gap = before.slice(part.next).findIndex((line) => this.#compare(headOf(line).name, stop.name) >= 0);
        const removed = part.removed + (gap < 0 ? before.length - part.next : gap);
        this.#count({ listed: stoppedAt ?? 0, removed });
        return (await this.#isWanted()) ? { name: stop.name, after: false } : "job ended";
      }
      next = comparison.next;
      this.#count({ listed: listed.length, removed: comparison.removed });
      if (atEnd) {
        if (isKept && segment !== undefined) await writer.addUnchanged(segment, before);
        return "done";
      }
      if (!pageEnded) continue;
      if (!(await this.#isWanted())) return "job ended";
      const last = listing.lastName;
      if (last === undefined || !this.#mustStop(writer)) continue;
      if (isKept && segment !== undefined && mayStepBack) {
        this.#totals = totalsBefore;
        return { name: segment.first, after: false };
      }
      if (isKept) await writer.add(before.slice(0, next));
      return { name: last, after: true };
    }
  }

  #isBefore(name: string, position: ListingPosition): boolean {
    return this.#compare(name, position.name) < 0;
  }

  #isInside(name: string, start: ListingPosition, until: string | undefined): boolean {
    const fromStart = this.#compare(name, start.name);
    if (start.after ? fromStart <= 0 : fromStart < 0) return false;
    return until === undefined || this.#compare(name, until) < 0;
  }

  #mustStop(writer: ManifestWriter): boolean {
    const { maxNames, maxSegments } = this.#deps.settings;
    return !this.#hasTime() || this.#names >= maxNames || writer.count >= maxSegments;
  }

  #hasTime(): boolean {
    return !this.#deps.isStopping() && this.#isInTime();
  }

  /**
   * Makes the entries of a stretch, copying what is written anew.
   *
   * @returns the entries, up to the change at which it had to stop, if it had to
   * @throws VaultError what made it stop, when that was no want of time and the piece has come to nothing before
   */
  async #take(
    changes: readonly Change[],
  ): Promise<{ readonly entries: (Entry | EntryLine)[]; readonly stoppedAt?: number }> {
    const entries: (Entry | EntryLine)[] = [];
    let taken = 0;
    for (const slice of this.#slices(changes)) {
      if (taken > 0 && !(this.#hasTime() && (await this.#isWanted()))) return { entries, stoppedAt: taken };
      const { copies, gaveUp } = await this.#copyAll(slice);
      for (const change of slice) {
        const copy = copies.get(change);
        if (change.kind === "written" && copy === undefined) {
          if (gaveUp !== undefined && this.#taken === 0) throw gaveUp;
          // Only what comes before can be taken; of what was copied beyond, the next piece may find another version.
          if (copies.size > 0) await this.#noteRepeat();
          return { entries, stoppedAt: taken };
        }
        const entry = copy === undefined ? this.#keep(change) : this.#settle(change, copy);
        if (entry !== undefined) entries.push(entry);
        copies.delete(change);
        taken += 1;
        this.#taken += 1;
      }
    }
    return { entries };
  }

  /** Cuts a stretch so that the copies of one slice are done in a moment, unless a single blob is large. */
  #slices(changes: readonly Change[]): Change[][] {
    const slices: Change[][] = [];
    let slice: Change[] = [];
    let bytes = 0;
    for (const change of changes) {
      const size = change.kind === "written" ? change.now.size : 0;
      if (slice.length > 0 && bytes + size > this.#deps.settings.sliceBytes) {
        slices.push(slice);
        slice = [];
        bytes = 0;
      }
      slice.push(change);
      bytes += size;
    }
    return slice.length === 0 ? slices : [...slices, slice];
  }

  /**
   * Copies what is written in a slice, while there is time. A copy that was begun and is not known to have ended, or that was
   * made although no answer said so, may have left what no manifest will name.
   *
   * @returns what came of those that are done
   */
  async #copyAll(
    changes: readonly Change[],
  ): Promise<{ readonly copies: Map<Change, Taken>; readonly gaveUp?: VaultError }> {
    const written = changes.filter((change) => change.kind === "written");
    const { container } = this.#message;
    const { sequence: birth, time = this.#job.startedAt } = this.#job.recoveryPoint;
    const copies = new Map<Change, Taken>();
    const unsure = new Map<WrittenChange, Set<string>>();
    let copiedBytes = 0;
    const shouldContinue = (): boolean => {
      // It is asked also while all wait, so that whoever looks at the job sees that it is alive.
      if (this.#progress.isDue) {
        const soFar = { ...NO_TOTALS, listed: copies.size, copied: copies.size, copiedBytes };
        void this.#progress.note(addTotals(this.#totals, soFar), this.#pool.pressure);
      }
      return this.#hasTime();
    };
    const copyOne = async (change: WrittenChange): Promise<Taken> => {
      const before = unsure.get(change);
      const tried = before ?? new Set();
      unsure.set(change, tried);
      const vault: Pick<BackupVault, "copyObject"> = {
        copyObject: (version, ...rest) => {
          tried.add(version.etag);
          return this.#vault.copyObject(version, ...rest);
        },
      };
      const copy = await copyVersion(
        { datasource: this.#datasource, vault },
        container,
        change.now,
        birth,
        () => this.#hasTime(),
        time,
      );
      if (copy.isRefused === true) await this.#blame.check(copy.warning?.message ?? "");
      // Nothing has failed, or nothing was tried but what is named now.
      const isAllNamed = before === undefined || (tried.size === 1 && tried.has(copy.entry?.etag ?? ""));
      if (isAllNamed && copy.unfinished !== true) unsure.delete(change);
      return copy;
    };
    const take = (change: WrittenChange, copy: Taken): void => {
      if (copy.unfinished === true) return;
      copies.set(change, copy);
      copiedBytes += copy.copiedBytes;
    };
    const { gaveUp } = await this.#pool.mapWhile(
      written,
      shouldContinue,
      async (change) => take(change, await copyOne(change)),
      async (change, error) =>
        take(
          change,
          await this.#blame.tryOnceMore(
            error,
            () => copyOne(change),
            () => this.#hasTime(),
          ),
        ),
    );
    if (unsure.size > 0) await this.#noteRepeat();
    return { copies, ...present({ gaveUp }) };
  }

  #keep(change: Change): Entry | EntryLine | undefined {
    if (change.kind === "written") return undefined;
    this.#count({ unchanged: 1 });
    return change.kind === "unchanged" ? change.before : relabel(change.before, change.now);
  }

  #settle(change: Change, { entry, copiedBytes, changedDuringCopy, warning }: Taken): Entry | undefined {
    this.#count({
      copied: entry === undefined || entry.type === "directory" ? 0 : 1,
      copiedBytes,
      changedDuringCopy: changedDuringCopy ? 1 : 0,
      warned: warning === undefined ? 0 : 1,
    });
    if (warning !== undefined && this.#warnings.length < MAX_WARNINGS) {
      this.#warnings.push({ container: this.#message.container, name: nameOf(change), ...warning });
    }
    return entry;
  }

  #count(totals: Partial<JobTotals>): void {
    this.#totals = addTotals(this.#totals, { ...NO_TOTALS, ...totals });
  }

  /** Looks up from the work. @returns whether the job still wants this piece */
  #isWanted(): Promise<boolean> {
    void this.#progress.note(this.#totals, this.#pool.pressure);
    return isStillWanted(this.#deps.jobs, this.#message);
  }
}

function untilOf({ until }: { readonly until?: string | undefined }): { readonly until?: string } {
  return until === undefined ? {} : { until };
}

function nameOf(change: Change): string {
  return change.kind === "unchanged" ? headOf(change.before).name : change.now.name;
}

function lostRow(row: string): VaultError {
  return new VaultError("internal/unexpected", `work row '${row}' is missing although a message names it`);
}
