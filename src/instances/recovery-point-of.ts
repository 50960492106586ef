import type { JobTotals } from "../jobs/contract.ts";
import type { Seal } from "../vault/seal.ts";
import type { RecoveryPoint } from "./contract.ts";

/** Makes the row of a recovery point, which a seal can always make again. */
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
    ...(seal.scheduledSlot === undefined ? {} : { scheduledSlot: seal.scheduledSlot }),
    ...(seal.promisedUntil === undefined ? {} : { promisedUntil: seal.promisedUntil }),
    ...(totals === undefined ? {} : { totals }),
  };
}
