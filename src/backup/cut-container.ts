import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { deadline } from "../foundation/deadline.ts";
import { nameComparator } from "../vault/listing-order.ts";
import { separator } from "../vault/name-cuts.ts";
import type { SegmentRef } from "../vault/segment.ts";
import { type NameProbe, remembering, splitRange } from "./split-range.ts";

/** How a container is cut into ranges. */
export interface PlanSettings {
  /** Names that a range has, about. */
  readonly rangeNames: number;
  /** Ranges of one container at most; a container that needs more has longer ones. */
  readonly maxRanges: number;
  /** Calls that looking for cuts may cost at a first backup. */
  readonly maxProbes: number;
  /** Ranges of a first backup at most: those that turn out long are split while they are worked. */
  readonly maxFirstRanges: number;
  /** How long cuts are looked for, ms. */
  readonly budgetMs: number;
}

export const PLAN_SETTINGS: PlanSettings = {
  rangeNames: 50_000,
  maxRanges: 4_000,
  maxProbes: 400,
  maxFirstRanges: 64,
  budgetMs: 60_000,
};

/** Where the ranges of a container begin, the first one left out: ascending. */
export interface Cuts {
  readonly cuts: readonly string[];
  /** Names that the container has, as far as this could tell. */
  readonly expected?: number;
}

/** Cuts a container along the segments of the previous manifest, so that each range can refer to whole segments. */
export function cutAlongSegments(segments: readonly SegmentRef[], settings: PlanSettings): Cuts {
  const expected = segments.reduce((sum, { entries }) => sum + entries, 0);
  const wanted = Math.max(settings.rangeNames, Math.ceil(expected / settings.maxRanges));
  const cuts: string[] = [];
  let names = 0;
  for (const [i, segment] of segments.entries()) {
    const before = segments[i - 1];
    // A range of a little more than is wanted is better than one with a remnant after it.
    if (before !== undefined && names + segment.entries / 2 >= wanted) {
      cuts.push(separator(before.last, segment.first));
      names = 0;
    }
    names += segment.entries;
  }
  return { cuts, expected };
}

/** A container whose names nobody knows yet. */
export interface UnknownContainer extends NameProbe {
  /** One full page of names from a text on, and whether more follow. */
  page(from: string): Promise<{ readonly names: readonly string[]; readonly more: boolean }>;
}

/** Ranges that are split at once. */
const PROBING_WIDTH = 16;

/** Samples of lengths say something only when there are so many ranges. */
const MIN_SAMPLES = 8;

/** Ranges whose lengths are sampled. */
const SAMPLES = 4;

/**
 * Cuts a container that was never backed up: halves the key space again and again, with calls for one name each, until
 * pages of the listing reach over the end of the ranges that they sample, or until there are ranges enough, or calls or
 * time are spent. Ranges that the samples say are short are joined.
 *
 * Names are unevenly spread, so some ranges will be longer than others; workers split those while they work them.
 */
export async function cutByProbing(container: UnknownContainer, settings: PlanSettings, clock: Clock): Promise<Cuts> {
  const hasTime = deadline(clock, settings.budgetMs);
  const sample = await container.page("");
  if (!sample.more) return { cuts: [], expected: sample.names.length };

  const probe = remembering(container);
  let starts: readonly string[] = [""];
  for (;;) {
    const finer = await splitAll(probe, starts, hasTime);
    const isSpent = finer.length === starts.length || probe.calls >= settings.maxProbes;
    starts = finer;
    if (starts.length >= MIN_SAMPLES || isSpent) {
      const length = await sampledLength(container, starts);
      if (length !== undefined) return join(starts, length, settings);
    }
    if (starts.length >= settings.maxFirstRanges || isSpent) return { cuts: starts.slice(1) };
  }
}

function join(starts: readonly string[], length: number, settings: PlanSettings): Cuts {
  const joined = Math.max(1, Math.floor(settings.rangeNames / length));
  return {
    cuts: starts.filter((_, i) => i > 0 && i % joined === 0),
    expected: Math.round(length * starts.length),
  };
}

/**
 * Estimates how many names a range has.
 *
 * @returns undefined when most of the samples are longer than a page, so that nobody knows how long
 */
async function sampledLength(container: UnknownContainer, starts: readonly string[]): Promise<number | undefined> {
  const compare = nameComparator(container.order);
  const sampled = [...new Set(Array.from({ length: SAMPLES }, (_, n) => Math.floor((starts.length * n) / SAMPLES)))];
  const lengths = await mapBounded(sampled, PROBING_WIDTH, async (i) => {
    const { names, more } = await container.page(starts[i] ?? "");
    const next = starts[i + 1];
    const end = next === undefined ? -1 : names.findIndex((name) => compare(name, next) >= 0);
    if (end >= 0) return { names: end, isWhole: true };
    return { names: more ? 2 * names.length : names.length, isWhole: !more };
  });
  if (lengths.filter(({ isWhole }) => isWhole).length * 2 < lengths.length) return undefined;
  return Math.max(1, lengths.reduce((sum, { names }) => sum + names, 0) / lengths.length);
}

async function splitAll(
  probe: NameProbe,
  starts: readonly string[],
  shouldContinue: () => boolean,
): Promise<readonly string[]> {
  const splits = await mapBounded([...starts.keys()], PROBING_WIDTH, async (i) =>
    shouldContinue() ? splitRange(probe, starts[i] ?? "", starts[i + 1], shouldContinue) : undefined,
  );
  return starts.flatMap((start, i) => [start, ...(splits[i] === undefined ? [] : [splits[i]])]);
}
