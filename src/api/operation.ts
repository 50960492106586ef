import { z } from "zod";
import { JobRef } from "../jobs/job-ref.ts";

/** A long-running operation. Partition: subscription id in lower case; row: its id. */
export const Operation = z.object({
  /** UUID. */
  id: z.string(),
  vaultArmId: z.string(),
  /** Of the vault, as it is in paths: `westeurope`. */
  location: z.string(),
  /** Row key of the backup instance that it is about. */
  instanceName: z.string().optional(),
  startedAt: z.string(),
  work: z.discriminatedUnion("kind", [
    /** Ends as the job ends. */
    z.object({ kind: z.literal("job"), job: JobRef }),
    /** Ends when the job has ended; it has succeeded when the job ended as cancelled. */
    z.object({ kind: z.literal("cancel"), job: JobRef }),
    /** Was done within its request: the vault, or the instance, is as it was asked for. */
    z.object({ kind: z.literal("put"), endedAt: z.string() }),
    /** Was done within its request, and has no result. */
    z.object({ kind: z.literal("done"), endedAt: z.string() }),
  ]),
});
export type Operation = Readonly<z.infer<typeof Operation>>;
