import { z } from "zod";
import { Texts } from "./entry.ts";
import { decodeDocument } from "./version.ts";

/** What anybody may read of a container that is not private: its blobs, or also its listing. */
export const PUBLIC_ACCESS = ["blob", "container"] as const;
export type PublicAccess = (typeof PUBLIC_ACCESS)[number];

/** A blob that a job could not take or give back, by name. */
export const Warning = z.object({
  container: z.string(),
  name: z.string(),
  /** A stable word for the reason, such as `archived`. */
  code: z.string(),
  message: z.string(),
});
export type Warning = Readonly<z.infer<typeof Warning>>;

/** The first of a job's warnings, and how many there were in all. */
export const Warnings = z.object({ count: z.int().nonnegative(), first: z.array(Warning) });
export type Warnings = Readonly<z.infer<typeof Warnings>>;

export const NO_WARNINGS: Warnings = { count: 0, first: [] };

/** Warnings that a job and its seal name; the others are counted. */
export const MAX_WARNINGS = 1_000;

/**
 * Adds warnings up, and names the first of them, as many as fit.
 *
 * @param characters - of their JSON, in ASCII, for what is kept in a table row; absent: only their number counts
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

/** Blob metadata of a seal that repeats its sequence number, so that a listing alone finds the newest point. */
export const SEQUENCE_METADATA = "sequence";

/** `recovery-point.json`: the commit of a recovery point, written after everything that it names. */
export const Seal = z.object({
  formatVersion: z.literal(1),
  /** What of later additions to the format the point may hold; absent: none. */
  formatMinor: z.int().nonnegative().optional(),
  recoveryPoint: z.string(),
  /** Grows with every sealed point of the instance; never given twice. */
  sequence: z.int().positive(),
  instance: z.string(),
  /** The job that made it. */
  job: z.string(),
  /** The moment that the backup was for, ISO 8601 UTC. */
  slot: z.string(),
  /** The moment up to which the point is complete: just before the first marker was written, ISO 8601 UTC. */
  time: z.string(),
  sealedAt: z.string(),
  /** Retention tag. */
  tag: z.string(),
  policy: z.string(),
  /**
   * The newest slot of the instance's schedule for which a point was made, this one or an earlier one; carried on from point
   * to point, so that it is known when the points are gone that were made for it. ISO 8601 UTC. Absent: none, or nobody
   * noted it.
   */
  scheduledSlot: z.string().optional(),
  /** Until when the policy in force kept it, ISO 8601 UTC. Absent: no rule had its tag. */
  promisedUntil: z.string().optional(),
  containers: z.array(
    z.object({
      name: z.string(),
      index: z.object({ path: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
      entries: z.int().nonnegative(),
      bytes: z.int().nonnegative(),
      /** Of the container itself, when the backup began; absent: none, or from before it was kept. */
      metadata: Texts.optional(),
      /** Absent: private, or from before it was kept. */
      publicAccess: z.enum(PUBLIC_ACCESS).optional(),
    }),
  ),
  entries: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  /** Blobs that are missing from the point although they were at the source. */
  warnings: Warnings,
});
export type Seal = Readonly<z.infer<typeof Seal>>;

/** @throws VaultError `format/corrupt`, `format/newer-version` */
export function decodeSeal(path: string, content: Uint8Array): Seal {
  return decodeDocument(path, Seal, content);
}
