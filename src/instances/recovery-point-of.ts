import { present } from "../foundation/present.ts";
import type { JobTotals } from "../jobs/job-totals.ts";
import type { Seal } from "../vault/seal.ts";
import type { RecoveryPoint } from "./recovery-point.ts";

/** Returns the row of a recovery point; it can always be rebuilt from the seal. */
export function recoveryPointOf(seal: Seal, totals?: JobTotals): RecoveryPoint {
  const { recoveryPoint: id, sequence, instance, job, slot, time, sealedAt, tag, policy, entries, bytes } = seal;
  return {
    id,
    sequence,
    instance,
    job,
    slot,
    time,
    sealedAt,
    tag,
    policy,
    containers: seal.containers.map(({ name }) => name),
    entries,
    bytes,
    warnings: seal.warnings.count,
    ...present({ scheduledSlot: seal.scheduledSlot, promisedUntil: seal.promisedUntil, totals }),
  };
}
