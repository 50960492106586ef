import { type ListingOrder, nameComparator } from "../vault/listing-order.ts";
import { afterAllWith, middleAt, sharedLength } from "../vault/name-cuts.ts";
import { SOURCE_MARKER_PREFIX } from "../vault/names.ts";
import type { Datasource } from "./datasource.ts";

/** Looks up a container's names without listing them. */
export interface NameProbe {
  readonly order: ListingOrder;
  /** @returns the first name at or after a text; undefined: none */
  first(from: string): Promise<string | undefined>;
}

/** Requests one name per call; skips the job's own marker. */
export function probeOf(datasource: Datasource, container: string, order: ListingOrder): NameProbe {
  const afterMarkers = afterAllWith(SOURCE_MARKER_PREFIX, SOURCE_MARKER_PREFIX.length, order) ?? SOURCE_MARKER_PREFIX;
  const ask = async (from: string): Promise<string | undefined> => {
    const pages = datasource.listPages(container, { from: { name: from, after: false }, pageSize: 1 });
    for await (const [blob] of pages) if (blob !== undefined) return blob.name;
    return undefined;
  };
  return {
    order,
    first: async (from) => {
      const found = await ask(from);
      return found?.startsWith(SOURCE_MARKER_PREFIX) ? ask(afterMarkers) : found;
    },
  };
}

/** Caches what was found: there is no other name between a requested text and the name that was found. */
export function remembering(probe: NameProbe): NameProbe & { readonly calls: number } {
  const compare = nameComparator(probe.order);
  const known: { readonly from: string; readonly found: string | undefined }[] = [];
  return {
    order: probe.order,
    get calls() {
      return known.length;
    },
    first: async (from) => {
      const there = known.find(
        (one) => compare(one.from, from) <= 0 && (one.found === undefined || compare(from, one.found) <= 0),
      );
      if (there !== undefined) return there.found;
      const found = await probe.first(from);
      known.push({ from, found });
      return found;
    },
  };
}

/** Maximum calls of one split; names that need more are too close together to be worth it. */
const MAX_PROBES = 24;

/**
 * Finds a place that splits the names of a range, near the middle of the key space that they use.
 *
 * Names often share long prefixes (`year=2026/month=`), so a bisection first finds the position at which they begin to
 * differ; the split is in the middle of their characters there.
 *
 * @param from - included; the range has its first name at or after it
 * @param until - excluded
 * @param shouldContinue - called before each call; when it returns false, the place is chosen from what is known
 * @returns a text with names before it, and at or after it; undefined: no place was found
 */
export async function splitRange(
  probe: NameProbe,
  from: string,
  until: string | undefined,
  shouldContinue: () => boolean = () => true,
): Promise<string | undefined> {
  const { order } = probe;
  const compare = nameComparator(order);
  let probes = 0;
  const isSpent = (): boolean => probes === MAX_PROBES || !shouldContinue();
  let end = until;
  /** Whether the range has a name at or after a text; if not, it ends there. */
  const has = async (text: string | undefined): Promise<boolean> => {
    if (text === undefined || isSpent() || (end !== undefined && compare(text, end) >= 0)) return false;
    probes += 1;
    const found = await probe.first(text);
    if (found !== undefined && (end === undefined || compare(found, end) < 0)) return true;
    end = text;
    return false;
  };

  probes += 1;
  const first = await probe.first(from);
  if (first === undefined || (until !== undefined && compare(first, until) >= 0)) return undefined;

  // All names share `same` characters with the first; some do not share `differ` of them.
  let same = until === undefined ? 0 : sharedLength(first, until);
  let differ = same + 1;
  if (differ <= first.length && !(await has(afterAllWith(first, differ, order)))) {
    same = differ;
    differ = first.length + 1;
    while (differ - same > 1) {
      const length = Math.floor((same + differ) / 2);
      if (await has(afterAllWith(first, length, order))) differ = length;
      else same = length;
    }
  }
  // There are names after the first name's own character; there may be none after the middle.
  let at = middleAt(first, same, end, order);
  while (at !== undefined && !(await has(at))) {
    const next = isSpent() ? undefined : middleAt(first, same, end, order);
    at = next === at ? undefined : next;
  }
  return at ?? (differ > first.length ? undefined : afterAllWith(first, differ, order));
}
