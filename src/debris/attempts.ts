/**
 * @module Every attempt at a recovery point has a row before it copies anything; the row is deleted once it has no
 *   debris. After a failed job the next one has the same sequence number, and may need its objects: which of them are
 *   debris is known only when a point with that number is sealed.
 */
import { z } from "zod";
import { listRecords, type RecordTable } from "../foundation/records.ts";

/** Partition: instance id; row: {@link attemptRow}. */
export const Attempt = z.object({
  job: z.string(),
  /** The recovery point of the attempt; its manifests are under this id. */
  recoveryPoint: z.string(),
  sequence: z.int().positive(),
  /** Containers in which it may have left something. */
  containers: z.array(z.string()),
});
export type Attempt = Readonly<z.infer<typeof Attempt>>;

export function attemptRow({ sequence, job }: Pick<Attempt, "sequence" | "job">): string {
  return `${String(sequence).padStart(12, "0")}|${job}`;
}

/** Reads the attempts of an instance that may have debris, by ascending sequence number. */
export async function listAttempts(attempts: RecordTable<Attempt>, instanceId: string): Promise<Attempt[]> {
  const found: Attempt[] = [];
  for await (const { value } of listRecords(attempts, instanceId)) found.push(value);
  return found;
}
