/**
 * @module
 * One line of a segment: one blob or directory at a recovery point. Content type, headers and metadata of a blob are not
 * here: the object itself carries them.
 */
import { z } from "zod";
import { VaultError } from "../foundation/errors.ts";

export const ENTRY_TYPES = ["append", "page", "directory"] as const;

/** Unlike `z.record` it keeps a name `__proto__`, which Azure allows for tags and metadata. */
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
   * Base64: as worked out by the service that copied it, else as the source has it, which is only what its writer said. That
   * of an append or page blob may be of content before its last change.
   */
  md5: z.string().optional(),
  /** Absent: a block blob. */
  type: z.enum(ENTRY_TYPES).optional(),
  /** The source's access tier where it was set on the blob itself; absent where the account's default holds. */
  tier: z.string().optional(),
  /** Blob index tags; absent when there are none. */
  tags: Texts.optional(),
  owner: z.string().optional(),
  group: z.string().optional(),
  /** POSIX permissions in symbolic form, such as `rwxr-x---`. */
  permissions: z.string().optional(),
  /** POSIX access control list in short text form. */
  acl: z.string().optional(),
  /** Of a directory only: other entries have an object that carries them. Without `hdi_isfolder`, which says what it is. */
  metadata: Texts.optional(),
});
export type Entry = Readonly<z.infer<typeof Entry>>;

/** What may become another of a blob while its version stays. */
export const LABELS = ["tier", "tags", "owner", "group", "permissions", "acl"] as const;
export type Label = (typeof LABELS)[number];

declare const isEntryLine: unique symbol;

/**
 * An entry as its line in a segment, without the line feed. Whole segments are compared and rewritten as lines, because
 * making an object of each costs more than all the rest.
 */
export type EntryLine = string & { readonly [isEntryLine]: true };

/**
 * Writes an entry as one line of JSON, without the line feed. Members come in a fixed order, so that equal entries make
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
    // What the error says may quote the line.
    throw new VaultError("format/corrupt", "a line of a segment is not an entry", { cause: error });
  }
}

/** Without a backslash every string of JSON ends at the next quote, and stands there as it is. */
const PLAIN_HEAD = /^\{"name":"([^"\\]+)","etag":"([^"\\]+)","size":(\d+),/;

/**
 * Reads what the merge and the index need of an entry. The line is parsed only where it does not begin as
 * {@link encodeEntry} begins most.
 *
 * @throws VaultError `format/corrupt` when the line has to be parsed and is not an entry
 */
export function headOf(line: EntryLine): Pick<Entry, "name" | "etag" | "size"> {
  const plain = PLAIN_HEAD.exec(line);
  if (plain === null) return decodeEntry(line);
  const [, name = "", etag = "", size] = plain;
  return { name, etag, size: Number(size) };
}

/** From the ETag to the labels. */
const PLAIN_MIDDLE = /,"size":\d+,"modified":"[^"]*","birth":\d+(?:,"md5":"[^"]*")?(?:,"type":"[a-z]+")?/y;

/**
 * Compares a line with what is known of a blob by looking at the text alone.
 *
 * @returns `same`: it is surely of this name and ETag, with these labels and no others; `other-version`: it is surely of
 *   this name and has another ETag; undefined: nothing is sure, and the line must be read
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

/** Where a line goes on after a string with this value; negative when it is not there. */
function pastString(line: string, at: number, before: string, value: string): number {
  const end = pastText(line, pastText(line, at, before), value);
  return end >= 0 && line.indexOf('"', end - value.length) === end ? end + 1 : -1;
}

function pastText(line: string, at: number, text: string): number {
  return at >= 0 && line.slice(at, at + text.length) === text ? at + text.length : -1;
}
