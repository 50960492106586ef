/**
 * @module
 * First half of a round: does the vault account have everything that the recovery points need, unaltered? Points are
 * checked by ascending number, each against the previous one. Segments that a point shares by path were read with an
 * earlier point; so were all objects that are not younger than the previous point, because consecutive points share a
 * version. So each segment is read, and each object compared, once per round.
 *
 * A purge may delete points meanwhile. It deletes the seal first: if the seal still exists, a missing file is damage;
 * without the seal the point is skipped.
 */
import { VaultError } from "../foundation/errors.ts";
import { type RecordTable, updateRecord } from "../foundation/records.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import { unlessDamaged } from "../vault/damage.ts";
import type { Entry } from "../vault/entry.ts";
import { EntryLookup } from "../vault/entry-lookup.ts";
import type { ManifestIndex } from "../vault/manifest-index.ts";
import { objectPath, objectPrefixes, sealPath } from "../vault/names.ts";
import { readSegment } from "../vault/read-manifest.ts";
import type { Seal } from "../vault/seal.ts";
import type { SegmentRef } from "../vault/segment.ts";
import { type Compared, compareObjects, type WantedObject } from "./compare-objects.ts";
import { markDamage } from "./damage-runs.ts";
import { findRunEnds } from "./find-run-ends.ts";
import {
  byNumber,
  type FoundPoint,
  type FoundPoints,
  readCheckedIndex,
  readCheckedSeal,
  unlessGone,
} from "./read-points.ts";
import type { Round } from "./round.ts";
import type { ScrubSettings } from "./scrub-settings.ts";
import type { PointPosition } from "./scrub-state.ts";
import type { ScrubVault } from "./scrub-vault.ts";

export interface CheckDeps {
  readonly vault: ScrubVault;
  readonly instance: string;
  readonly recoveryPoints: RecordTable<RecoveryPoint>;
  readonly settings: ScrubSettings;
  readonly now: Date;
  /** Bytes re-read in the round when this step started. */
  readonly rereadBytesBefore: number;
  /** Checked after each slice of objects, and after each file. */
  readonly shouldContinue: () => Promise<boolean>;
  readonly hasTime: () => boolean;
}

/** Result for a point, or for one of its containers. `gone`: it was purged meanwhile. */
type Outcome = "done" | "stopped" | "gone";

/**
 * Checks the points of a round from its position on, and marks damage on each.
 *
 * Safe to run twice: the position changes only in memory, and a mark is computed from the findings of the round.
 *
 * Memory: one index and that of the previous point, one segment and at most two of each that it is compared with.
 *
 * @returns whether all are done
 */
export async function checkPoints(deps: CheckDeps, round: Round, { points, unplaced }: FoundPoints): Promise<boolean> {
  const { upTo } = round.state;
  for (;;) {
    const { position } = round.state;
    if (position.phase !== "points") return true;
    const here = { sequence: position.sequence, id: position.point };
    const at = points.findIndex((point) => byNumber(point, here) >= 0);
    const point = points[at];
    if (point === undefined || point.sequence > upTo) break;
    if (point.id !== position.point) round.moveTo(startOf(point));
    round.comesTo(point.sequence);
    const outcome = await new PointCheck(deps, round, points, at).run();
    if (outcome === "stopped") return false;
    if (outcome === "done") {
      await mark(deps, round, point);
      round.count({ points: 1 });
    }
    const next = points[at + 1];
    round.moveTo(next === undefined ? startOf({ sequence: point.sequence + 1, id: "" }) : startOf(next));
    if (!(await deps.shouldContinue())) return false;
  }
  // Points sealed after the start of the round are for the next one, but known damage is marked on them.
  for (const point of points.filter(({ sequence }) => sequence > upTo)) {
    if (round.damageOf(point.sequence) !== undefined) await mark(deps, round, point);
  }
  for (const id of unplaced) round.found("manifests", sealPath(id));
  round.moveTo({ phase: "files", after: "" });
  return true;
}

function startOf({ sequence, id }: Pick<FoundPoint, "sequence" | "id">): PointPosition {
  return { phase: "points", sequence, point: id, container: 0, segment: 0, after: "" };
}

async function mark({ recoveryPoints, instance, now }: CheckDeps, round: Round, point: FoundPoint): Promise<void> {
  const damage = round.damageOf(point.sequence);
  await updateRecord(recoveryPoints, instance, point.id, (row) => markDamage(row, damage, now));
}

/** Already checked with earlier points: segments that one of them lists, and versions that are not younger. */
interface Base {
  readonly sequence: number;
  readonly segments: readonly SegmentRef[];
}

/** Check of one recovery point. */
class PointCheck {
  readonly #deps: CheckDeps;
  readonly #vault: ScrubVault;
  readonly #round: Round;
  readonly #point: FoundPoint;
  /** Nearest first. */
  readonly #earlier: readonly FoundPoint[];
  /** From the point itself on; only sealed ones. */
  readonly #later: readonly FoundPoint[];
  /** Seal of the previous point, which each container needs. */
  readonly #seals = new Map<string, Seal | undefined>();

  constructor(deps: CheckDeps, round: Round, points: readonly FoundPoint[], at: number) {
    this.#deps = deps;
    this.#vault = deps.vault;
    this.#round = round;
    this.#point = points[at] as FoundPoint;
    this.#earlier = points
      .slice(0, at)
      .filter(({ isSealed, sequence }) => isSealed && sequence < this.#point.sequence)
      .reverse();
    this.#later = points.slice(at).filter(({ isSealed }) => isSealed);
  }

  async run(): Promise<Outcome> {
    const { id, sequence, isSealed } = this.#point;
    if (!isSealed) {
      this.#round.found("manifests", sealPath(id), sequence);
      return "done";
    }
    const seal = await this.#sealOf(this.#point);
    if (seal === undefined) {
      if (await this.#isGone()) return "gone";
      this.#round.found("manifests", sealPath(id), sequence);
      return "done";
    }
    for (let { container } = this.#position(); container < seal.containers.length; container++) {
      const outcome = await this.#container(seal, container);
      if (outcome !== "done") return outcome;
      this.#round.moveTo({ ...this.#position(), container: container + 1, segment: 0, after: "" });
      if (!(await this.#deps.shouldContinue())) return "stopped";
    }
    return "done";
  }

  #position(): PointPosition {
    const { position } = this.#round.state;
    if (position.phase !== "points") throw new Error("a point is checked after the first half has ended");
    return position;
  }

  async #isGone(): Promise<boolean> {
    return (await this.#vault.look(sealPath(this.#point.id))) === undefined;
  }

  /** @returns undefined when it is damaged or was purged */
  async #sealOf(point: FoundPoint): Promise<Seal | undefined> {
    if (this.#seals.has(point.id)) return this.#seals.get(point.id);
    const seal = await unlessGone(() => unlessDamaged(() => readCheckedSeal(this.#vault, point)));
    this.#seals.set(point.id, seal);
    return seal;
  }

  async #container(seal: Seal, ordinal: number): Promise<Outcome> {
    const sealed = seal.containers[ordinal];
    if (sealed === undefined) return "done";
    const index = await unlessDamaged(() => readCheckedIndex(this.#vault, seal, sealed.name));
    if (index === undefined) {
      if (await this.#isGone()) return "gone";
      this.#round.found("manifests", sealed.index.path, this.#point.sequence);
      return "done";
    }
    const base = await this.#baseOf(sealed.name);
    const read = new Set(base.segments.map(({ path }) => path));
    for (let { segment } = this.#position(); segment < index.segments.length; segment++) {
      const ref = index.segments[segment];
      if (ref === undefined || read.has(ref.path)) continue;
      if (this.#position().segment !== segment) this.#round.moveTo({ ...this.#position(), segment, after: "" });
      const outcome = await this.#segment(index, ref, base, new Date(seal.sealedAt));
      if (outcome !== "done") return outcome;
      this.#round.moveTo({ ...this.#position(), segment: segment + 1, after: "" });
      if (!(await this.#deps.shouldContinue())) return "stopped";
    }
    return "done";
  }

  /** The latest earlier point whose index of the container is readable. */
  async #baseOf(container: string): Promise<Base> {
    for (const point of this.#earlier) {
      const seal = await this.#sealOf(point);
      if (seal === undefined) continue;
      if (!holds(seal, container)) return { sequence: point.sequence, segments: [] };
      const index = await unlessDamaged(() => readCheckedIndex(this.#vault, seal, container));
      if (index !== undefined) return { sequence: point.sequence, segments: index.segments };
    }
    return { sequence: 0, segments: [] };
  }

  async #segment(index: ManifestIndex, ref: SegmentRef, base: Base, sealedAt: Date): Promise<Outcome> {
    const { container } = index;
    const entries = await unlessDamaged(() => readCheckedSegment(this.#vault, ref));
    if (entries === undefined) {
      if (await this.#isGone()) return "gone";
      const ends = await this.#lastToNeed(container, ref, [ref], async () => false);
      for (const until of ends.values()) this.#round.found("manifests", ref.path, until);
      this.#round.leftSegmentUnread();
      return "done";
    }
    const wanted = await this.#wanted(index, entries, base);
    const { after } = this.#position();
    for (let rest = wanted.filter(({ path }) => path > after); rest.length > 0; ) {
      const slice = firstUnderOnePrefix(container, rest, this.#deps.settings.sliceObjects);
      const between = (entries.length * slice.objects.length) / wanted.length;
      const { counts } = this.#round.state;
      const compared = await compareObjects(
        { ...this.#deps, round: this.#round.state.round, sealedAt },
        slice.prefix,
        slice.objects,
        between,
        counts.rereadBytes - this.#deps.rereadBytesBefore,
      );
      if (!(await this.#note(container, ref, compared))) return "gone";
      const last = slice.objects[compared.objects - 1];
      if (last !== undefined) this.#round.moveTo({ ...this.#position(), after: last.path });
      rest = rest.slice(compared.objects);
      if (compared.objects < slice.objects.length) return "stopped";
      if (!(await this.#deps.shouldContinue())) return "stopped";
    }
    this.#round.count({ segments: 1 });
    return "done";
  }

  /** Objects of a segment that were not compared with an earlier point, ascending by path. */
  async #wanted({ container }: ManifestIndex, entries: readonly Entry[], base: Base): Promise<WantedObject[]> {
    const blobs = entries.filter(({ type }) => type !== "directory");
    const wanted = blobs.filter(({ birth }) => birth > base.sequence);
    if (this.#round.state.hasUnreadSegments && wanted.length < blobs.length) {
      wanted.push(...(await this.#unread(container, new Set(blobs.filter(({ birth }) => birth <= base.sequence)))));
    }
    return wanted
      .map((entry) => ({ path: objectPath(container, entry.name, entry.etag, entry.birth), entry }))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /**
   * Entries that are shared with earlier points but were readable in none of them, so that they are still unchecked.
   */
  async #unread(container: string, entries: Set<Entry>): Promise<ReadonlySet<Entry>> {
    for (const point of this.#earlier) {
      const some = [...entries].filter(({ birth }) => birth <= point.sequence);
      if (some.length === 0) break;
      const seal = await this.#sealOf(point);
      const index = seal && (await unlessDamaged(() => readCheckedIndex(this.#vault, seal, container)));
      if (index === undefined) continue;
      const lookup = new EntryLookup(this.#vault, index.segments, index.order);
      for (const entry of some) {
        if ((await unlessDamaged(() => isFound(lookup, entry))) === true) entries.delete(entry);
      }
    }
    return entries;
  }

  /** @returns false when the point was purged meanwhile; its findings are dropped */
  async #note(container: string, ref: SegmentRef, compared: Compared): Promise<boolean> {
    const { findings, objects, reread, rereadBytes, tooLargeToReread } = compared;
    if (findings.length > 0) {
      if (await this.#isGone()) return false;
      const damaged = findings.filter(({ kind }) => kind !== "unconfirmed").map(({ wanted }) => wanted);
      const ends = await this.#lastToNeed(container, ref, damaged, ({ entry }, lookup) => isFound(lookup, entry));
      for (const { kind, wanted } of findings) this.#round.found(kind, wanted.path, ends.get(wanted));
    }
    this.#round.count({ objects, reread, rereadBytes, tooLargeToReread });
    return true;
  }

  /**
   * Finds which points need the damaged entries of a segment, or the segment itself.
   *
   * @param isNamed - checks the other segments of a point that does not list this one
   * @returns the number of the last point
   */
  async #lastToNeed<T>(
    container: string,
    ref: SegmentRef,
    things: readonly T[],
    isNamed: (thing: T, lookup: EntryLookup) => Promise<boolean>,
  ): Promise<ReadonlyMap<T, number>> {
    const ends = await findRunEnds(things, this.#later.length, async (at, some) => {
      const point = this.#later[at];
      const seal = point && (await this.#sealOf(point));
      if (seal === undefined) return some.map(() => undefined);
      if (!holds(seal, container)) return some.map(() => false);
      const index = await unlessDamaged(() => readCheckedIndex(this.#vault, seal, container));
      if (index === undefined) return some.map(() => undefined);
      if (index.segments.some(({ path }) => path === ref.path)) return some.map(() => true);
      const lookup = new EntryLookup(this.#vault, index.segments, index.order);
      const answers: (boolean | undefined)[] = [];
      for (const thing of some) answers.push(await unlessDamaged(() => isNamed(thing, lookup)));
      return answers;
    });
    return new Map([...ends].map(([thing, at]) => [thing, this.#later[at]?.sequence ?? this.#point.sequence]));
  }
}

function holds(seal: Seal, container: string): boolean {
  return seal.containers.some(({ name }) => name === container);
}

/** @throws VaultError `format/missing`, `format/corrupt` when the segment of the name cannot be read */
async function isFound(lookup: EntryLookup, { name, etag, birth }: Entry): Promise<boolean> {
  const found = await lookup.find(name);
  return found?.etag === etag && found.birth === birth;
}

/** @throws VaultError `format/missing`, `format/corrupt`, also when it does not match its index */
async function readCheckedSegment(vault: ScrubVault, ref: SegmentRef): Promise<Entry[]> {
  const entries = await readSegment(vault, ref);
  const bytes = entries.reduce((sum, { size }) => sum + size, 0);
  if (bytes === ref.bytes && entries.at(0)?.name === ref.first && entries.at(-1)?.name === ref.last) return entries;
  throw new VaultError("format/corrupt", `segment '${ref.path}' does not match its index`);
}

/** A listing has one prefix, and objects with hashed names have another. */
function firstUnderOnePrefix(
  container: string,
  wanted: readonly WantedObject[],
  max: number,
): { readonly prefix: string; readonly objects: readonly WantedObject[] } {
  const { plain, hashed } = objectPrefixes(container);
  const prefix = wanted[0]?.path.startsWith(plain) ? plain : hashed;
  const other = wanted.findIndex(({ path }) => !path.startsWith(prefix));
  return { prefix, objects: wanted.slice(0, Math.min(max, other === -1 ? wanted.length : other)) };
}
