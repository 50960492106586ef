import type { VaultFiles } from "../vault/contract.ts";
import type { Entry } from "../vault/entry.ts";
import { segmentPath } from "../vault/names.ts";
import {
  encodeSegment,
  LARGEST_SEGMENT_ENTRIES,
  SEGMENT_ENTRIES,
  type SegmentRef,
  SMALL_SEGMENT_ENTRIES,
} from "../vault/segment.ts";

/** How many entries a segment holds; tests take small ones. */
export interface SegmentSizes {
  /** A new segment. */
  readonly usual: number;
  /** It grows up to this before it is split. */
  readonly largest: number;
  /** Below this it is joined with the next. */
  readonly small: number;
}

export const SEGMENT_SIZES: SegmentSizes = {
  usual: SEGMENT_ENTRIES,
  largest: LARGEST_SEGMENT_ENTRIES,
  small: SMALL_SEGMENT_ENTRIES,
};

/**
 * Writes the manifest of a range copy-on-write: entries and whole unchanged segments are given in listing order; entries
 * become new segments, unchanged segments are referred to by path.
 *
 * Memory: at most `sizes.largest` entries.
 */
export class ManifestWriter {
  readonly #vault: Pick<VaultFiles, "create">;
  readonly #target: { readonly recoveryPoint: string; readonly container: string; readonly range: number };
  readonly #sizes: SegmentSizes;
  readonly #segments: SegmentRef[] = [];
  #waiting: Entry[] = [];
  #next: number;

  constructor(
    vault: Pick<VaultFiles, "create">,
    target: { readonly recoveryPoint: string; readonly container: string; readonly range: number },
    nextSegment: number,
    sizes: SegmentSizes = SEGMENT_SIZES,
  ) {
    this.#vault = vault;
    this.#target = target;
    this.#next = nextSegment;
    this.#sizes = sizes;
  }

  /** Number of the next segment of the range. */
  get nextSegment(): number {
    return this.#next;
  }

  /** Segments so far. */
  get count(): number {
    return this.#segments.length;
  }

  /** Adds entries that need a new segment. */
  async add(entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) {
      this.#waiting.push(entry);
      if (this.#waiting.length >= this.#sizes.largest) await this.#write(this.#sizes.usual);
    }
  }

  /**
   * Adds a segment in which nothing changed. It is referred to, unless so few entries wait before it that they had better
   * be joined with it.
   *
   * @param entries - those of the segment
   */
  async addUnchanged(segment: SegmentRef, entries: readonly Entry[]): Promise<void> {
    if (this.#waiting.length > 0 && this.#waiting.length < this.#sizes.small) return this.add(entries);
    await this.#write(this.#waiting.length);
    this.#segments.push(segment);
  }

  /** @returns all segments of the range, in listing order */
  async finish(): Promise<readonly SegmentRef[]> {
    await this.#write(this.#waiting.length);
    return this.#segments;
  }

  async #write(count: number): Promise<void> {
    const entries = this.#waiting.slice(0, count);
    const [first] = entries;
    const last = entries.at(-1);
    if (first === undefined || last === undefined) return;
    this.#waiting = this.#waiting.slice(count);

    const { content, sha256 } = await encodeSegment(entries);
    const { recoveryPoint, container, range } = this.#target;
    const path = segmentPath(recoveryPoint, container, range, this.#next++, sha256);
    // A file that is already there was written from the same bytes, because its name holds their hash.
    await this.#vault.create(path, content, { contentType: "application/gzip" });
    const bytes = entries.reduce((sum, entry) => sum + entry.size, 0);
    this.#segments.push({ path, sha256, first: first.name, last: last.name, entries: entries.length, bytes });
  }
}
