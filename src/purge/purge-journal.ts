import { z } from "zod";
import { decodeDocument, encodeDocument, FORMAT_VERSION } from "../vault/version.ts";

/**
 * `purges/<recovery point>.json`: a running purge. Written before the first file is deleted and deleted after the last,
 * so whoever finds it can finish the purge, also when the seal, which has the same facts, is gone.
 */
export const PurgeJournal = z.object({
  formatVersion: z.literal(1),
  recoveryPoint: z.string(),
  sequence: z.int().positive(),
  /** The job that made the recovery point. */
  job: z.string(),
  /** No other recovery point was sealed, so everything is deleted. */
  isLast: z.boolean(),
  containers: z.array(
    z.object({
      name: z.string(),
      index: z.object({ path: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
    }),
  ),
});
export type PurgeJournal = Readonly<z.infer<typeof PurgeJournal>>;

/** What a purge needs of a seal, or of its plan. */
export function journalOf(
  { recoveryPoint, sequence, job, containers }: Omit<PurgeJournal, "formatVersion" | "isLast">,
  isLast: boolean,
): PurgeJournal {
  return {
    formatVersion: FORMAT_VERSION,
    recoveryPoint,
    sequence,
    job,
    isLast,
    containers: containers.map(({ name, index }) => ({ name, index })),
  };
}

export function encodeJournal(journal: PurgeJournal): Uint8Array {
  return encodeDocument(journal);
}

/** @throws VaultError `format/corrupt`, `format/newer-version` */
export function decodeJournal(path: string, content: Uint8Array): PurgeJournal {
  return decodeDocument(path, PurgeJournal, content);
}
