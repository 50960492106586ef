import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { deadline } from "../foundation/deadline.ts";
import { nameComparator } from "../vault/listing-order.ts";
import { separator } from "../vault/name-cuts.ts";
import type { SegmentRef } from "../vault/segment.ts";
import { type NameProbe, remembering, splitRange } from "./split-range.ts";

/** How a container is cut into ranges. */
export interface PlanSettings {
  /** Approximate number of names in a range. */
  readonly rangeNames: number;
  /** Maximum ranges of one container; a container that needs more has longer ones. */
  readonly maxRanges: number;
  /** Maximum calls to find cuts at a first backup. */
  readonly maxProbes: number;
  /** Maximum ranges of a first backup: long ones are split while they are processed. */
  readonly maxFirstRanges: number;
  /** Time to find cuts. */
  readonly budgetMs: number;
}

export const PLAN_SETTINGS: PlanSettings = {
  rangeNames: 50_000,
  maxRanges: 4_000,
  maxProbes: 400,
  maxFirstRanges: 64,
  budgetMs: 60_000,
};

/** The starts of a container's ranges except the first, ascending. */
export interface Cuts {
  readonly cuts: readonly string[];
  /** Estimated number of names in the container. */
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
    // A range that is a little too long is better than a tiny range after it.
    if (before !== undefined && names + segment.entries / 2 >= wanted) {
      cuts.push(separator(before.last, segment.first));
      names = 0;
    }
    names += segment.entries;
  }
  return { cuts, expected };
}

/** A container whose names are not known yet. */
export interface UnknownContainer extends NameProbe {
  /** One full page of names, starting at a text, and whether more follow. */
  page(from: string): Promise<{ readonly names: readonly string[]; readonly more: boolean }>;
}

/** Ranges that are split at once. */
const PROBING_WIDTH = 16;

/** Lengths are sampled only when there are at least this many ranges. */
const MIN_SAMPLES = 8;

/** Ranges whose lengths are sampled. */
const SAMPLES = 4;

/**
 * Cuts a container without a previous backup: repeatedly halves the key space, with calls for one name each, until
 * pages of the listing are longer than the ranges that they sample, or there are enough ranges, or calls or time run
 * out. Ranges that are short according to the samples are joined.
 *
 * Names are unevenly spread, so some ranges are longer than others; workers split those while they process them.
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
 * @returns undefined when most samples are longer than a page: their length is unknown
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
