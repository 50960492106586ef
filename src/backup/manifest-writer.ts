import type { Entry, EntryLine } from "../vault/entry.ts";
import { segmentPath } from "../vault/names.ts";
import { SEGMENT_ENTRIES, SegmentBuilder, type SegmentRef } from "../vault/segment.ts";
import type { VaultFiles } from "../vault/vault-files.ts";

/** Entries of a segment; tests use small numbers. */
export interface SegmentSizes {
  /** A new segment. */
  readonly usual: number;
  /** A segment grows up to this before it is split. */
  readonly largest: number;
  /** A smaller segment is joined with the next. */
  readonly small: number;
}

export const SEGMENT_SIZES: SegmentSizes = segmentSizesOf(SEGMENT_ENTRIES);

/** @param usual - entries of a new segment; the format derives the other sizes from it */
export function segmentSizesOf(usual: number): SegmentSizes {
  return { usual, largest: 2 * usual, small: Math.floor(usual / 4) };
}

/**
 * Writes the manifest of a range copy-on-write: entries and whole unchanged segments are given in listing order;
 * entries become new segments, unchanged segments are referenced by path.
 *
 * Memory: at most `sizes.largest` entries.
 */
export class ManifestWriter {
  readonly #vault: Pick<VaultFiles, "create">;
  readonly #target: { readonly recoveryPoint: string; readonly container: string; readonly range: string };
  readonly #sizes: SegmentSizes;
  readonly #segments: SegmentRef[] = [];
  readonly #waiting = new SegmentBuilder();
  #next: number;

  constructor(
    vault: Pick<VaultFiles, "create">,
    target: { readonly recoveryPoint: string; readonly container: string; readonly range: string },
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
  async add(entries: readonly (Entry | EntryLine)[]): Promise<void> {
    for (const entry of entries) {
      this.#waiting.push(entry);
      if (this.#waiting.length >= this.#sizes.largest) await this.#write(this.#sizes.usual);
    }
  }

  /**
   * Adds an unchanged segment. It is referenced, unless only a few entries wait before it: they are joined with its
   * entries in a new segment.
   *
   * @param entries - those of the segment
   */
  async addUnchanged(segment: SegmentRef, entries: readonly EntryLine[]): Promise<void> {
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
    if (count === 0) return;
    const { content, ...described } = await this.#waiting.take(count);
    const { recoveryPoint, container, range } = this.#target;
    const path = segmentPath(recoveryPoint, container, range, this.#next++, described.sha256);
    // An existing file has the same bytes, because its name contains their hash.
    await this.#vault.create(path, content, { contentType: "application/gzip" });
    this.#segments.push({ path, ...described });
  }
}
