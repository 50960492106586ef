/**
 * @module
 * Every attempt at a recovery point is written down before it copies anything, and crossed out when it leaves no debris.
 * A failed job leaves its sequence number to the next, and so do the objects that it copied: only when a point with that
 * number is sealed is it certain which of them nobody needs.
 */
import { z } from "zod";
import { listRecords, type RecordTable } from "../foundation/records.ts";

/** Partition: instance id; row: {@link attemptRow}. */
export const Attempt = z.object({
  job: z.string(),
  /** The recovery point that it was to make; its manifests lie under this id. */
  recoveryPoint: z.string(),
  sequence: z.int().positive(),
  /** Containers in which it may have left something. */
  containers: z.array(z.string()),
});
export type Attempt = Readonly<z.infer<typeof Attempt>>;

export function attemptRow({ sequence, job }: Pick<Attempt, "sequence" | "job">): string {
  return `${String(sequence).padStart(12, "0")}|${job}`;
}

/** Reads the attempts of an instance that are not crossed out, by ascending sequence number. */
export async function listAttempts(attempts: RecordTable<Attempt>, instanceId: string): Promise<Attempt[]> {
  const found: Attempt[] = [];
  for await (const { value } of listRecords(attempts, instanceId)) found.push(value);
  return found;
}
