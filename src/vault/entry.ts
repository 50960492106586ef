/**
 * @module
 * One line of a segment: one blob or directory at a recovery point. Content type, headers and metadata of a blob are
 * stored on its object instead.
 */
import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";

export const ENTRY_TYPES = ["append", "page", "directory"] as const;

/** Unlike `z.record` it keeps the name `__proto__`, which Azure allows for tags and metadata. */
export const Texts = z.custom<Readonly<Record<string, string>>>(
  (value) =>
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((tag) => typeof tag === "string"),
  "is not an object of strings",
);

export const Entry = z.object({
  /** Full name in its container. */
  name: z.string().min(1),
  /** Unquoted ETag of the version. */
  etag: z.string().min(1),
  /** Length of the content, bytes. */
  size: z.int().nonnegative(),
  /** When the version was written, ISO 8601 UTC. */
  modified: z.string(),
  /** Sequence number of the recovery point that first held the version; part of the object's name. */
  birth: z.int().positive(),
  /**
   * Base64. Computed by the service during the copy; otherwise as set by the writer at the source, and for an append or
   * page blob possibly older than its last change.
   */
  md5: z.string().optional(),
  /** Absent: block blob. */
  type: z.enum(ENTRY_TYPES).optional(),
  /** Access tier, if set on the source blob itself; absent: the account's default. */
  tier: z.string().optional(),
  /** Blob index tags; absent when there are none. */
  tags: Texts.optional(),
  owner: z.string().optional(),
  group: z.string().optional(),
  /** POSIX permissions in symbolic form, such as `rwxr-x---`. */
  permissions: z.string().optional(),
  /** POSIX access control list in short text form. */
  acl: z.string().optional(),
  /**
   * Directories only: other entries store metadata on their object. Without `hdi_isfolder`, which marks directories.
   */
  metadata: Texts.optional(),
});
export type Entry = Readonly<z.infer<typeof Entry>>;

/** Attributes of a blob that can change without a new version. */
export const LABELS = ["tier", "tags", "owner", "group", "permissions", "acl"] as const;
export type Label = (typeof LABELS)[number];

declare const isEntryLine: unique symbol;

/**
 * An entry as its line in a segment, without the line feed. Segments are compared and rewritten as lines, because
 * parsing each line costs more than everything else.
 */
export type EntryLine = string & { readonly [isEntryLine]: true };

/**
 * Encodes an entry as one line of JSON, without the line feed. Members have a fixed order, so that equal entries have
 * equal bytes.
 */
export function encodeEntry(entry: Entry): EntryLine {
  return JSON.stringify({
    name: entry.name,
    etag: entry.etag,
    size: entry.size,
    modified: entry.modified,
    birth: entry.birth,
    md5: entry.md5,
    type: entry.type,
    tier: entry.tier,
    tags: entry.tags === undefined ? undefined : sortedByKey(entry.tags),
    owner: entry.owner,
    group: entry.group,
    permissions: entry.permissions,
    acl: entry.acl,
    metadata: entry.metadata === undefined ? undefined : sortedByKey(entry.metadata),
  }) as EntryLine;
}

function sortedByKey(tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** @throws VaultError `format/corrupt` when the line is not an entry */
export function decodeEntry(line: string): Entry {
  try {
    return Entry.parse(JSON.parse(line));
  } catch (error) {
    // The cause may quote the line.
    throw new VaultError("format/corrupt", "a line of a segment is not an entry", { cause: error });
  }
}

/** A JSON string without a backslash ends at the next quote and needs no decoding. */
const PLAIN_HEAD = /^\{"name":"([^"\\]+)","etag":"([^"\\]+)","size":(\d+),/;

/**
 * Reads the members that the merge and the index need. Parses the line only if it does not start as most lines of
 * {@link encodeEntry} do.
 *
 * @throws VaultError `format/corrupt` when the line must be parsed and is not an entry
 */
export function headOf(line: EntryLine): Pick<Entry, "name" | "etag" | "size"> {
  const plain = PLAIN_HEAD.exec(line);
  if (plain === null) return decodeEntry(line);
  const [, name = "", etag = "", size] = plain;
  return { name, etag, size: Number(size) };
}

/** The part from the ETag to the labels. */
const PLAIN_MIDDLE = /,"size":\d+,"modified":"[^"]*","birth":\d+(?:,"md5":"[^"]*")?(?:,"type":"[a-z]+")?/y;

/**
 * Compares a line with a listed blob, by its text only.
 *
 * @returns `same`: same name, ETag and labels; `other-version`: same name, another ETag; undefined: undecided, so the
 *   line must be parsed
 */
export function glanceAt(
  line: EntryLine,
  version: Pick<Entry, "name" | "etag" | Label>,
): "same" | "other-version" | undefined {
  if (line.includes("\\")) return undefined;
  const etag = pastText(line, pastString(line, 0, '{"name":"', version.name), ',"etag":"');
  if (etag < 0) return undefined;
  const middle = pastString(line, etag, "", version.etag);
  if (middle < 0) return "other-version";
  PLAIN_MIDDLE.lastIndex = middle;
  if (!PLAIN_MIDDLE.test(line)) return undefined;
  let at = PLAIN_MIDDLE.lastIndex;
  at = pastLabel(line, at, ',"tier":"', version.tier);
  if (version.tags !== undefined) at = pastText(line, at, `,"tags":${JSON.stringify(sortedByKey(version.tags))}`);
  at = pastLabel(line, at, ',"owner":"', version.owner);
  at = pastLabel(line, at, ',"group":"', version.group);
  at = pastLabel(line, at, ',"permissions":"', version.permissions);
  at = pastLabel(line, at, ',"acl":"', version.acl);
  return at === line.length - 1 && line[at] === "}" ? "same" : undefined;
}

function pastLabel(line: string, at: number, before: string, value: string | undefined): number {
  return value === undefined ? at : pastString(line, at, before, value);
}

/** Position after a string with this value; negative when it is not there. */
function pastString(line: string, at: number, before: string, value: string): number {
  const end = pastText(line, pastText(line, at, before), value);
  return end >= 0 && line.indexOf('"', end - value.length) === end ? end + 1 : -1;
}

function pastText(line: string, at: number, text: string): number {
  return at >= 0 && line.slice(at, at + text.length) === text ? at + text.length : -1;
}
