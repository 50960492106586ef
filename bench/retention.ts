/**
 * @module The cost of purging one recovery point compared with a full comparison with its neighbours: segments read and
 *   calls made, in memory, over manifests of the real segment writer. Both must find the same objects and segments.
 *
 * `npm run bench:retention`; the last line is JSON.
 */

import { type PurgeProgress, purgeRecoveryPoint } from "../src/purge/purge-recovery-point.ts";
import { decodeEntry, type EntryLine, encodeEntry } from "../src/vault/entry.ts";
import { listSeals } from "../src/vault/list-seals.ts";
import { ManifestCache } from "../src/vault/manifest-cache.ts";
import { objectPath, segmentPath } from "../src/vault/names.ts";
import { readIndex, readSeal, readSegmentLines } from "../src/vault/read-manifest.ts";
import { SEGMENT_ENTRIES, SegmentBuilder, type SegmentRef } from "../src/vault/segment.ts";
import type { Removal, SweepableVault, VaultFile, VaultFiles, WriteOptions } from "../src/vault/vault-files.ts";
import { Dice } from "../test/support/retention-dice.ts";
import { sealPoint } from "../test/support/sealed-point.ts";
import { formatTable } from "./table.ts";

const ENTRIES = 1_000_000;
const POINTS = 30;
const CHANGES = ENTRIES / 1_000;
/** Names in a directory; ten of them make a segment. */
const DIRECTORY = 2_000;
/** Directories with all changes of one day: two that change every day, and two others. */
const DAILY_DIRECTORIES = [120, 380];
const OTHER_DIRECTORIES = 2;
/** One in this many changes deletes a blob; a change of a deleted blob creates it again. */
const REMOVES = 20;

const CONTAINER = "lake";
const INSTANCE = "1".repeat(32);
const TIME = "2026-01-01T00:00:00.000Z";

/** Files in memory, with a count of the calls. Objects themselves are not stored, because no purge reads them. */
class CountingVault implements SweepableVault {
  readonly #files = new Map<string, { readonly content: Uint8Array; readonly metadata: VaultFile["metadata"] }>();
  readonly removed: string[] = [];
  calls = 0;
  segmentsRead = 0;

  async read(path: string): Promise<Uint8Array | undefined> {
    this.calls += 1;
    if (path.endsWith(".gz")) this.segmentsRead += 1;
    return this.#files.get(path)?.content;
  }

  async create(path: string, content: Uint8Array, { metadata = {} }: WriteOptions): Promise<boolean> {
    this.calls += 1;
    if (this.#files.has(path)) return false;
    this.#files.set(path, { content, metadata });
    return true;
  }

  /** No listing of a purge has more than one page. */
  async *list(prefix: string, from = ""): AsyncGenerator<VaultFile> {
    this.calls += 1;
    for (const path of [...this.#files.keys()].filter((name) => name.startsWith(prefix) && name >= from).sort()) {
      const file = this.#files.get(path);
      if (file === undefined) continue;
      yield { path, size: file.content.length, metadata: file.metadata, etag: path, writtenAt: new Date(0) };
    }
  }

  /** Nothing is ever overwritten. */
  async remove(files: readonly Removal[]): Promise<readonly string[]> {
    this.calls += 1;
    for (const { path } of files) {
      this.removed.push(path);
      this.#files.delete(path);
    }
    return [];
  }

  /** @returns the cost of an action */
  async measure<T>(action: () => Promise<T>): Promise<Cost & { readonly result: T }> {
    const [calls, segmentsRead, startedAt] = [this.calls, this.segmentsRead, performance.now()];
    const result = await action();
    return {
      result,
      calls: this.calls - calls,
      segmentsRead: this.segmentsRead - segmentsRead,
      ms: performance.now() - startedAt,
    };
  }
}

interface Cost {
  readonly calls: number;
  readonly segmentsRead: number;
  readonly ms: number;
}

type Change = () => number;

/** A lake whose blobs are numbered in listing order, and the recovery points of its days. */
class Lake {
  readonly vault = new CountingVault();
  readonly #dice = new Dice(1);
  /** Birth of each blob that changed since the first day; 0: it is gone. */
  readonly #births = new Map<number, number>();
  #segments: readonly SegmentRef[] = [];
  #sequence = 0;

  /** @param pickChange - returns the place of a day's changes, by its dice */
  async backUp(pickChange: (dice: Dice) => Change): Promise<void> {
    this.#sequence += 1;
    const changed = new Set<number>();
    const pick = pickChange(this.#dice);
    for (let i = 0; this.#sequence > 1 && i < CHANGES; i++) {
      const blob = pick();
      const isRemoved = this.#births.get(blob) !== 0 && this.#dice.oneIn(REMOVES);
      this.#births.set(blob, isRemoved ? 0 : this.#sequence);
      changed.add(Math.floor(blob / SEGMENT_ENTRIES));
    }
    const segments: SegmentRef[] = [];
    for (let n = 0; n < ENTRIES / SEGMENT_ENTRIES; n++) {
      const before = changed.has(n) ? undefined : this.#segments[n];
      segments.push(before ?? (await this.#writeSegment(n)));
    }
    this.#segments = segments;
    await this.#seal();
  }

  async #writeSegment(n: number): Promise<SegmentRef> {
    const builder = new SegmentBuilder();
    for (let blob = n * SEGMENT_ENTRIES; blob < (n + 1) * SEGMENT_ENTRIES; blob++) {
      const birth = this.#births.get(blob) ?? 1;
      if (birth > 0) builder.push(lineOf(blob, birth));
    }
    const { content, ...described } = await builder.take(builder.length);
    const path = segmentPath(pointId(this.#sequence), CONTAINER, "000000", n, described.sha256);
    await this.vault.create(path, content, { contentType: "application/gzip" });
    return { path, ...described };
  }

  async #seal(): Promise<void> {
    const id = pointId(this.#sequence);
    const job = `job-${this.#sequence}`;
    const containers = { [CONTAINER]: { segments: this.#segments } };
    await sealPoint(this.vault, { recoveryPoint: id, sequence: this.#sequence, job, instance: INSTANCE, containers });
  }
}

function pointId(sequence: number): string {
  return String(sequence).padStart(32, "0");
}

function lineOf(blob: number, birth: number): EntryLine {
  const directory = String(Math.floor(blob / DIRECTORY)).padStart(4, "0");
  const etag = `0x8D${(Math.imul(blob + 1, 0x9e3779b1) >>> 0).toString(16).toUpperCase()}${birth}`;
  const name = `events/part=${directory}/data-${String(blob).padStart(8, "0")}.parquet`;
  return encodeEntry({ name, etag, size: 50_000 + (blob % 10_000), modified: TIME, birth });
}

/** Changes of a day in a few directories. */
function inDirectories(dice: Dice): Change {
  const others = Array.from({ length: OTHER_DIRECTORIES }, () => dice.below(ENTRIES / DIRECTORY));
  const hot = [...DAILY_DIRECTORIES, ...others];
  return () => (dice.pick(hot) ?? 0) * DIRECTORY + dice.below(DIRECTORY);
}

function everywhere(dice: Dice): Change {
  return () => dice.below(ENTRIES);
}

/** What only the point has, by a full comparison with its neighbours. */
interface Comparison {
  readonly objects: ReadonlySet<string>;
  readonly segments: ReadonlySet<string>;
}

async function compareInFull(vault: SweepableVault, purged: number): Promise<Comparison> {
  const ascending = (await listSeals(vault)).toSorted((a, b) => a.sequence - b.sequence);
  const at = ascending.findIndex(({ sequence }) => sequence === purged);
  const [previous, point, next] = await Promise.all(
    [at - 1, at, at + 1].map(async (place) => {
      const seal = await readSeal(vault, ascending[place]?.id ?? "");
      return (await readIndex(vault, seal, CONTAINER))?.segments ?? [];
    }),
  );
  if (previous === undefined || point === undefined || next === undefined) throw new Error("there are three points");
  const objects = new Set<string>();
  // All segments of this lake are cut at the same names, so they can be compared one by one.
  for (const [n, segment] of point.entries()) {
    const kept = new Set<string>();
    for (const neighbour of [previous[n], next[n]]) {
      if (neighbour === undefined) continue;
      for (const line of await readSegmentLines(vault, neighbour)) kept.add(versionOf(line));
    }
    for (const line of await readSegmentLines(vault, segment)) {
      if (kept.has(versionOf(line))) continue;
      const { name, etag, birth } = decodeEntry(line);
      objects.add(objectPath(CONTAINER, name, etag, birth));
    }
  }
  const shared = new Set([...previous, ...next].map(({ path }) => path));
  return { objects, segments: new Set(point.map(({ path }) => path).filter((path) => !shared.has(path))) };
}

/** Name, ETag and birth; the members between them are the same in all entries of a version. */
function versionOf(line: EntryLine): string {
  return /^.*?,"birth":\d+/.exec(line)?.[0] ?? line;
}

interface Measured {
  readonly title: string;
  readonly points: number;
  readonly segments: number;
  readonly full: Cost;
  readonly purge: Cost;
  readonly progress: PurgeProgress;
}

async function measurePurge(title: string, pickChange: (dice: Dice) => Change, points: number): Promise<Measured> {
  const lake = new Lake();
  for (let day = 0; day < points; day++) await lake.backUp(pickChange);
  const { vault } = lake;
  const purged = Math.ceil(points / 2);
  const id = pointId(purged);
  const deps = {
    instance: INSTANCE,
    vault,
    manifests: new ManifestCache(),
    rows: { hasDebris: async () => false, isPinned: async () => false, remove: async () => undefined },
  };
  const segments = await countSegments(vault, id);
  const full = await vault.measure(() => compareInFull(vault, purged));
  const purge = await vault.measure(() => purgeRecoveryPoint(deps, id));
  const isObject = (path: string): boolean => path.startsWith("data");
  checkSame("objects", full.result.objects, vault.removed.filter(isObject));
  const isSegment = (path: string): boolean => path.startsWith("manifests/") && path.endsWith(".gz");
  checkSame("segments", full.result.segments, vault.removed.filter(isSegment));
  return { title, points, segments, full, purge, progress: purge.result };
}

async function countSegments(vault: Pick<VaultFiles, "read">, id: string): Promise<number> {
  const seal = await readSeal(vault, id);
  const indexes = await Promise.all(seal.containers.map(({ name }) => readIndex(vault, seal, name)));
  return indexes.reduce((sum, index) => sum + (index?.segments.length ?? 0), 0);
}

/** @throws Error when the purge did not delete exactly what the comparison found */
function checkSame(what: string, expected: ReadonlySet<string>, found: readonly string[]): void {
  if (found.length === expected.size && found.every((path) => expected.has(path))) return;
  throw new Error(`the purge removed ${found.length} ${what}, and the comparison found ${expected.size}`);
}

const whole = (value: number): string => Math.round(value).toLocaleString("en-US");
const ratio = (value: number, of: number): number => Math.round((value / of) * 10_000) / 10_000;

const clustered = await measurePurge("in four directories", inDirectories, POINTS);
// Each day rewrites every segment; only three points are read, so no others are created.
const spread = await measurePurge("spread evenly", everywhere, 3);

console.log(
  `Purge of one point over ${whole(ENTRIES)} entries, ${whole(CHANGES)} of them changed each time; full: all of it compared with all of its neighbours, and nothing removed\n`,
);
console.log(
  formatTable({
    head: [
      "changes",
      "points",
      "segments a point",
      "read",
      "read, full",
      "calls",
      "calls, full",
      "objects",
      "ms",
      "ms, full",
    ],
    rows: [clustered, spread].map(({ title, points, segments, full, purge, progress }) => [
      title,
      ...[
        points,
        segments,
        purge.segmentsRead,
        full.segmentsRead,
        purge.calls,
        full.calls,
        progress.objects,
        purge.ms,
        full.ms,
      ].map(whole),
    ]),
  }),
);
console.log(
  JSON.stringify({
    purge_reads_vs_full: ratio(clustered.purge.segmentsRead, clustered.full.segmentsRead),
    purge_calls_vs_full: ratio(clustered.purge.calls, clustered.full.calls),
    purged_objects: clustered.progress.objects,
    segments_read: clustered.purge.segmentsRead,
    purge_reads_vs_full_spread: ratio(spread.purge.segmentsRead, spread.full.segmentsRead),
    purge_calls_vs_full_spread: ratio(spread.purge.calls, spread.full.calls),
  }),
);
