import { z } from "zod";
import { JobRef } from "../jobs/job-ref.ts";

/** A long-running operation. Partition: subscription id in lower case; row: its id. */
export const Operation = z.object({
  /** UUID. */
  id: z.string(),
  vaultArmId: z.string(),
  /** Region of the vault, as in paths: `westeurope`. */
  location: z.string(),
  /** Row key of its backup instance. */
  instanceName: z.string().optional(),
  startedAt: z.string(),
  work: z.discriminatedUnion("kind", [
    /** Ends when the job ends. */
    z.object({ kind: z.literal("job"), job: JobRef }),
    /** Ends when the job has ended; succeeded if the job ended as cancelled. */
    z.object({ kind: z.literal("cancel"), job: JobRef }),
    /** Was done within its request: the vault, or the instance, is as requested. */
    z.object({ kind: z.literal("put"), endedAt: z.string() }),
    /** Was done within its request, and has no result. */
    z.object({ kind: z.literal("done"), endedAt: z.string() }),
  ]),
});
export type Operation = Readonly<z.infer<typeof Operation>>;
