import { z } from "zod";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { type VaultRecord, vaultKey } from "../instances/vault-record.ts";
import type { RestoreRequest } from "../jobs/job.ts";
import { requestJob } from "../jobs/request-job.ts";
import { acceptJob } from "./accept-operation.ts";
import { type ApiCall, type ApiResponse, type InstancePath, ok } from "./api-call.ts";
import { checkRestoreRequest } from "./check-restore.ts";
import { requireInstance } from "./instance-resource.ts";
import { jobIdOnDemand, jobOnDemand } from "./on-demand-job.ts";
import { RestoreBody, readRestore } from "./read-restore.ts";
import { readWire } from "./read-wire.ts";
import { requireVault } from "./vault-resource.ts";

const ValidateRestore = z.looseObject({ restoreRequestObject: RestoreBody });

/**
 * Starts a restore.
 *
 * Safe to run twice when the caller names its request (`x-ms-client-request-id`): it returns the same job and
 * operation.
 */
export async function triggerRestore(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const { deps } = call;
  const { vault, instance } = await findBoth(call);
  const request = readRestore(vault, instance, readWire(RestoreBody, await call.json()));
  const id = jobIdOnDemand(call, instance, ["restore", JSON.stringify(request)]);
  // An earlier request may have created its containers: they are no reason to refuse its repetition.
  const isNew = (await deps.tables.jobs.get(vaultKey(vault.armId), id)) === undefined;
  if (isNew) await checkRestoreRequest({ ...deps.tables, accounts: deps.accounts }, instance, request);
  const wanted = jobOnDemand(instance, id, request, deps.clock().toISOString());
  const job = await requestJob({ ...deps.tables, orchestrations: deps.orchestrations }, wanted);
  return await acceptJob(call, vault, job);
}

/** Runs all checks of a restore at once; nothing is left to poll. */
export async function validateRestore(call: ApiCall<InstancePath>): Promise<ApiResponse> {
  const { vault, instance } = await findBoth(call);
  const { restoreRequestObject } = readWire(ValidateRestore, await call.json());
  const request: RestoreRequest = readRestore(vault, instance, restoreRequestObject);
  await checkRestoreRequest({ ...call.deps.tables, accounts: call.deps.accounts }, instance, request);
  return ok({ objectType: "OperationJobExtendedInfo" });
}

async function findBoth({
  deps,
  params,
}: ApiCall<InstancePath>): Promise<{ readonly vault: VaultRecord; readonly instance: BackupInstance }> {
  const vault = await requireVault(deps, params);
  return { vault, instance: await requireInstance(deps, vault, params.instance) };
}
