import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/contract.ts";
import { addTotals, type Job, type JobTotals, NO_TOTALS, type Position } from "../jobs/contract.ts";
import { type JobUnderWay, jobUnderWay } from "../jobs/job-under-way.ts";
import { NOTE_EVERY_MS, ProgressNote } from "../jobs/progress-note.ts";
import { getWork, type PieceRecord, type RangeRecord, type WorkRecord, workRows } from "../jobs/work.ts";
import type { Entry } from "../vault/entry.ts";
import { type ListingOrder, type NameComparator, nameComparator } from "../vault/listing-order.ts";
import { SOURCE_MARKER_PREFIX } from "../vault/names.ts";
import { readIndex, readSeal, readSegment } from "../vault/read-manifest.ts";
import type { Warning, Warnings } from "../vault/seal.ts";
import type { SegmentRef } from "../vault/segment.ts";
import { type Change, compareListing, entryOf } from "./compare-listing.ts";
import type { BackupVault, Datasource, ListedBlob, MarkerCheckMessage, RangeMessage } from "./contract.ts";
import { copyVersion } from "./copy-version.ts";
import { listingOrderOf } from "./listing-order-of.ts";
import { ListingReader } from "./listing-reader.ts";
import { ManifestWriter, SEGMENT_SIZES, type SegmentSizes } from "./manifest-writer.ts";

export interface RangeSettings {
  /** A piece stops at the first page after this; the host's own limit is 10 minutes on the Consumption plan. */
  readonly budgetMs: number;
  /** Copies in flight at once. */
  readonly copyWidth: number;
  readonly segmentSizes: SegmentSizes;
  /** A piece stops after this many segments, so that its result fits a table row of 1 MiB. */
  readonly mostSegments: number;
  /** Warnings that a piece names; the others are counted. */
  readonly mostWarnings: number;
  /** Time between two notes of how far a piece is. */
  readonly noteEveryMs: number;
}

export const RANGE_SETTINGS: RangeSettings = {
  budgetMs: 4 * 60_000,
  copyWidth: 32,
  segmentSizes: SEGMENT_SIZES,
  mostSegments: 1_000,
  mostWarnings: 100,
  noteEveryMs: NOTE_EVERY_MS,
};

export interface RangeDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly work: RecordTable<WorkRecord>;
  readonly datasource: (instance: BackupInstance) => Datasource;
  readonly vault: (instance: BackupInstance) => BackupVault;
  readonly clock: Clock;
  readonly settings: RangeSettings;
}

/** What to send when a piece is in: its rest back to the queue, or a marker check. */
export interface RangeStep {
  readonly rest?: RangeMessage;
  readonly check?: MarkerCheckMessage;
}

/**
 * Works one piece of one range: walks the source listing and the previous manifest in step, copies what is new, writes the
 * segments that changed, and leaves the result as one row.
 *
 * Safe to run twice, also at the same time: objects and segments are named by their contents, the result row is inserted
 * once, and whoever comes second goes on from the first one's row.
 *
 * @throws VaultError `listing/out-of-order`, `format/corrupt`, `format/missing`, `datasource/forbidden`, and retryable
 *   ones of storage; nothing of the piece counts then
 */
export async function workRange(deps: RangeDeps, message: RangeMessage): Promise<RangeStep> {
  const under = await jobUnderWay(deps, message);
  if (under === undefined) return {};
  const { container, range, piece } = message;
  const row = workRows.piece(container, range, piece);
  const done = await getWork(deps.work, message.job, row, "piece");
  if (done !== undefined) return nextStep(message, done);

  const result = await new PieceOfRange(deps, under.job, under.instance, message).walk();
  if (result === undefined) return {};
  if (await deps.work.insert(message.job, row, result)) return nextStep(message, result);
  const first = await getWork(deps.work, message.job, row, "piece");
  // The row was there and is gone: the job has ended, as the message's next delivery will see.
  if (first === undefined) throw new VaultError("storage/conflict", `work row '${row}' was removed meanwhile`);
  return nextStep(message, first);
}

function nextStep(message: RangeMessage, result: PieceRecord): RangeStep {
  if (result.rest !== undefined) return { rest: { ...message, piece: message.piece + 1 } };
  const { vault, job, container } = message;
  return { check: { vault, job, container } };
}

/** The names of one segment of the previous manifest, and those that would come after it and before the next. */
interface Interval {
  /** Absent where the previous recovery point has nothing. */
  readonly segment?: SegmentRef;
  /** Excluded; absent: to the end of the listing. */
  readonly until?: string;
}

class PieceOfRange {
  readonly #deps: RangeDeps;
  readonly #job: JobUnderWay;
  readonly #message: RangeMessage;
  readonly #datasource: Datasource;
  readonly #vault: BackupVault;
  readonly #compare: NameComparator;
  readonly #order: ListingOrder;
  readonly #stopAt: number;
  readonly #progress: ProgressNote;

  #totals: JobTotals = NO_TOTALS;
  readonly #warnings: Warning[] = [];
  #warningCount = 0;

  constructor(deps: RangeDeps, job: JobUnderWay, instance: BackupInstance, message: RangeMessage) {
    this.#deps = deps;
    this.#job = job;
    this.#message = message;
    this.#datasource = deps.datasource(instance);
    this.#vault = deps.vault(instance);
    this.#order = listingOrderOf(this.#datasource.kind);
    this.#compare = nameComparator(this.#order);
    this.#stopAt = deps.clock().getTime() + deps.settings.budgetMs;
    const row = workRows.running(message.container, message.range, message.piece);
    this.#progress = new ProgressNote(deps.work, job.id, row, deps.clock, deps.settings.noteEveryMs);
  }

  /** @returns undefined when the job ended meanwhile */
  async walk(): Promise<PieceRecord | undefined> {
    const { container, range } = this.#message;
    const { start, nextSegment, until } = await this.#start();
    const writer = new ManifestWriter(
      this.#vault,
      { recoveryPoint: this.#job.recoveryPoint.id, container, range },
      nextSegment,
      this.#deps.settings.segmentSizes,
    );
    const listing = new ListingReader(this.#datasource.listPages(container, { from: start }), this.#compare);
    let rest: Position | undefined;
    try {
      let intervalsDone = 0;
      for (const interval of await this.#intervals(start, until)) {
        const end = await this.#walkInterval(interval, start, listing, writer, intervalsDone > 0);
        if (end === "job ended") return undefined;
        if (end !== "done") {
          rest = end;
          break;
        }
        intervalsDone += 1;
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
      piece: this.#message.piece,
      segments: [...segments],
      totals: { ...this.#totals, entries, bytes },
      warnings: this.#warningsSoFar(),
      nextSegment: writer.nextSegment,
      ...(rest === undefined ? {} : { rest }),
    };
  }

  #warningsSoFar(): Warnings {
    return { count: this.#warningCount, first: this.#warnings };
  }

  async #start(): Promise<{ readonly start: Position; readonly nextSegment: number; readonly until?: string }> {
    const { job, container, range, piece } = this.#message;
    const { work } = this.#deps;
    const plan: RangeRecord | undefined = await getWork(work, job, workRows.range(container, range), "range");
    if (plan === undefined) throw lostRow(workRows.range(container, range));
    const until = plan.until === undefined ? {} : { until: plan.until };
    if (piece === 0) return { start: { name: plan.from, after: false }, nextSegment: 0, ...until };

    const row = workRows.piece(container, range, piece - 1);
    const before = await getWork(work, job, row, "piece");
    if (before?.rest === undefined) throw lostRow(row);
    return { start: before.rest, nextSegment: before.nextSegment, ...until };
  }

  /** The intervals of the previous manifest from a position on, clipped to the range. */
  async #intervals(start: Position, until: string | undefined): Promise<Interval[]> {
    const segments = await this.#previousSegments();
    const end = until === undefined ? {} : { until };
    const found: Interval[] = [];
    for (const [i, segment] of segments.entries()) {
      const next = segments[i + 1]?.first;
      if (next !== undefined && !this.#isBefore(start, next)) continue;
      if (until !== undefined && i > 0 && this.#compare(segment.first, until) >= 0) break;
      const clipped = next === undefined || (until !== undefined && this.#compare(next, until) > 0);
      found.push({ segment, ...(clipped ? end : { until: next }) });
    }
    return found.length === 0 ? [end] : found;
  }

  async #previousSegments(): Promise<readonly SegmentRef[]> {
    if (this.#job.previous === undefined) return [];
    const seal = await readSeal(this.#vault, this.#job.previous);
    const index = await readIndex(this.#vault, seal, this.#message.container);
    // Another order means that the datasource has changed its kind: then everything is compared by copying anew.
    return index === undefined || index.order !== this.#order ? [] : index.segments;
  }

  #isBefore(position: Position, name: string): boolean {
    return this.#compare(position.name, name) < 0;
  }

  /**
   * Walks one interval.
   *
   * @param mayStepBack - whether an interval before it is done, so that this one may be left whole to the next piece
   * @returns `done`, or where the next piece goes on
   */
  async #walkInterval(
    interval: Interval,
    start: Position,
    listing: ListingReader,
    writer: ManifestWriter,
    mayStepBack: boolean,
  ): Promise<"done" | "job ended" | Position> {
    const { segment, until } = interval;
    const whole = segment === undefined ? [] : await readSegment(this.#vault, segment);
    const before = whole.filter(({ name }) => this.#isInside(name, start, until));
    const totalsBefore = this.#totals;
    // Only a segment that lies in the range from end to end can be referred to.
    let kept: Entry[] | undefined = segment !== undefined && before.length === whole.length ? [] : undefined;
    let next = 0;

    for (;;) {
      const { blobs, atEnd, pageEnded } = await listing.take(until);
      const listed = blobs.filter(({ name }) => !name.startsWith(SOURCE_MARKER_PREFIX));
      const comparison = compareListing(listed, before, next, atEnd ? "end" : "last-listed", this.#compare);
      next = comparison.next;
      this.#count({ listed: listed.length, removed: comparison.removed });
      const isClean = comparison.removed === 0 && comparison.changes.every(({ kind }) => kind === "unchanged");
      const entries = isClean ? comparison.changes.flatMap(unchangedEntry) : await this.#take(comparison.changes);
      if (isClean) this.#count({ unchanged: entries.length });

      if (!isClean && kept !== undefined) {
        await writer.add(kept);
        kept = undefined;
      }
      if (kept === undefined) await writer.add(entries);
      else for (const entry of entries) kept.push(entry);

      if (atEnd) {
        if (kept !== undefined && segment !== undefined) await writer.addUnchanged(segment, kept);
        return "done";
      }
      if (!pageEnded) continue;
      if (!(await this.#isWanted())) return "job ended";
      const last = listing.lastName;
      if (last === undefined || !this.#mustStop(writer)) continue;
      if (kept !== undefined && segment !== undefined && mayStepBack) {
        this.#totals = totalsBefore;
        return { name: segment.first, after: false };
      }
      if (kept !== undefined) await writer.add(kept);
      return { name: last, after: true };
    }
  }

  #isInside(name: string, start: Position, until: string | undefined): boolean {
    const fromStart = this.#compare(name, start.name);
    if (start.after ? fromStart <= 0 : fromStart < 0) return false;
    return until === undefined || this.#compare(name, until) < 0;
  }

  #mustStop(writer: ManifestWriter): boolean {
    return this.#deps.clock().getTime() >= this.#stopAt || writer.count >= this.#deps.settings.mostSegments;
  }

  /** Makes the entries of a stretch, copying what is written anew. */
  async #take(changes: readonly Change[]): Promise<Entry[]> {
    const taken = await mapBounded(changes, this.#deps.settings.copyWidth, (change) => this.#takeOne(change));
    return taken.filter((entry) => entry !== undefined);
  }

  async #takeOne(change: Change): Promise<Entry | undefined> {
    switch (change.kind) {
      case "unchanged":
        this.#count({ unchanged: 1 });
        return change.before;
      case "relabelled":
        this.#count({ unchanged: 1 });
        return entryOf(change.now, change.before.birth);
      case "written":
        return this.#copy(change.now);
    }
  }

  async #copy(listed: ListedBlob): Promise<Entry | undefined> {
    const { container } = this.#message;
    const deps = { datasource: this.#datasource, vault: this.#vault };
    const taken = await copyVersion(deps, container, listed, this.#job.recoveryPoint.sequence);
    this.#count({
      copied: taken.entry === undefined || taken.entry.type === "directory" ? 0 : 1,
      copiedBytes: taken.copiedBytes,
      changedDuringCopy: taken.changedDuringCopy ? 1 : 0,
    });
    if (taken.warning !== undefined) {
      this.#warningCount += 1;
      if (this.#warnings.length < this.#deps.settings.mostWarnings) {
        this.#warnings.push({ container, name: listed.name, ...taken.warning });
      }
    }
    await this.#progress.note(this.#totals);
    return taken.entry;
  }

  #count(totals: Partial<JobTotals>): void {
    this.#totals = addTotals(this.#totals, { ...NO_TOTALS, ...totals });
  }

  /** Looks up between two pages. @returns whether the job still wants this piece */
  async #isWanted(): Promise<boolean> {
    await this.#progress.note(this.#totals);
    const job = await this.#deps.jobs.get(this.#message.vault, this.#message.job);
    return job?.value.status === "InProgress";
  }
}

function unchangedEntry(change: Change): Entry[] {
  return change.kind === "unchanged" ? [change.before] : [];
}

function lostRow(row: string): VaultError {
  return new VaultError("internal/unexpected", `work row '${row}' is missing although a message names it`);
}
