import { z } from "zod";
import { JobTotals } from "../jobs/job-totals.ts";

/** Partition: instance id; row: recovery point id. Can be rebuilt from the seals of the vault account. */
export const RecoveryPoint = z.object({
  /** 32 hexadecimal digits. */
  id: z.string(),
  sequence: z.int().positive(),
  instance: z.string(),
  job: z.string(),
  slot: z.string(),
  /** The point is complete up to this time, ISO 8601 UTC. */
  time: z.string(),
  sealedAt: z.string(),
  tag: z.string(),
  policy: z.string(),
  containers: z.array(z.string()),
  entries: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  warnings: z.int().nonnegative(),
  totals: JobTotals.optional(),
  /** The newest slot of its schedule that this point or an earlier one covers, ISO 8601 UTC. */
  scheduledSlot: z.string().optional(),
  /** Promised by its policy when it was made, ISO 8601 UTC; an immutable vault keeps it at least until then. */
  promisedUntil: z.string().optional(),
  /** What a scrub found missing or altered; absent: nothing, or no scrub has run. */
  damage: z
    .object({
      /** ISO 8601 UTC. */
      foundAt: z.string(),
      missing: z.int().nonnegative(),
      altered: z.int().nonnegative(),
      /** Seals, indexes and segments that cannot be read. */
      manifests: z.int().nonnegative(),
    })
    .optional(),
});
export type RecoveryPoint = Readonly<z.infer<typeof RecoveryPoint>>;
