/**
 * @module
 * The second half of a round: which files of the vault does no recovery point need? An object of birth b is needed exactly
 * when the oldest sealed point with a number of at least b has it, because a version lives in an unbroken run of points
 * that begins there. An object that is younger than all points may be needed by the next one. Whatever cannot be told stays.
 */

import { countBefore } from "../foundation/binary-search.ts";
import { EntryLookup } from "../vault/entry-lookup.ts";
import { type ListingOrder, nameComparator } from "../vault/listing-order.ts";
import type { ManifestCache } from "../vault/manifest-cache.ts";
import type { ManifestIndex } from "../vault/manifest-index.ts";
import { indexPath, objectPath, objectPrefixes, parseObjectPath } from "../vault/names.ts";
import { readSegment } from "../vault/read-manifest.ts";
import type { Seal } from "../vault/seal.ts";
import type { SegmentRef } from "../vault/segment.ts";
import type { VaultFiles } from "../vault/vault-files.ts";
import { unlessDamaged, unlessGone } from "./read-points.ts";

/** A sealed point whose seal was read and is right. */
export interface SurePoint {
  readonly id: string;
  readonly sequence: number;
  /** The job that made it. */
  readonly job: string;
}

export interface DebrisDeps {
  readonly vault: Pick<VaultFiles, "read">;
  readonly instance: string;
  /** Seals and indexes that were read since the points were listed. */
  readonly manifests: ManifestCache;
  /** All that there are, ascending by number, which no two share. */
  readonly points: readonly SurePoint[];
}

/** `needed`: by a point, or perhaps by the next one. `undecided`: what would tell it cannot be read. */
export type DebrisDecision = "needed" | "debris" | "undecided" | "not-understood";

/**
 * Segments that are read for one batch at most. They are a minute's work; a batch for which more are needed is cut short.
 */
const MAX_SEGMENTS = 500;

/** Segments of one point that are read to find objects with hashed names, of which no path tells the name. */
const MAX_HASHED_SEGMENTS = 2_000;

/**
 * Decides about the first files of a batch.
 *
 * Memory: the indexes in the cache, and one segment.
 *
 * @param paths - of one prefix of `CONTENT_PREFIXES`, ascending
 * @returns a verdict for each of the first paths; at least one
 */
export async function decideFiles(deps: DebrisDeps, paths: readonly string[]): Promise<Map<string, DebrisDecision>> {
  const [prefix] = (paths[0] ?? "").split("/");
  switch (prefix) {
    case "data":
      return decideObjects(deps, paths);
    case "data~":
      return decideHashedObjects(deps, paths);
    case "manifests":
      return decideManifests(deps, paths);
    case "markers":
      return decideMarkers(deps, paths);
    default:
      return new Map(paths.map((path) => [path, "not-understood"]));
  }
}

interface Claim {
  readonly path: string;
  readonly name: string;
  readonly etag: string;
  readonly birth: number;
}

async function decideObjects(deps: DebrisDeps, paths: readonly string[]): Promise<Map<string, DebrisDecision>> {
  const verdicts = new Map<string, DebrisDecision>();
  /** What is asked of one segment; points share segments, so one reading serves them all. */
  const asked = new Map<string, Place & { readonly claims: Claim[] }>();
  for (const path of paths) {
    const place = await placeOf(deps, path);
    if (typeof place === "string") {
      verdicts.set(path, place);
      continue;
    }
    const one = asked.get(place.ref.path) ?? { ...place, claims: [] };
    if (one.claims.length === 0 && asked.size === MAX_SEGMENTS) break;
    asked.set(place.ref.path, one);
    one.claims.push({ path, ...place.object });
    // Until its segment was read.
    verdicts.set(path, "undecided");
  }
  for (const { ref, order, claims } of asked.values()) {
    const lookup = new EntryLookup(deps.vault, [ref], order);
    for (const { path, name, etag, birth } of claims) {
      const isNamed = await unlessUnreadable(async () => {
        const entry = await lookup.find(name);
        return entry?.etag === etag && entry.birth === birth;
      });
      // What one reading of the segment could not tell, none can.
      if (isNamed === undefined) break;
      verdicts.set(path, isNamed ? "needed" : "debris");
    }
  }
  return verdicts;
}

/** @returns undefined also for a path that we would have written otherwise */
function parseOwnPath(container: string, path: string): ReturnType<typeof parseObjectPath> {
  const object = parseObjectPath(container, path);
  if (object === undefined || object.birth < 1) return undefined;
  return objectPath(container, object.name, object.etag, object.birth) === path ? object : undefined;
}

/** Where an object is named, if it is. */
interface Place {
  readonly ref: SegmentRef;
  readonly order: ListingOrder;
}

/** @returns the object and the only segment that can name it, or what is certain without reading one */
async function placeOf(
  deps: DebrisDeps,
  path: string,
): Promise<(Place & { readonly object: Omit<Claim, "path"> }) | DebrisDecision> {
  const container = path.split("/")[1] ?? "";
  const object = parseOwnPath(container, path);
  if (object === undefined) return "not-understood";
  const point = oldestFrom(deps.points, object.birth);
  if (point === undefined) return "needed";
  const index = await indexOf(deps, point, container);
  if (index === undefined) return "undecided";
  if (index === "not-held") return "debris";
  const { order, segments } = index;
  const compare = nameComparator(order);
  const ref = segments[countBefore(segments, ({ first }) => compare(first, object.name) <= 0) - 1];
  return ref === undefined || compare(object.name, ref.last) > 0 ? "debris" : { object, ref, order };
}

/** @returns `not-held` when the point does not hold the container; undefined when nobody can tell what it holds */
async function indexOf(
  deps: DebrisDeps,
  point: SurePoint,
  container: string,
): Promise<ManifestIndex | "not-held" | undefined> {
  return unlessUnreadable(async () => {
    const seal = await readSealOf(deps, point);
    return (await deps.manifests.readIndex(deps.vault, seal, container)) ?? "not-held";
  });
}

function readSealOf({ vault, instance, manifests }: DebrisDeps, { id }: SurePoint): Promise<Seal> {
  return manifests.readSeal(vault, instance, id);
}

/** @returns undefined also for what is gone because its point was purged meanwhile */
async function unlessUnreadable<T>(read: () => Promise<T>): Promise<T | undefined> {
  return unlessGone(() => unlessDamaged(read));
}

const HASHED = /^data~\/([^/]+)\/[0-9a-f]{64}\/[^/]+\.([1-9]\d*)$/;

/**
 * The path of an object with a hashed name does not tell the name, so all such paths that its point could have are made.
 * The point is the first to have it, so only segments that the point before does not name can.
 */
async function decideHashedObjects(deps: DebrisDeps, paths: readonly string[]): Promise<Map<string, DebrisDecision>> {
  const verdicts = new Map<string, DebrisDecision>();
  const asked = new Map<string, { readonly point: SurePoint; readonly container: string; readonly paths: string[] }>();
  for (const path of paths) {
    const [, container, birth] = HASHED.exec(path) ?? [];
    const point = oldestFrom(deps.points, Number(birth));
    if (container === undefined) verdicts.set(path, "not-understood");
    else if (point === undefined) verdicts.set(path, "needed");
    else {
      verdicts.set(path, "undecided");
      const key = `${point.id}|${container}`;
      const one = asked.get(key) ?? { point, container, paths: [] };
      asked.set(key, one);
      one.paths.push(path);
    }
  }
  for (const { point, container, paths: claimed } of asked.values()) {
    const named = await unlessUnreadable(() => hashedPathsOf(deps, point, container));
    if (named === undefined) continue;
    for (const path of claimed) verdicts.set(path, named.has(path) ? "needed" : "debris");
  }
  return verdicts;
}

/** @returns undefined when nobody can tell them */
async function hashedPathsOf(
  deps: DebrisDeps,
  point: SurePoint,
  container: string,
): Promise<ReadonlySet<string> | undefined> {
  const paths = new Set<string>();
  const index = await indexOf(deps, point, container);
  if (index === undefined) return undefined;
  if (index === "not-held") return paths;
  const before = deps.points.findLast(({ sequence }) => sequence < point.sequence);
  const earlier = before && (await indexOf(deps, before, container));
  const known = new Set(typeof earlier === "object" ? earlier.segments.map(({ path }) => path) : []);
  const own = index.segments.filter(({ path }) => !known.has(path));
  if (own.length > MAX_HASHED_SEGMENTS) return undefined;
  const { hashed } = objectPrefixes(container);
  for (const segment of own) {
    for (const { name, etag, birth } of await readSegment(deps.vault, segment)) {
      const path = objectPath(container, name, etag, birth);
      if (path.startsWith(hashed)) paths.add(path);
    }
  }
  return paths;
}

const MANIFEST = /^manifests\/([^/]+)\/([^/]+)\/[^/]+$/;

/**
 * A file below `manifests/` is needed while any seal or index names it; segments are named by later points too. The points
 * that wrote the files are asked first, then the others, newest first, until every file was named or all were asked.
 */
async function decideManifests(deps: DebrisDeps, paths: readonly string[]): Promise<Map<string, DebrisDecision>> {
  const verdicts = new Map<string, DebrisDecision>();
  /** Paths that nobody has named so far, by container. */
  const open = new Map<string, Set<string>>();
  const writers = new Set<string>();
  for (const path of paths) {
    const [, writer, container] = MANIFEST.exec(path) ?? [];
    verdicts.set(path, container === undefined ? "not-understood" : "debris");
    if (writer === undefined || container === undefined) continue;
    writers.add(writer);
    open.set(container, (open.get(container) ?? new Set()).add(path));
  }
  const isWriter = ({ id }: SurePoint): boolean => writers.has(id);
  const newestFirst = deps.points.toReversed();
  for (const point of [...newestFirst.filter(isWriter), ...newestFirst.filter((one) => !isWriter(one))]) {
    if (open.size === 0) break;
    for (const [container, unnamed] of open) {
      const index = await indexOf(deps, point, container);
      if (index === undefined) for (const path of unnamed) verdicts.set(path, "undecided");
      if (typeof index !== "object") continue;
      for (const path of [indexPath(point.id, container), ...index.segments.map((segment) => segment.path)]) {
        if (unnamed.delete(path)) verdicts.set(path, "needed");
      }
      if (unnamed.size === 0) open.delete(container);
    }
  }
  return verdicts;
}

const MARKER = /^markers\/([^/]+)\/[^/]+$/;

async function decideMarkers({ points }: DebrisDeps, paths: readonly string[]): Promise<Map<string, DebrisDecision>> {
  const jobs = new Set(points.map(({ job }) => job));
  return new Map(
    paths.map((path) => {
      const [, job] = MARKER.exec(path) ?? [];
      return [path, job === undefined ? "not-understood" : jobs.has(job) ? "needed" : "debris"];
    }),
  );
}

function oldestFrom(points: readonly SurePoint[], birth: number): SurePoint | undefined {
  return points[countBefore(points, ({ sequence }) => sequence < birth)];
}
