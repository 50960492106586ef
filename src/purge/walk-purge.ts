/**
 * @module Which files are deleted with a purged recovery point, in order. This walk deletes nothing: a purge deletes
 *   what it yields, and a dry run counts it, so the two cannot differ.
 */
import { isDamage } from "../vault/damage.ts";
import { decodeEntry, type Entry, type EntryLine } from "../vault/entry.ts";
import { EntryLookup } from "../vault/entry-lookup.ts";
import { decodeIndex } from "../vault/manifest-index.ts";
import { CONTENT_PREFIXES, markersPrefix, objectPath } from "../vault/names.ts";
import { checkSha256, openSegment, type SegmentRef } from "../vault/segment.ts";
import { MAX_REMOVALS } from "../vault/vault-files.ts";
import type { PurgePosition } from "./activities.ts";
import {
  type NeighbourSeals,
  type PlanDeps,
  type PurgePlan,
  planContainerPurge,
  readIndexes,
  readNeighbours,
} from "./plan-purge.ts";

/** Kind of a file; `content`: any other file that is deleted with the last point. */
export type PurgedKind = "object" | "segment" | "index" | "marker" | "content";

/** One step of the walk. */
export type PurgeStep =
  /**
   * A file to delete. `size`: bytes of its content, 0 where unknown. `etag`: from a listing; absent: a manifest names
   * the file.
   */
  | {
      readonly step: "file";
      readonly kind: PurgedKind;
      readonly path: string;
      readonly size: number;
      readonly etag?: string;
    }
  /** All files before it must be deleted before the walk continues. */
  | { readonly step: "barrier" }
  /** The walk may stop here, and continue at the position; without one, at its start. */
  | { readonly step: "pause"; readonly from?: PurgePosition }
  /** Segments were read, or a damaged manifest hides whether something is needed: it is kept. */
  | ({ readonly step: "count" } & WalkCounts);

interface WalkCounts {
  readonly segmentsRead: number;
  /** Objects and whole segments. */
  readonly undecided: number;
}

const NOTHING: WalkCounts = { segmentsRead: 0, undecided: 0 };

/** Files between two pauses, where no segment is read. */
export const FILES_PER_PAUSE = 8 * MAX_REMOVALS;

/**
 * Yields what is deleted with a recovery point: per container its objects, its segments and its index, then its
 * markers; with the last point everything. An object is deleted when its birth is after the previous sealed point and
 * the next point does not have it.
 *
 * Memory: a container's index and those of its neighbours, and four segments.
 *
 * @param from - where an earlier walk of the same plan paused
 * @throws VaultError `format/corrupt`, `format/missing`, `format/newer-version` when an index cannot be read
 */
export async function* walkPurge(deps: PlanDeps, plan: PurgePlan, from?: PurgePosition): AsyncGenerator<PurgeStep> {
  if (plan.isLast) {
    for (const prefix of CONTENT_PREFIXES) yield* walkAll(deps, prefix);
    return;
  }
  const seals = await readNeighbours(deps, plan.neighbours);
  for (const [i, { name, index }] of plan.containers.entries()) {
    const content = await deps.vault.read(index.path);
    // A container's index is deleted last.
    if (content === undefined) continue;
    checkSha256(index.path, index.sha256, content);
    const held = decodeIndex(index.path, content);
    const [previous, next] = await readIndexes(deps, seals, name);
    const { own, compared } = planContainerPurge(held, previous, next);
    const container = new ContainerWalk(deps, { recoveryPoint: plan.recoveryPoint, container: name, own });
    const first = from?.container === name ? from.segment : 0;
    const lookup = new EntryLookup(deps.vault, compared, (next ?? held).order);
    yield* container.objects(seals, lookup, first);
    yield* container.segments(first);
    yield { step: "file", kind: "index", path: index.path, size: 0 };
    yield { step: "barrier" };
    const following = plan.containers[i + 1]?.name;
    if (following !== undefined) {
      yield { step: "pause", from: { recoveryPoint: plan.recoveryPoint, container: following, segment: 0 } };
    }
  }
  yield* walkAll(deps, markersPrefix(plan.job));
}

async function* walkAll({ vault }: PlanDeps, prefix: string): AsyncGenerator<PurgeStep> {
  let files = 0;
  const kind = prefix.startsWith("data") ? "object" : prefix.startsWith("markers") ? "marker" : "content";
  for await (const { path, size, etag } of vault.list(prefix)) {
    yield { step: "file", kind, path, size, etag };
    files += 1;
    if (files % FILES_PER_PAUSE === 0) yield { step: "pause" };
  }
  yield { step: "barrier" };
}

interface WalkedContainer {
  readonly recoveryPoint: string;
  readonly container: string;
  /** The segments that only the purged point has. */
  readonly own: readonly SegmentRef[];
}

class ContainerWalk {
  readonly #vault: PlanDeps["vault"];
  readonly #container: WalkedContainer;
  #counts = NOTHING;
  #lookedUp = 0;

  constructor({ vault }: PlanDeps, container: WalkedContainer) {
    this.#vault = vault;
    this.#container = container;
  }

  /** @param first - the first segment whose objects were not walked before */
  async *objects([previous]: NeighbourSeals, next: EntryLookup, first: number): AsyncGenerator<PurgeStep> {
    const { container, own } = this.#container;
    for (const [i, segment] of own.entries()) {
      if (i < first) continue;
      for (const line of await this.#linesOf(segment)) {
        const entry = await this.#garbage(line, previous?.sequence ?? 0, next);
        if (entry === undefined) continue;
        const path = objectPath(container, entry.name, entry.etag, entry.birth);
        yield { step: "file", kind: "object", path, size: entry.size };
      }
      yield this.#counted(next);
      if (i + 1 < own.length) yield { step: "pause", from: this.#at(i + 1) };
    }
    yield { step: "barrier" };
  }

  /** The counts since the last call, including the segments of the next point. */
  #counted({ segmentsRead }: EntryLookup): PurgeStep {
    const counts = { ...this.#counts, segmentsRead: this.#counts.segmentsRead + segmentsRead - this.#lookedUp };
    this.#lookedUp = segmentsRead;
    this.#counts = NOTHING;
    return { step: "count", ...counts };
  }

  /** @returns nothing for a segment that an earlier execution deleted, and for one that is damaged */
  async #linesOf(segment: SegmentRef): Promise<readonly EntryLine[]> {
    const content = await this.#vault.read(segment.path);
    if (content === undefined) return [];
    this.#counts = { ...this.#counts, segmentsRead: this.#counts.segmentsRead + 1 };
    return (await this.#unlessDamaged(() => openSegment(segment, content))) ?? [];
  }

  /**
   * @param bornAfter - number of the previous point, which has all objects of that birth and earlier ones
   * @returns the entry of the line if its object is to be deleted
   */
  async #garbage(line: EntryLine, bornAfter: number, next: EntryLookup): Promise<Entry | undefined> {
    if (isBornUntil(line, bornAfter)) return undefined;
    const entry = await this.#unlessDamaged(() => decodeEntry(line));
    if (entry === undefined || entry.type === "directory" || entry.birth <= bornAfter) return undefined;
    const isNeeded = await this.#unlessDamaged(async () => {
      const after = await next.find(entry.name);
      return after?.etag === entry.etag && after.birth === entry.birth;
    });
    return isNeeded === false ? entry : undefined;
  }

  /** A damaged manifest must not block all later backups of the instance; what it hides is kept. */
  async #unlessDamaged<T>(read: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#counts = { ...this.#counts, undecided: this.#counts.undecided + 1 };
      return undefined;
    }
  }

  /**
   * The segments' files, once their objects are deleted.
   *
   * @param first - number of segments, plus that of the files that an earlier walk yielded
   */
  async *segments(first: number): AsyncGenerator<PurgeStep> {
    const { own } = this.#container;
    for (let i = Math.max(0, first - own.length); i < own.length; ) {
      yield { step: "file", kind: "segment", path: (own[i] as SegmentRef).path, size: 0 };
      i += 1;
      if (i % FILES_PER_PAUSE === 0 && i < own.length) yield { step: "pause", from: this.#at(own.length + i) };
    }
    yield { step: "barrier" };
  }

  #at(segment: number): PurgePosition {
    const { recoveryPoint, container } = this.#container;
    return { recoveryPoint, container, segment };
  }
}

/** JSON escapes every quote within a text, so this is never a part of a name or a tag. */
const BIRTH = /,"birth":(\d+)/;

/** Recognises most entries that are needed without parsing them. */
function isBornUntil(line: EntryLine, sequence: number): boolean {
  const birth = BIRTH.exec(line)?.[1];
  return birth !== undefined && Number(birth) <= sequence;
}
