import { z } from "zod";
import { JobTotals } from "../jobs/job-totals.ts";

/** Partition: instance id; row: recovery point id. Rebuilt from the seals of the vault account at need. */
export const RecoveryPoint = z.object({
  /** 32 hexadecimal digits. */
  id: z.string(),
  sequence: z.int().positive(),
  instance: z.string(),
  job: z.string(),
  slot: z.string(),
  /** The moment up to which it is complete, ISO 8601 UTC. */
  time: z.string(),
  sealedAt: z.string(),
  tag: z.string(),
  policy: z.string(),
  containers: z.array(z.string()),
  entries: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  warnings: z.int().nonnegative(),
  totals: JobTotals.optional(),
  /** The newest slot of its schedule for which this point or an earlier one was made, ISO 8601 UTC. */
  scheduledSlot: z.string().optional(),
  /** Until when its policy kept it when it was made, ISO 8601 UTC; an immutable vault keeps it so long. */
  promisedUntil: z.string().optional(),
  /** What a scrub found missing or altered; absent: nothing, or none has looked. */
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
