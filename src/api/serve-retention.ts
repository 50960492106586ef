import { z } from "zod";
import { deadline } from "../foundation/deadline.ts";
import { vaultKey } from "../instances/vault-record.ts";
import type { Job } from "../jobs/job.ts";
import { busyWith } from "../jobs/job-lock.ts";
import { type DecidedPoint, planRetention } from "../retention/plan-retention.ts";
import { type PointPreview, previewRetention } from "../retention/preview-retention.ts";
import { ManifestCache } from "../vault/manifest-cache.ts";
import { acceptJob } from "./accept-operation.ts";
import { type ApiCall, type ApiResponse, type InstancePath, ok } from "./api-call.ts";
import { requireInstance } from "./instance-resource.ts";
import { requestJoined } from "./join-on-demand.ts";
import { requireFree } from "./on-demand-job.ts";
import { readWire } from "./read-wire.ts";
import { requireVault } from "./vault-resource.ts";

const TriggerRetention = z.looseObject({ dryRun: z.boolean().optional() });

/** A load balancer of Azure ends a request after 230 s. */
const DRY_RUN_BUDGET_MS = 60_000;

/**
 * Purges what has expired of one instance now, as the daily retention does; or, with `dryRun`, lists what would be purged,
 * with its objects, bytes and requests, and why each other point stays, and changes nothing.
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
    const hasTime = deadline(deps.clock, DRY_RUN_BUDGET_MS);
    const plan = await planRetention({ ...deps.tables, vault: deps.vault, clock: deps.clock }, instance, key);
    const purging = { instance: instance.id, vault: deps.vault(instance.id), manifests: new ManifestCache() };
    const previews = await previewRetention(purging, plan, hasTime);
    return ok({
      recoveryPoints: plan.points.map((decided) => describePoint(decided, previews.get(decided.point.id))),
      removesInstance: plan.removesInstance,
    });
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

function describePoint({ point, decision }: DecidedPoint, preview: PointPreview | undefined): object {
  const { id, time, tag } = point;
  const { keep, because } = decision;
  const end = decision.keep ? decision.until : decision.expiredAt;
  return {
    recoveryPointId: id,
    recoveryPointTime: time,
    retentionTagName: tag,
    action: keep ? "keep" : "purge",
    // What versions before 0.2 called it.
    goes: !keep,
    because,
    ...(end === undefined ? {} : { [decision.keep ? "keptUntil" : "expiredAt"]: end.toISOString() }),
    ...(preview === undefined ? {} : { purge: describePurge(preview) }),
  };
}

function describePurge(preview: PointPreview): object {
  if ("problem" in preview) return preview;
  const { objects, objectBytes, segments, segmentsRead, deleteRequests, undecided, isComplete } = preview;
  return { objects, bytes: objectBytes, segments, segmentsRead, deleteRequests, undecided, isComplete };
}
