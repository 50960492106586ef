/**
 * @module
 * Second half of a round: finds files of the vault that no recovery point needs. An object of birth b is needed exactly
 * when the oldest sealed point with a number of at least b lists it, because consecutive points share a version from
 * that point on. An object that is younger than all points may be needed by the next one. When in doubt, a file is
 * kept.
 */

import { countBefore } from "../foundation/binary-search.ts";
import { unlessDamaged } from "../vault/damage.ts";
import { EntryLookup } from "../vault/entry-lookup.ts";
import { type ListingOrder, nameComparator } from "../vault/listing-order.ts";
import type { ManifestCache } from "../vault/manifest-cache.ts";
import type { ManifestIndex } from "../vault/manifest-index.ts";
import { indexPath, objectPath, objectPrefixes, parseObjectPath } from "../vault/names.ts";
import { readSegment } from "../vault/read-manifest.ts";
import type { Seal } from "../vault/seal.ts";
import type { SegmentRef } from "../vault/segment.ts";
import type { VaultFiles } from "../vault/vault-files.ts";
import { unlessGone } from "./read-points.ts";

/** A sealed point with a valid seal. */
export interface SurePoint {
  readonly id: string;
  readonly sequence: number;
  /** The job that created it. */
  readonly job: string;
}

export interface DebrisDeps {
  readonly vault: Pick<VaultFiles, "read">;
  readonly instance: string;
  /** Seals and indexes read since the points were listed. */
  readonly manifests: ManifestCache;
  /** All points, ascending by unique number. */
  readonly points: readonly SurePoint[];
}

/** `needed`: by a point, or perhaps by the next one. `undecided`: a file that would decide it cannot be read. */
export type DebrisDecision = "needed" | "debris" | "undecided" | "not-understood";

/**
 * Max segments read for one batch, about a minute's work; a batch that needs more is cut short.
 */
const MAX_SEGMENTS = 500;

/** Max segments of one point read to find objects with hashed names, whose paths do not contain the name. */
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
  /** Lookups by segment; points share segments, so each is read once for all. */
  const lookups = new Map<string, Place & { readonly claims: Claim[] }>();
  for (const path of paths) {
    const place = await placeOf(deps, path);
    if (typeof place === "string") {
      verdicts.set(path, place);
      continue;
    }
    const one = lookups.get(place.ref.path) ?? { ...place, claims: [] };
    if (one.claims.length === 0 && lookups.size === MAX_SEGMENTS) break;
    lookups.set(place.ref.path, one);
    one.claims.push({ path, ...place.object });
    // Until its segment was read.
    verdicts.set(path, "undecided");
  }
  for (const { ref, order, claims } of lookups.values()) {
    const lookup = new EntryLookup(deps.vault, [ref], order);
    for (const { path, name, etag, birth } of claims) {
      const isNamed = await unlessUnreadable(async () => {
        const entry = await lookup.find(name);
        return entry?.etag === etag && entry.birth === birth;
      });
      // If this read of the segment did not decide it, no other will.
      if (isNamed === undefined) break;
      verdicts.set(path, isNamed ? "needed" : "debris");
    }
  }
  return verdicts;
}

/** @returns undefined also for a path that Lakevault would encode differently */
function parseOwnPath(container: string, path: string): ReturnType<typeof parseObjectPath> {
  const object = parseObjectPath(container, path);
  if (object === undefined || object.birth < 1) return undefined;
  return objectPath(container, object.name, object.etag, object.birth) === path ? object : undefined;
}

/** Where an object is listed, if it is. */
interface Place {
  readonly ref: SegmentRef;
  readonly order: ListingOrder;
}

/** @returns the object and the only segment that can list it, or a verdict without reading one */
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

/** @returns `not-held` when the point does not have the container; undefined when its content is unknown */
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

/** @returns undefined also when its point was purged meanwhile */
async function unlessUnreadable<T>(read: () => Promise<T>): Promise<T | undefined> {
  return unlessGone(() => unlessDamaged(read));
}

const HASHED = /^data~\/([^/]+)\/[0-9a-f]{64}\/[^/]+\.([1-9]\d*)$/;

/**
 * The path of an object with a hashed name does not contain the name, so the paths of all entries of its point are
 * computed. The point is the first with this version, so only segments that the previous point does not share can list
 * it.
 */
async function decideHashedObjects(deps: DebrisDeps, paths: readonly string[]): Promise<Map<string, DebrisDecision>> {
  const verdicts = new Map<string, DebrisDecision>();
  const lookups = new Map<
    string,
    { readonly point: SurePoint; readonly container: string; readonly paths: string[] }
  >();
  for (const path of paths) {
    const [, container, birth] = HASHED.exec(path) ?? [];
    const point = oldestFrom(deps.points, Number(birth));
    if (container === undefined) verdicts.set(path, "not-understood");
    else if (point === undefined) verdicts.set(path, "needed");
    else {
      verdicts.set(path, "undecided");
      const key = `${point.id}|${container}`;
      const one = lookups.get(key) ?? { point, container, paths: [] };
      lookups.set(key, one);
      one.paths.push(path);
    }
  }
  for (const { point, container, paths: claimed } of lookups.values()) {
    const named = await unlessUnreadable(() => hashedPathsOf(deps, point, container));
    if (named === undefined) continue;
    for (const path of claimed) verdicts.set(path, named.has(path) ? "needed" : "debris");
  }
  return verdicts;
}

/** @returns undefined when they are unknown */
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
 * A file below `manifests/` is needed while any seal or index lists it; later points list segments too. Checks the
 * points that wrote the files first, then the others, newest first, until every file is listed or all points are
 * checked.
 */
async function decideManifests(deps: DebrisDeps, paths: readonly string[]): Promise<Map<string, DebrisDecision>> {
  const verdicts = new Map<string, DebrisDecision>();
  /** Paths that are not listed so far, by container. */
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
