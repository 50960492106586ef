/**
 * @module
 * One line of a segment: one blob or directory at a recovery point. Content type, headers and metadata are not here:
 * the object itself carries them.
 */
import { z } from "zod";

export const ENTRY_TYPES = ["append", "page", "directory"] as const;

/** Unlike `z.record` it keeps a tag called `__proto__`, which Azure allows. */
const Tags = z.custom<Readonly<Record<string, string>>>(
  (value) =>
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((tag) => typeof tag === "string"),
  "tags are an object of strings",
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
  /** MD5 of the content, base64: as worked out by the service that copied it, else as the source has it. */
  md5: z.string().optional(),
  /** Absent: a block blob. */
  type: z.enum(ENTRY_TYPES).optional(),
  /** The source's access tier where it was set on the blob itself; absent where the account's default holds. */
  tier: z.string().optional(),
  /** Blob index tags; absent when there are none. */
  tags: Tags.optional(),
  owner: z.string().optional(),
  group: z.string().optional(),
  /** POSIX permissions in symbolic form, such as `rwxr-x---`. */
  permissions: z.string().optional(),
  /** POSIX access control list in short text form. */
  acl: z.string().optional(),
});
export type Entry = Readonly<z.infer<typeof Entry>>;

/**
 * Writes an entry as one line of JSON, without the line feed. Members come in a fixed order, so that equal entries make
 * equal bytes.
 */
export function encodeEntry(entry: Entry): string {
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
  });
}

function sortedByKey(tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** @throws SyntaxError or ZodError when the line is not an entry */
export function decodeEntry(line: string): Entry {
  return Entry.parse(JSON.parse(line));
}
