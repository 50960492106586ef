import { z } from "zod";
import { vaultKey } from "../instances/contract.ts";
import { requestJob } from "../jobs/request-job.ts";
import { readRetention } from "../retention/read-retention.ts";
import { acceptJob } from "./accept-operation.ts";
import { type ApiCall, type ApiResponse, type InstancePath, ok } from "./api-call.ts";
import { requireInstance } from "./instance-resource.ts";
import { readWire } from "./read-wire.ts";
import { jobIdOnDemand, jobOnDemand, requireFree } from "./serve-backup.ts";
import { requireVault } from "./vault-resource.ts";

const TriggerRetention = z.looseObject({ dryRun: z.boolean().optional() });

/**
 * Purges what has expired of one instance now, as the daily retention does; or, with `dryRun`, tells what would go and why
 * each other point stays, and changes nothing.
 *
 * Safe to run twice: what is purged is not there any more.
 */
export async function triggerRetention(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const instance = await requireInstance(deps, vault, params.instance);
  const { dryRun = false } = readWire(TriggerRetention, await call.json({}));
  const key = vaultKey(vault.armId);
  if (dryRun) {
    const decided = await readRetention({ ...deps.tables, vault: deps.vault, clock: deps.clock }, instance, key);
    return ok({ recoveryPoints: decided.map(told) });
  }
  const id = jobIdOnDemand(call, instance, ["retention"]);
  const isNew = (await deps.tables.jobs.get(key, id)) === undefined;
  if (isNew) await requireFree(call, instance);
  const wanted = jobOnDemand(instance, id, { kind: "retention" }, deps.clock().toISOString());
  const job = await requestJob({ ...deps.tables, orchestrations: deps.orchestrations }, wanted);
  return await acceptJob(call, vault, job);
}

function told({ point, decision }: Awaited<ReturnType<typeof readRetention>>[number]): object {
  const { id, time, tag } = point;
  const { keep, because } = decision;
  const end = decision.keep ? decision.until : decision.expiredAt;
  return {
    recoveryPointId: id,
    recoveryPointTime: time,
    retentionTagName: tag,
    goes: !keep,
    because,
    ...(end === undefined ? {} : { [decision.keep ? "keptUntil" : "expiredAt"]: end.toISOString() }),
  };
}
