/**
 * @module
 * A segment is gzip-compressed NDJSON: one entry per line, each line ended by a line feed, in listing order. `zcat` can
 * read it.
 */
import { isAscii } from "node:buffer";
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { z } from "zod";
import { toFailure, VaultError } from "../foundation/errors.ts";
import { decodeEntry, type Entry, type EntryLine, encodeEntry, headOf } from "./entry.ts";

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);

/** Number of entries in a new segment. */
export const SEGMENT_ENTRIES = 20_000;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** Reference to a segment in an index. */
export const SegmentRef = z.object({
  /** Path in the vault container; under the recovery point that wrote it, which may be an earlier one. */
  path: z.string().min(1),
  /** Of the stored bytes, hexadecimal. */
  sha256: Sha256,
  /** Names of the first and last entry. */
  first: z.string(),
  last: z.string(),
  entries: z.int().positive(),
  /** Sum of the entries' sizes. */
  bytes: z.int().nonnegative(),
});
export type SegmentRef = Readonly<z.infer<typeof SegmentRef>>;

/** A segment that is ready to be stored: its reference without the path, and the bytes. */
export interface EncodedSegment extends Omit<SegmentRef, "path"> {
  readonly content: Uint8Array;
}

export function sha256Of(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/**
 * Level 1: levels 4 and up take two to four times as long and save 1 to 4 %, because a packed entry is mostly ETag and
 * MD5, which do not compress (docs/performance.md). The maximum memory level is the fastest.
 */
const GZIP = { level: 1, memLevel: 9 };

/**
 * Buffer size for packed text, bytes: no more than needed, so that small segments do not hold a megabyte until the next
 * GC.
 */
const MAX_CHUNK_BYTES = 2 ** 20;

/**
 * Entries to be written, in listing order. Stored as the bytes of the segment: strings and objects with such a long
 * life would make garbage collection the largest cost of a backup.
 */
export class SegmentBuilder {
  #text = Buffer.allocUnsafe(2 ** 16);
  /** End of each line in the text, including its line feed. */
  #ends: number[] = [];
  #sizes: number[] = [];

  get length(): number {
    return this.#ends.length;
  }

  /** @throws VaultError `format/corrupt` when a line must be parsed and is not an entry */
  push(entry: Entry | EntryLine): void {
    const line = typeof entry === "string" ? entry : encodeEntry(entry);
    const from = this.#ends.at(-1) ?? 0;
    // A UTF-16 unit takes at most three bytes in UTF-8.
    const maxLength = from + 3 * line.length + 1;
    if (maxLength > this.#text.length) this.#grow(maxLength);
    const end = from + this.#text.write(line, from);
    this.#text[end] = LINE_FEED;
    this.#ends.push(end + 1);
    this.#sizes.push(typeof entry === "string" ? headOf(entry).size : entry.size);
  }

  /**
   * Removes the first entries as a segment and keeps the others. Do not push until it has finished.
   *
   * @param count - at least 1
   */
  async take(count: number): Promise<EncodedSegment> {
    const end = this.#endOf(count - 1);
    const content = await gzipAsync(this.#text.subarray(0, end), {
      ...GZIP,
      chunkSize: Math.min(end + 64, MAX_CHUNK_BYTES),
    });
    const segment = {
      content,
      sha256: sha256Of(content),
      first: headOf(this.#line(0)).name,
      last: headOf(this.#line(count - 1)).name,
      entries: count,
      bytes: this.#sizes.slice(0, count).reduce((sum, size) => sum + size, 0),
    };
    this.#text.copyWithin(0, end, this.#endOf(this.length - 1));
    this.#ends = this.#ends.slice(count).map((later) => later - end);
    this.#sizes = this.#sizes.slice(count);
    return segment;
  }

  #grow(least: number): void {
    const larger = Buffer.allocUnsafe(Math.max(least, 4 * this.#text.length));
    this.#text.copy(larger);
    this.#text = larger;
  }

  #line(index: number): EntryLine {
    return this.#text.toString("utf8", this.#endOf(index - 1), this.#endOf(index) - 1) as EntryLine;
  }

  #endOf(index: number): number {
    return this.#ends[index] ?? 0;
  }
}

const LINE_FEED = 0x0a;

/**
 * Opens a segment and verifies it against its reference. All lines share one text: keeping a part of one keeps all of
 * it in memory.
 *
 * @throws VaultError `format/corrupt` when its hash or its count is wrong
 */
export async function openSegment(ref: SegmentRef, content: Uint8Array): Promise<EntryLine[]> {
  checkSha256(ref.path, ref.sha256, content);
  const lines = await linesOf(ref, content);
  if (lines.length !== ref.entries) {
    throw new VaultError("format/corrupt", `segment '${ref.path}' has ${lines.length} entries, not ${ref.entries}`);
  }
  return lines;
}

/**
 * Reads all entries of a segment.
 *
 * @throws VaultError `format/corrupt` when its hash, its count or a line is wrong
 */
export async function decodeSegment(ref: SegmentRef, content: Uint8Array): Promise<Entry[]> {
  const lines = await openSegment(ref, content);
  try {
    return lines.map(decodeEntry);
  } catch (error) {
    throw unreadable(ref, error);
  }
}

async function linesOf(ref: SegmentRef, content: Uint8Array): Promise<EntryLine[]> {
  try {
    const bytes = await gunzipAsync(content, { chunkSize: roomFor(content) });
    // ASCII text equals its bytes; anything else must be decoded, which costs several times as much.
    const lines = bytes.toString(isAscii(bytes) ? "latin1" : "utf8").split("\n");
    if (lines.at(-1) === "") lines.pop();
    return lines as EntryLine[];
  } catch (error) {
    throw unreadable(ref, error);
  }
}

/** Several times the size of a segment with twice {@link SEGMENT_ENTRIES}. */
const MAX_BUFFER_BYTES = 2 ** 26;

/**
 * Content length from the gzip trailer, plus some space, so that unpacking uses one buffer: twice as fast as many small
 * ones. A wrong number only makes it slower.
 *
 * @see https://www.rfc-editor.org/rfc/rfc1952#page-5 (ISIZE)
 */
function roomFor(content: Uint8Array): number {
  const { buffer, byteOffset, byteLength } = content;
  const size = byteLength < 4 ? 0 : new DataView(buffer, byteOffset, byteLength).getUint32(byteLength - 4, true);
  return Math.min(size + 64, MAX_BUFFER_BYTES);
}

function unreadable(ref: SegmentRef, cause: unknown): VaultError {
  return new VaultError("format/corrupt", `segment '${ref.path}' cannot be read: ${toFailure(cause).message}`, {
    cause,
  });
}

/** @throws VaultError `format/corrupt` when the content does not match the hash */
export function checkSha256(path: string, expected: string, content: Uint8Array): void {
  const actual = sha256Of(content);
  if (actual === expected) return;
  throw new VaultError("format/corrupt", `'${path}' has SHA-256 ${actual}, but ${expected} is recorded`, {
    hint: "the vault account was changed by something other than Lakevault; restore from another recovery point",
  });
}
