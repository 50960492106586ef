import { isTransient } from "../foundation/adaptive-pool.ts";
import { deadline } from "../foundation/deadline.ts";
import { VaultError } from "../foundation/errors.ts";
import { jobUnderWay } from "../jobs/job-under-way.ts";
import { nextInLane } from "../jobs/lanes.ts";
import type { ListingPosition } from "../jobs/listing-position.ts";
import { endNote } from "../jobs/progress-note.ts";
import { getWork, type PieceRecord, plannedRangeId, splitRangeId, type WorkRecord, workRows } from "../jobs/work.ts";
import { headOf } from "../vault/entry.ts";
import { type ListingOrder, type NameComparator, nameComparator } from "../vault/listing-order.ts";
import { separator } from "../vault/name-cuts.ts";
import { isSourceMarker } from "../vault/names.ts";
import { readSegmentLines } from "../vault/read-manifest.ts";
import type { SegmentRef } from "../vault/segment.ts";
import { compareListing } from "./compare-listing.ts";
import { listingOrderOf } from "./listing-order-of.ts";
import { ListingReader } from "./listing-reader.ts";
import { ManifestWriter } from "./manifest-writer.ts";
import type { RangeMessage, RangeStep } from "./messages.ts";
import { type PieceBounds, readBounds, untilOf } from "./piece-bounds.ts";
import { PieceContext } from "./piece-context.ts";
import { previousSegments } from "./previous-segments.ts";
import type { RangeDeps } from "./range-settings.ts";
import { groupOf, maySplit } from "./range-tallies.ts";
import { containerOutcome, skipOrThrow } from "./skip-container.ts";
import { probeOf, splitRange } from "./split-range.ts";
import { ChangeTaker } from "./take-changes.ts";

/**
 * Processes one piece of one range: walks the source listing and the previous manifest in parallel, copies what is new,
 * writes the changed segments, and inserts the result as one row. Another piece takes what there is no time for; the
 * second half of a long rest becomes a range of its own, for another worker.
 *
 * Safe to run twice, also concurrently: objects and segments are named by their contents, the result row is inserted
 * once, and the second execution continues from the first one's row.
 *
 * A container that is gone, or that is the only one to refuse, is skipped: the check that follows records it.
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
    const context = new PieceContext(deps, under.job, under.instance, message);
    await context.begin();
    // Another execution may have ended the piece, and the point may be sealed: later copies would never be swept.
    const ended = await getWork(deps.work, message.job, row, "piece");
    if (ended !== undefined) return nextStep(deps, message, ended);
    result = await new PieceWalk(context).walk();
  } catch (error) {
    const { work } = deps;
    await skipOrThrow({ work, datasource: deps.datasource(under.instance) }, under.job, container, error);
    return skipped;
  }
  if (result === undefined) return { ranges: [] };
  if (await deps.work.insert(message.job, row, result)) return nextStep(deps, message, result);
  const first = await getWork(deps.work, message.job, row, "piece");
  // The row existed and is gone: the job has ended, as the message's next delivery will find.
  if (first === undefined) throw new VaultError("storage/conflict", `work row '${row}' was deleted meanwhile`);
  return nextStep(deps, message, first);
}

/**
 * Writes the rows that follow from a result, and returns the messages to send. The tally is written before the
 * messages, so a count after the end of any range includes all parts that were split off before.
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
  const next = nextInLane(Number.parseInt(message.range, 10), lane.lanes, lane.parts);
  return next === undefined ? [] : [{ ...message, range: plannedRangeId(next), piece: 0, lane }];
}

/** The names from the start of one segment of the previous manifest to the start of the next. */
interface Interval {
  /** Absent if the previous recovery point has nothing. */
  readonly segment?: SegmentRef;
  /** Excluded; absent: to the end of the listing. */
  readonly until?: string;
}

/** Ids of ranges are part of row keys (512 characters); a range that was split too often keeps its rest. */
const MAX_RANGE_ID_LENGTH = 200;

class PieceWalk {
  readonly #piece: PieceContext;
  readonly #changes: ChangeTaker;
  readonly #compare: NameComparator;
  readonly #order: ListingOrder;
  /** Listed names, including those that are left to the next piece. */
  #names = 0;

  constructor(piece: PieceContext) {
    this.#piece = piece;
    this.#changes = new ChangeTaker(piece);
    this.#order = listingOrderOf(piece.datasource.kind);
    this.#compare = nameComparator(this.#order);
  }

  /** @returns undefined when the job ended meanwhile */
  async walk(): Promise<PieceRecord | undefined> {
    const { container, range, piece } = this.#piece.message;
    const bounds = await readBounds(this.#piece.deps.work, this.#piece.message);
    const writer = new ManifestWriter(
      this.#piece.vault,
      { recoveryPoint: this.#piece.job.recoveryPoint.id, container, range },
      bounds.nextSegment,
      this.#piece.deps.settings.segmentSizes,
    );
    const intervals = await this.#intervals(bounds);
    const pages = this.#piece.datasource.listPages(container, { from: bounds.from });
    const listing = new ListingReader(pages, this.#compare, bounds.until);
    let stoppedAt: ListingPosition | undefined;
    let done = 0;
    try {
      for (const interval of intervals) {
        // A page may span many segments, each of which is read.
        if (done > 0 && interval.segment !== undefined && !this.#piece.hasTime()) {
          stoppedAt = { name: interval.segment.first, after: false };
          break;
        }
        const end = await this.#walkInterval(interval, bounds, listing, writer, done > 0);
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
      from: bounds.from,
      ...(await this.#end(bounds, stoppedAt, intervals.slice(done))),
      segments: [...segments],
      totals: { ...this.#piece.totals, entries, bytes },
      warnings: this.#changes.warnings,
      nextSegment: writer.nextSegment,
    };
  }

  /** The end of the piece, and the rest of its range. */
  async #end(
    bounds: PieceBounds,
    stoppedAt: ListingPosition | undefined,
    left: readonly Interval[],
  ): Promise<Pick<PieceRecord, "to" | "rest" | "split">> {
    if (stoppedAt === undefined) return bounds.until === undefined ? {} : { to: { name: bounds.until, after: false } };
    const at = await this.#placeToSplit(stoppedAt, bounds.until, left).catch((error: unknown) => {
      // A range that is not split is processed by one worker: slower, but correct.
      if (!isTransient(error)) throw error;
      return undefined;
    });
    return {
      to: stoppedAt,
      rest: at === undefined ? untilOf(bounds) : { until: at },
      ...(at === undefined ? {} : { split: { from: at, ...untilOf(bounds) } }),
    };
  }

  /**
   * Finds the middle of the rest; between two segments of the previous manifest, if there are any, so that whole ones
   * can be referenced.
   */
  async #placeToSplit(
    stoppedAt: ListingPosition,
    until: string | undefined,
    left: readonly Interval[],
  ): Promise<string | undefined> {
    const { container, range } = this.#piece.message;
    if (range.length > MAX_RANGE_ID_LENGTH) return undefined;
    if (!(await maySplit(this.#piece.deps.work, this.#piece.job.id, container, groupOf(range)))) return undefined;
    const later = left.slice(1).flatMap(({ segment }) => segment ?? []);
    const middle = later[Math.floor(later.length / 2)];
    if (middle !== undefined) {
      const before = left[left.findIndex(({ segment }) => segment === middle) - 1]?.segment;
      // The listing may have new names between the two, and have passed some of them.
      const passed = before === undefined || this.#isBefore(before.last, stoppedAt) ? stoppedAt.name : before.last;
      return separator(passed, middle.first);
    }
    const probe = probeOf(this.#piece.datasource, container, this.#order);
    return splitRange(
      probe,
      stoppedAt.name,
      until,
      deadline(this.#piece.deps.clock, this.#piece.deps.settings.splitMs),
    );
  }

  /** The intervals of the previous manifest that reach into the range, clipped to it; at least one. */
  async #intervals({ from, until }: PieceBounds): Promise<Interval[]> {
    const { container } = this.#piece.message;
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
    return previousSegments(this.#piece.deps.manifests, this.#piece.vault, this.#piece.job, container, this.#order);
  }

  /**
   * Walks one interval.
   *
   * @param mayStepBack - whether an earlier interval is done, so that this one may be left whole to the next piece
   * @returns `done`, or where the next piece continues
   */
  async #walkInterval(
    interval: Interval,
    bounds: PieceBounds,
    listing: ListingReader,
    writer: ManifestWriter,
    mayStepBack: boolean,
  ): Promise<"done" | "job ended" | ListingPosition> {
    const { segment, until } = interval;
    const isInside = (name: string): boolean => this.#isInside(name, bounds.from, until);
    const lines = segment === undefined ? [] : await readSegmentLines(this.#piece.vault, segment);
    // Only a segment that is completely in the range can be referenced.
    let isKept = segment !== undefined && isInside(segment.first) && isInside(segment.last);
    const before = isKept ? lines : lines.filter((line) => isInside(headOf(line).name));
    const totalsBefore = this.#piece.totals;
    let next = 0;

    for (;;) {
      const { blobs, atEnd, pageEnded } = await listing.take(until);
      const listed = blobs.filter((blob) => !isSourceMarker(this.#piece.message.container, blob));
      const comparison = compareListing(listed, before, next, atEnd ? "end" : "last-listed", this.#compare);
      this.#names += listed.length;
      if (isKept && !comparison.isClean) {
        await writer.add(before.slice(0, next));
        isKept = false;
      }
      let stoppedAt: number | undefined;
      if (isKept) this.#piece.count({ unchanged: listed.length });
      else {
        const taken = await this.#changes.take(comparison.changes);
        await writer.add(taken.entries);
        stoppedAt = taken.stoppedAt;
      }

      const stop = stoppedAt === undefined ? undefined : listed[stoppedAt];
      if (stop !== undefined) {
        const part = compareListing(listed.slice(0, stoppedAt), before, next, "last-listed", this.#compare);
        const gap = before.slice(part.next).findIndex((line) => this.#compare(headOf(line).name, stop.name) >= 0);
        const removed = part.removed + (gap < 0 ? before.length - part.next : gap);
        this.#piece.count({ listed: stoppedAt ?? 0, removed });
        return (await this.#piece.isWanted()) ? { name: stop.name, after: false } : "job ended";
      }
      next = comparison.next;
      this.#piece.count({ listed: listed.length, removed: comparison.removed });
      if (atEnd) {
        if (isKept && segment !== undefined) await writer.addUnchanged(segment, before);
        return "done";
      }
      if (!pageEnded) continue;
      if (!(await this.#piece.isWanted())) return "job ended";
      const last = listing.lastName;
      if (last === undefined || !this.#mustStop(writer)) continue;
      if (isKept && segment !== undefined && mayStepBack) {
        this.#piece.totals = totalsBefore;
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
    const { maxNames, maxSegments } = this.#piece.deps.settings;
    return !this.#piece.hasTime() || this.#names >= maxNames || writer.count >= maxSegments;
  }
}
