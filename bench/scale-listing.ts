/**
 * @module A datasource of any number of blobs that exist only while a page of their listing is read. A blob's
 *   properties follow from its number and the round in which its directory was last written.
 */
import type { Datasource, ListBlobsOptions, ListedBlob, SourceMarker } from "../src/backup/datasource.ts";

/** Directories of the lake; the blobs are spread evenly over them. */
export const DIRECTORIES = 1_000;

export const CONTAINER = "lake";

/** A directory is a day of a region. */
const DAYS = 25;

/** One blob of a page: its name, ETag, time and MD5, in this order and without anything between them. */
const NAME = "sales/region=000/day=2025-03-00/part-00000000.parquet";
const ETAG = "0x8DD000000000000";
const MODIFIED = "2025-03-00T00:00:00.000Z";
const MD5 = "0000000000000000000000==";
const BLOB = NAME + ETAG + MODIFIED + MD5;

const ETAG_AT = NAME.length;
const MODIFIED_AT = ETAG_AT + ETAG.length;
const MD5_AT = MODIFIED_AT + MODIFIED.length;

const PAGE_BLOBS = 5_000;
const HEX = "0123456789ABCDEF";
const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

export class SyntheticLake implements Datasource {
  readonly kind = "blobServices";
  readonly blobs: number;
  /** Never listed, as if the listing were as old as they are. */
  readonly markers = new Map<string, string>();
  readonly #blobsOfDirectory: number;
  /** The round in which each directory was last written. */
  readonly #rounds = new Uint8Array(DIRECTORIES);
  readonly #page = Buffer.from(BLOB.repeat(PAGE_BLOBS), "latin1");

  constructor(blobs: number) {
    this.blobs = blobs;
    this.#blobsOfDirectory = Math.ceil(blobs / DIRECTORIES);
  }

  /** Rewrites every blob, or every blob of one directory. */
  rewrite(directory?: number): void {
    if (directory !== undefined) this.#rounds[directory] = this.#roundOf(directory) + 1;
    else for (let i = 0; i < DIRECTORIES; i++) this.#rounds[i] = this.#roundOf(i) + 1;
  }

  async actualKind(): Promise<undefined> {}

  async containerExists(container: string): Promise<boolean> {
    return container === CONTAINER;
  }

  async describeContainers(): Promise<[]> {
    return [];
  }

  async listContainers(): Promise<string[]> {
    return [CONTAINER];
  }

  async *listPages(
    _container: string,
    { from, pageSize = PAGE_BLOBS }: ListBlobsOptions,
  ): AsyncGenerator<ListedBlob[]> {
    const first = this.#firstFrom(from.name);
    const skipped = from.after && this.#nameOf(first) === from.name ? 1 : 0;
    for (let i = first + skipped; i < this.blobs; i += pageSize)
      yield this.#list(i, Math.min(this.blobs - i, pageSize));
  }

  async look(): Promise<ListedBlob | undefined> {
    return undefined;
  }

  async writeMarker(_container: string, name: string, content: string): Promise<string> {
    this.markers.set(name, content);
    return "0x1";
  }

  async listMarkers(): Promise<SourceMarker[]> {
    return [];
  }

  async removeMarker(): Promise<"removed"> {
    return "removed";
  }

  async removeMarkerDirectory(): Promise<void> {}

  /** Number of the first blob whose name is not before a text. */
  #firstFrom(text: string): number {
    let [low, high] = [0, this.blobs];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#nameOf(middle) < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #nameOf(blob: number): string {
    this.#writeName(0, blob);
    return this.#page.toString("latin1", 0, NAME.length);
  }

  /** Creates one page. Its strings are views of one text, like those that a parser cuts out of a response. */
  #list(from: number, count: number): ListedBlob[] {
    const sizes: number[] = [];
    for (let i = 0; i < count; i++) sizes.push(this.#write(i * BLOB.length, from + i));
    const text = this.#page.toString("latin1", 0, count * BLOB.length);
    return sizes.map((size, i) => {
      const at = i * BLOB.length;
      return {
        name: text.slice(at, at + ETAG_AT),
        etag: text.slice(at + ETAG_AT, at + MODIFIED_AT),
        size,
        modified: text.slice(at + MODIFIED_AT, at + MD5_AT),
        md5: text.slice(at + MD5_AT, at + BLOB.length),
      };
    });
  }

  /** Writes one blob into the page. @returns its size */
  #write(at: number, blob: number): number {
    const directory = this.#writeName(at, blob);
    const version = mix(blob * 31 + this.#roundOf(directory));
    const other = mix(version + 1);
    for (let i = 0; i < 6; i++) {
      this.#page[at + ETAG_AT + 5 + i] = HEX.charCodeAt((version >>> (4 * i)) & 15);
      this.#page[at + ETAG_AT + 11 + i] = HEX.charCodeAt((other >>> (4 * i)) & 15);
    }
    // A directory is written within an hour.
    const modifiedAt = at + MODIFIED_AT;
    this.#writeDigits(modifiedAt + 8, (directory % DAYS) + 1, 2);
    this.#writeDigits(modifiedAt + 11, directory % 24, 2);
    this.#writeDigits(modifiedAt + 14, (other >>> 3) % 60, 2);
    this.#writeDigits(modifiedAt + 17, (other >>> 9) % 60, 2);
    let bits = mix(other + 2);
    for (let i = 0; i < 22; i++) {
      this.#page[at + MD5_AT + i] = BASE64.charCodeAt(bits & 63);
      bits = i % 5 === 4 ? mix(other + 3 + i) : bits >>> 6;
    }
    return other % 10_000_000;
  }

  /** @returns the directory of the blob */
  #writeName(at: number, blob: number): number {
    const directory = Math.floor(blob / this.#blobsOfDirectory);
    this.#writeDigits(at + 13, Math.floor(directory / DAYS), 3);
    this.#writeDigits(at + 29, (directory % DAYS) + 1, 2);
    this.#writeDigits(at + 37, blob, 8);
    return directory;
  }

  #writeDigits(at: number, value: number, width: number): void {
    let left = value;
    for (let i = at + width - 1; i >= at; i--) {
      const tenth = (left / 10) | 0;
      this.#page[i] = 48 + left - 10 * tenth;
      left = tenth;
    }
  }

  #roundOf(directory: number): number {
    return this.#rounds[directory] ?? 0;
  }
}

/** The last steps of MurmurHash3: 32 bits that look random. */
function mix(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
