/**
 * @module
 * A segment is gzip-compressed NDJSON: one entry a line, each line ended by a line feed, in listing order. Anyone reads it
 * with `zcat`.
 */
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { z } from "zod";
import { toFailure, VaultError } from "../foundation/errors.ts";
import { decodeEntry, type Entry, encodeEntry } from "./entry.ts";

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);

/** Entries that a new segment holds. */
export const SEGMENT_ENTRIES = 20_000;

/** Segments grow to this before they are split; below {@link SMALL_SEGMENT_ENTRIES} they are joined with the next. */
export const LARGEST_SEGMENT_ENTRIES = 2 * SEGMENT_ENTRIES;
export const SMALL_SEGMENT_ENTRIES = SEGMENT_ENTRIES / 4;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** How an index names a segment. */
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

export interface EncodedSegment {
  readonly content: Uint8Array;
  readonly sha256: string;
}

export function sha256Of(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

export async function encodeSegment(entries: readonly Entry[]): Promise<EncodedSegment> {
  let text = "";
  for (const entry of entries) text += `${encodeEntry(entry)}\n`;
  const content = await gzipAsync(text);
  return { content, sha256: sha256Of(content) };
}

/**
 * Reads a segment and checks that it is the one that the index names.
 *
 * @throws VaultError `format/corrupt` when its hash, its count or a line is wrong
 */
export async function decodeSegment(ref: SegmentRef, content: Uint8Array): Promise<Entry[]> {
  checkSha256(ref.path, ref.sha256, content);
  const entries: Entry[] = [];
  try {
    const text = (await gunzipAsync(content)).toString("utf8");
    for (let from = 0; from < text.length; ) {
      const end = text.indexOf("\n", from);
      const until = end === -1 ? text.length : end;
      entries.push(decodeEntry(text.slice(from, until)));
      from = until + 1;
    }
  } catch (error) {
    throw new VaultError("format/corrupt", `segment '${ref.path}' cannot be read: ${toFailure(error).message}`, {
      cause: error,
    });
  }
  if (entries.length !== ref.entries) {
    throw new VaultError("format/corrupt", `segment '${ref.path}' has ${entries.length} entries, not ${ref.entries}`);
  }
  return entries;
}

/** @throws VaultError `format/corrupt` when the content is not what the hash was made of */
export function checkSha256(path: string, expected: string, content: Uint8Array): void {
  const actual = sha256Of(content);
  if (actual === expected) return;
  throw new VaultError("format/corrupt", `'${path}' has SHA-256 ${actual}, but ${expected} is recorded`, {
    hint: "the vault account was changed by something other than Lakevault; restore from another recovery point",
  });
}
