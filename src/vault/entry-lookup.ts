import { countBefore } from "../foundation/binary-search.ts";
import { decodeEntry, type Entry, type EntryLine, headOf } from "./entry.ts";
import { type ListingOrder, type NameComparator, nameComparator } from "./listing-order.ts";
import { readSegmentLines } from "./read-manifest.ts";
import type { SegmentRef } from "./segment.ts";
import type { VaultFiles } from "./vault-files.ts";

/** Cached segments. Names arrive roughly in segment order, so one of the last segments usually has the next name. */
const AT_HAND = 2;

/** Finds single entries in the segments of one container. Reads each segment on first use. */
export class EntryLookup {
  readonly #files: Pick<VaultFiles, "read">;
  readonly #segments: readonly SegmentRef[];
  readonly #compare: NameComparator;
  readonly #atHand = new Map<string, readonly EntryLine[]>();
  #read = 0;

  /**
   * @param segments - in listing order
   * @param order - of the segments; lookups may come in any order
   */
  constructor(files: Pick<VaultFiles, "read">, segments: readonly SegmentRef[], order: ListingOrder) {
    this.#files = files;
    this.#segments = segments;
    this.#compare = nameComparator(order);
  }

  /** Segments read so far. */
  get segmentsRead(): number {
    return this.#read;
  }

  /** @throws VaultError `format/missing`, `format/corrupt` when the segment of the name cannot be read */
  async find(name: string): Promise<Entry | undefined> {
    const segment = lastWhere(this.#segments, ({ first }) => this.#compare(first, name) <= 0);
    if (segment === undefined || this.#compare(name, segment.last) > 0) return undefined;
    const lines = await this.#linesOf(segment);
    const line = lastWhere(lines, (one) => this.#compare(headOf(one).name, name) <= 0);
    return line === undefined || headOf(line).name !== name ? undefined : decodeEntry(line);
  }

  async #linesOf(segment: SegmentRef): Promise<readonly EntryLine[]> {
    const atHand = this.#atHand.get(segment.path);
    if (atHand !== undefined) return atHand;
    this.#read += 1;
    const lines = await readSegmentLines(this.#files, segment);
    const [oldest] = this.#atHand.keys();
    if (this.#atHand.size >= AT_HAND && oldest !== undefined) this.#atHand.delete(oldest);
    this.#atHand.set(segment.path, lines);
    return lines;
  }
}

/** @param isUpTo - true for a prefix of the list, false after it */
function lastWhere<T>(ascending: readonly T[], isUpTo: (one: T) => boolean): T | undefined {
  return ascending[countBefore(ascending, isUpTo) - 1];
}
