import { z } from "zod";
import { vaultKey } from "../instances/vault-record.ts";
import type { Job } from "../jobs/job.ts";
import { busyWith } from "../jobs/job-lock.ts";
import { readRetention } from "../retention/read-retention.ts";
import { acceptJob } from "./accept-operation.ts";
import { type ApiCall, type ApiResponse, type InstancePath, ok } from "./api-call.ts";
import { requireInstance } from "./instance-resource.ts";
import { requestJoined } from "./join-on-demand.ts";
import { readWire } from "./read-wire.ts";
import { requireFree } from "./serve-backup.ts";
import { requireVault } from "./vault-resource.ts";

const TriggerRetention = z.looseObject({ dryRun: z.boolean().optional() });

/**
 * Purges the expired points of one instance now, like the daily retention; or, with `dryRun`, returns what would be
 * purged and why each other point is kept, and changes nothing.
 *
 * Safe to run twice and concurrently: all calls get the same job while it runs.
 */
export async function triggerRetention(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const { deps, params } = call;
  const vault = await requireVault(deps, params);
  const instance = await requireInstance(deps, vault, params.instance);
  const { dryRun = false } = readWire(TriggerRetention, await call.json({}));
  const key = vaultKey(vault.armId);
  if (dryRun) {
    const decided = await readRetention({ ...deps.tables, vault: deps.vault, clock: deps.clock }, instance, key);
    return ok({ recoveryPoints: decided.map(toJson) });
  }
  const running = await runningRetention(call, key, instance.id);
  const refuse = () => requireFree(call, instance);
  return await acceptJob(call, vault, await requestJoined(call, instance, "retention", running, refuse));
}

/** The unfinished retention that holds the instance's lock, whoever started it. */
async function runningRetention({ deps }: ApiCall, vault: string, instanceId: string): Promise<Job | undefined> {
  const holder = await busyWith(deps.tables, vault, instanceId);
  const job = holder && (await deps.tables.jobs.get(vault, holder))?.value;
  return job && job.request.kind === "retention" ? job : undefined;
}

function toJson({ point, decision }: Awaited<ReturnType<typeof readRetention>>[number]): object {
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
