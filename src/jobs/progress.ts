/**
 * @module
 * Progress of a job, added up from small work rows: not from the results, which list segments and would be gigabytes
 * for a large job.
 */
import { mapBounded } from "../foundation/bounded-pool.ts";
import { present } from "../foundation/present.ts";
import { listRecords, type ReadableRecords, type RecordTable, readOnce, type Stored } from "../foundation/records.ts";
import { isOpen, type Job } from "./job.ts";
import { addTotals, type JobTotals, NO_TOTALS } from "./job-totals.ts";
import { settledNames } from "./progress-note.ts";
import { listWork, type PressureRecord, type WorkRecord, workRows } from "./work.ts";

/** Progress of a job, or of one of its containers. */
export interface Advance {
  readonly totals: JobTotals;
  /** 0 to 1; 1 when all ranges or segments are done; absent when the job ended before that. */
  readonly doneShare?: number;
  /** Present while workers run. */
  readonly rate?: Rate;
  /** At the current rate; absent when unknown. */
  readonly secondsLeft?: number;
}

export interface Rate {
  readonly objectsPerSecond: number;
  readonly bytesPerSecond: number;
}

export interface ContainerAdvance extends Advance {
  readonly container: string;
}

export interface Progress extends Advance {
  /** Throttling by the storage accounts, of the worker that is slowed down most. */
  readonly pressure?: PressureRecord;
  /** The first {@link MAX_LISTED_CONTAINERS} containers, by name. */
  readonly containers: readonly ContainerAdvance[];
  readonly containerCount: number;
}

export const MAX_LISTED_CONTAINERS = 100;

/** Max parts of a job, and min containers, for reading all tallies in a few pages at once. */
const FEW_PARTS = 5_000;
const MANY_CONTAINERS = 100;

/** Max concurrent requests. */
const READING_WIDTH = 16;

/** A worker without a note for this long may be dead, and does not count for the rate. */
const LATELY_MS = 30_000;

/** Upper limit for unfinished work, however its length was estimated. */
const MAX_UNFINISHED_SHARE = 0.99;

type Running = Extract<WorkRecord, { kind: "running" }>;

/** Rows of one container, added up. */
interface Work {
  /** Ranges or segments, including those from splits; and how many of them are done. */
  parts: number;
  finished: number;
  readonly expected: number | undefined;
  /** Totals of results; running pieces are added. */
  totals: JobTotals;
  readonly running: Running[];
}

/** Work by container, ascending. */
type Works = ReadonlyMap<string, Work>;

/** Returns the progress of a job; of an ended job, its totals. */
export async function readProgress(work: RecordTable<WorkRecord>, job: Job, now: Date): Promise<Progress> {
  return isOpen(job) ? progressOf(job, await readWorks(work, job), now) : readEnd(work, job);
}

/** Returns the totals of each container, by name, for a job that is about to end. */
export async function readContainerTotals(
  work: RecordTable<WorkRecord>,
  job: Job,
): Promise<{ readonly container: string; readonly totals: JobTotals }[]> {
  const works = await readWorks(await readOnce(work, job.id), job);
  return [...works].map(([container, of]) => ({ container, totals: totalsOf(of) }));
}

async function readEnd(work: RecordTable<WorkRecord>, job: Job): Promise<Progress> {
  const isDone = job.status === "Completed" || job.status === "CompletedWithWarnings";
  const share = isDone ? { doneShare: 1 } : {};
  const { records } = await work.list(job.id, { prefix: workRows.containers, limit: MAX_LISTED_CONTAINERS });
  const containers = records.flatMap(({ value }) =>
    value.kind === "container" ? [{ container: value.container, totals: value.totals, ...share }] : [],
  );
  const containerCount = job.containers?.length ?? containers.length;
  return { totals: job.totals ?? NO_TOTALS, ...share, containers, containerCount };
}

function progressOf(job: Job, works: Works, now: Date): Progress {
  const containerCount = Math.max(job.containers?.length ?? 0, works.size);
  // A restore plans its containers at once, and skips empty ones.
  const plannedShare = job.request.kind === "restore" || containerCount === 0 ? 1 : works.size / containerCount;
  const { totals, doneShare = 0, rate, secondsLeft } = advanceOf(sumOf([...works.values()]), now);
  const pressure = pressureOf([...works.values()].flatMap((of) => of.running).filter((row) => isRecent(row, now)));
  return {
    totals,
    doneShare: works.size === 0 ? 0 : doneShare * plannedShare,
    ...present({ rate }),
    // The length of containers without a plan is unknown.
    ...(secondsLeft === undefined || plannedShare < 1 ? {} : { secondsLeft }),
    ...present({ pressure }),
    containers: [...works]
      .slice(0, MAX_LISTED_CONTAINERS)
      .map(([container, of]) => ({ container, ...advanceOf(of, now) })),
    containerCount,
  };
}

function sumOf(works: readonly Work[]): Work {
  const sum = (count: (of: Work) => number): number => works.reduce((all, of) => all + count(of), 0);
  return {
    parts: sum((of) => of.parts),
    finished: sum((of) => of.finished),
    expected: works.every((of) => of.expected !== undefined) ? sum((of) => of.expected ?? 0) : undefined,
    totals: works.map((of) => of.totals).reduce(addTotals, NO_TOTALS),
    running: works.flatMap((of) => of.running),
  };
}

function advanceOf(of: Work, now: Date): Advance {
  const totals = totalsOf(of);
  if (of.parts === of.finished) return { totals, doneShare: 1 };

  const names = of.totals.listed + of.running.reduce((all, row) => all + settledNames(row.totals), 0);
  // Without an estimate in the plan, finished parts represent the others.
  const expected = of.expected ?? (of.finished === 0 ? 0 : (of.totals.listed / of.finished) * of.parts);
  const rate = rateOf(of.running.filter((row) => isRecent(row, now)));
  const secondsLeft = Math.ceil((expected - names) / (rate?.objectsPerSecond ?? 0));
  return {
    totals,
    doneShare: expected === 0 ? 0 : Math.min(MAX_UNFINISHED_SHARE, names / expected),
    ...present({ rate }),
    ...(Number.isFinite(secondsLeft) && secondsLeft > 0 ? { secondsLeft } : {}),
  };
}

function totalsOf({ totals, running }: Work): JobTotals {
  return running.map((row) => row.totals).reduce(addTotals, totals);
}

function isRecent({ notedAt }: Running, now: Date): boolean {
  return now.getTime() - Date.parse(notedAt) <= LATELY_MS;
}

function rateOf(running: readonly Running[]): Rate | undefined {
  if (running.length === 0) return undefined;
  const sum = (perSecond: (row: Running) => number): number => running.reduce((all, row) => all + perSecond(row), 0);
  return { objectsPerSecond: sum((row) => row.objectsPerSecond), bytesPerSecond: sum((row) => row.bytesPerSecond) };
}

/** Pieces in one process share its pool, so their pressure must not be added up. */
function pressureOf(running: readonly Running[]): PressureRecord | undefined {
  const [hardest] = running
    .flatMap(({ pressure }) => (pressure === undefined ? [] : [pressure]))
    .toSorted((a, b) => a.width - b.width || b.halvings - a.halvings);
  return hardest;
}

/**
 * Adds up the rows of each planned container.
 *
 * Reads running pieces before finished ones: a piece that finishes meanwhile is seen twice rather than never, and
 * counted once.
 */
async function readWorks(work: ReadableRecords<WorkRecord>, job: Job): Promise<Works> {
  const works = new Map<string, Work>();
  for (const { container, parts, expected } of await listWork(work, job.id, workRows.plansAll, "plan")) {
    works.set(container, { parts, finished: 0, expected, totals: NO_TOTALS, running: [] });
  }
  // Once the totals are written nothing runs; remaining notes are of crashed workers.
  const running = job.totals === undefined ? await collect(listRecords(work, job.id, workRows.runningAll)) : [];
  const done =
    job.request.kind === "backup" ? await addRanges(work, job.id, works) : await addSegments(work, job.id, works);
  for (const { row, value } of running) {
    const [, container = "", ...part] = row.split("|");
    if (value.kind === "running" && !done.has(partKey(container, ...part))) works.get(container)?.running.push(value);
  }
  return works;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function partKey(...part: readonly string[]): string {
  return part.join("|");
}

/** @returns pieces with a result: container, range and piece; may omit those of complete groups */
async function addRanges(work: ReadableRecords<WorkRecord>, jobId: string, works: Works): Promise<ReadonlySet<string>> {
  const wholeGroups = new Set<string>();
  for await (const { row, value } of listRecords(work, jobId, workRows.groupsAll)) {
    const [, container = ""] = row.split("|");
    const of = works.get(container);
    if (value.kind !== "group" || of === undefined) continue;
    wholeGroups.add(row);
    of.parts += value.splits;
    of.finished += value.finished;
    of.totals = addTotals(of.totals, value.totals);
  }
  const done = new Set<string>();
  for (const { row, value } of await readTallies(work, jobId, works, wholeGroups)) {
    const [, container = "", group = "", range = "", piece = ""] = row.split("|");
    const of = works.get(container);
    if (value.kind !== "tally" || of === undefined) continue;
    done.add(partKey(container, range, piece));
    if (wholeGroups.has(workRows.group(container, Number(group)))) continue;
    if (value.split) of.parts += 1;
    if (value.finished) of.finished += 1;
    of.totals = addTotals(of.totals, value.totals);
  }
  return done;
}

/** Reads the tallies of a job; for many parts in few containers, only those of incomplete groups. */
async function readTallies(
  work: ReadableRecords<WorkRecord>,
  jobId: string,
  works: Works,
  wholeGroups: ReadonlySet<string>,
): Promise<Stored<WorkRecord>[]> {
  const parts = [...works.values()].reduce((sum, of) => sum + of.parts, 0);
  if (parts <= FEW_PARTS || works.size > MANY_CONTAINERS) {
    return collect(listRecords(work, jobId, workRows.talliesAll));
  }
  const tallies = await mapBounded([...works], READING_WIDTH, async ([container, of]) => {
    const found: Stored<WorkRecord>[] = [];
    // Ranges are worked on in the order of their groups: after a group that has not started there is none.
    for (let group = 0; of.finished < of.parts; group++) {
      if (wholeGroups.has(workRows.group(container, group))) continue;
      const ofGroup = await collect(listRecords(work, jobId, workRows.tallies(container, group)));
      if (ofGroup.length === 0) break;
      found.push(...ofGroup);
    }
    return found;
  });
  return tallies.flat();
}

/** @returns segments that are in the target: container, segment and its only piece */
async function addSegments(
  work: ReadableRecords<WorkRecord>,
  jobId: string,
  works: Works,
): Promise<ReadonlySet<string>> {
  const done = new Set<string>();
  for await (const { row, value } of listRecords(work, jobId, workRows.restoredEverywhere)) {
    const [, container = "", segment = ""] = row.split("|");
    const of = works.get(container);
    if (value.kind !== "restored" || of === undefined) continue;
    done.add(partKey(container, segment, "000000"));
    of.finished += 1;
    of.totals = addTotals(of.totals, value.totals);
  }
  return done;
}
