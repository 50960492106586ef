import { z } from "zod";
import { Texts } from "./entry.ts";
import { decodeDocument } from "./version.ts";

/** Public access level of a container: its blobs, or also its listing. */
export const PUBLIC_ACCESS = ["blob", "container"] as const;
export type PublicAccess = (typeof PUBLIC_ACCESS)[number];

/** A blob that a job could not back up or restore. */
export const Warning = z.object({
  container: z.string(),
  name: z.string(),
  /** Warning code, such as `archived`. */
  code: z.string(),
  message: z.string(),
});
export type Warning = Readonly<z.infer<typeof Warning>>;

/** The first of a job's warnings, and the total number. */
export const Warnings = z.object({ count: z.int().nonnegative(), first: z.array(Warning) });
export type Warnings = Readonly<z.infer<typeof Warnings>>;

export const NO_WARNINGS: Warnings = { count: 0, first: [] };

/** Max warnings that a job and its seal list; the others are only counted. */
export const MAX_WARNINGS = 1_000;

/**
 * Adds up warnings and lists as many of the first as fit.
 *
 * @param characters - max length of their JSON, in ASCII, for a table row; absent: only their number is limited
 */
export function joinWarnings(all: readonly Warnings[], characters = Number.POSITIVE_INFINITY): Warnings {
  const first: Warning[] = [];
  let left = characters;
  for (const warning of all.flatMap((warnings) => warnings.first)) {
    left -= asciiLength(JSON.stringify(warning));
    if (first.length === MAX_WARNINGS || left < 0) break;
    first.push(warning);
  }
  return { count: all.reduce((sum, { count }) => sum + count, 0), first };
}

/** Rows are written in ASCII, where any other character is `\\uXXXX`. */
function asciiLength(json: string): number {
  let length = json.length;
  for (let i = 0; i < json.length; i++) if (json.charCodeAt(i) > 0x7e) length += 5;
  return length;
}

/** Blob metadata of a seal with its sequence number, so that a listing is enough to find the latest point. */
export const SEQUENCE_METADATA = "sequence";

/** `recovery-point.json`: commits a recovery point; written after everything that it refers to. */
export const Seal = z.object({
  formatVersion: z.literal(1),
  /** Later additions to the format that the point may use; absent: none. */
  formatMinor: z.int().nonnegative().optional(),
  recoveryPoint: z.string(),
  /** Increases with every sealed point of the instance; never reused. */
  sequence: z.int().positive(),
  instance: z.string(),
  /** The job that created it. */
  job: z.string(),
  /** Slot of the backup, ISO 8601 UTC. */
  slot: z.string(),
  /** The point contains all changes up to this time, just before the first marker was written, ISO 8601 UTC. */
  time: z.string(),
  sealedAt: z.string(),
  /** Retention tag. */
  tag: z.string(),
  policy: z.string(),
  /**
   * The latest slot of the instance's schedule with a successful backup, this one or an earlier one; copied from point
   * to point, so that it survives their deletion. ISO 8601 UTC. Absent: none or unknown.
   */
  scheduledSlot: z.string().optional(),
  /** Expiry under the policy at that time, ISO 8601 UTC. Absent: no rule had its tag. */
  promisedUntil: z.string().optional(),
  containers: z.array(
    z.object({
      name: z.string(),
      index: z.object({ path: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
      entries: z.int().nonnegative(),
      bytes: z.int().nonnegative(),
      /** Metadata of the container when the backup started; absent: none, or older than this member. */
      metadata: Texts.optional(),
      /** Absent: private, or older than this member. */
      publicAccess: z.enum(PUBLIC_ACCESS).optional(),
    }),
  ),
  entries: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  /** Blobs that were at the source but are missing from the point. */
  warnings: Warnings,
});
export type Seal = Readonly<z.infer<typeof Seal>>;

/** @throws VaultError `format/corrupt`, `format/newer-version` */
export function decodeSeal(path: string, content: Uint8Array): Seal {
  return decodeDocument(path, Seal, content);
}
