import { z } from "zod";
import type { Activity, Durable, Flow } from "../foundation/flow.ts";
import { JobRef } from "../jobs/job-ref.ts";

/** Where a sweep continues: the number of the point, and the path in the vault. */
export const SweepPosition = z.object({ sequence: z.int().positive(), path: z.string() });
export type SweepPosition = Readonly<z.infer<typeof SweepPosition>>;

const SweepInput = JobRef.extend({ from: SweepPosition.optional() });
export type SweepInput = Readonly<z.infer<typeof SweepInput>>;

/** Returns where to continue; null: done. */
export const sweepDebris: Activity<SweepInput, SweepPosition | null> = {
  name: "sweepDebris",
  parse: (input) => SweepInput.parse(input),
};

/** Sweeps until nothing is left that can be swept. */
export function* sweepToItsEnd(flow: Flow, job: JobRef): Durable<void> {
  let stopped: SweepPosition | null = yield* flow.call(sweepDebris, job);
  while (stopped !== null) stopped = yield* flow.call(sweepDebris, { ...job, from: stopped });
}
