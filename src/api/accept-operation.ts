import { deriveUuid } from "../foundation/ids.ts";
import { present } from "../foundation/present.ts";
import type { VaultRecord } from "../instances/vault-record.ts";
import type { Job } from "../jobs/job.ts";
import type { ApiCall, ApiResponse } from "./api-call.ts";
import { PROVIDER, regionName, vaultPathOf } from "./arm-ids.ts";
import type { Operation } from "./operation.ts";

/** Path of the result of an operation, by type of result. */
type ResultPlace = "vault" | "instance" | "location";

/** Headers for polling an operation: one group for its status, one for its result. */
export function pollingHeaders(call: ApiCall, operation: Operation, place: ResultPlace): Record<string, string> {
  const { subscription } = vaultPathOf(operation.vaultArmId);
  const result = {
    vault: operation.vaultArmId,
    instance: `${operation.vaultArmId}/backupInstances/${operation.instanceName}`,
    location: `/subscriptions/${subscription}/providers/${PROVIDER}/locations/${operation.location}`,
  }[place];
  const url = (path: string): string =>
    `${call.baseUrl}${encodeURI(path)}/${operation.id}?api-version=${encodeURIComponent(call.apiVersion)}`;
  return {
    "azure-asyncoperation": url(`${operation.vaultArmId}/operationStatus`),
    location: url(`${result}/operationResults`),
    "retry-after": String(call.deps.settings.retryAfterSeconds),
  };
}

/** Responds to a PUT that created a resource: the work is done, and an operation reports that. */
export async function acceptPut(
  call: ApiCall,
  vault: VaultRecord,
  instanceName: string | undefined,
  body: object,
): Promise<ApiResponse> {
  const now = call.deps.clock().toISOString();
  const operation: Operation = {
    id: call.deps.newId(),
    vaultArmId: vault.armId,
    location: regionName(vault.location),
    ...present({ instanceName }),
    startedAt: now,
    work: { kind: "put", endedAt: now },
  };
  await keepOperation(call, operation);
  const place = instanceName === undefined ? "vault" : "instance";
  return { status: 201, headers: pollingHeaders(call, operation, place), body };
}

/**
 * Responds to a finished call for which Azure returns an operation to poll.
 *
 * @param id - of the operation; absent: a new one
 */
export async function acceptDone(
  call: ApiCall,
  vault: VaultRecord,
  instanceName: string | undefined,
  id = call.deps.newId(),
): Promise<ApiResponse> {
  const now = call.deps.clock().toISOString();
  return await acceptWork(call, vault, { instanceName }, id, now, { kind: "done", endedAt: now });
}

/**
 * Responds to a POST that requested a job. The operation's id is derived from the job's, so a repeated POST returns it.
 */
export async function acceptJob(call: ApiCall, vault: VaultRecord, job: Job): Promise<ApiResponse> {
  const work = { kind: "job", job: { vault: job.vault, job: job.id } } as const;
  return await acceptWork(call, vault, job, deriveUuid("operation", job.id), job.startedAt, work);
}

/** Responds to a POST that cancels a job; a repeated one returns the same operation. */
export async function acceptCancel(call: ApiCall, vault: VaultRecord, job: Job): Promise<ApiResponse> {
  const work = { kind: "cancel", job: { vault: job.vault, job: job.id } } as const;
  const now = call.deps.clock().toISOString();
  return await acceptWork(call, vault, job, deriveUuid("operation", "cancel", job.id), now, work);
}

async function acceptWork(
  call: ApiCall,
  vault: VaultRecord,
  { instanceName }: { readonly instanceName: string | undefined },
  id: string,
  startedAt: string,
  work: Operation["work"],
): Promise<ApiResponse> {
  const operation: Operation = {
    id,
    vaultArmId: vault.armId,
    location: regionName(vault.location),
    ...present({ instanceName }),
    startedAt,
    work,
  };
  await keepOperation(call, operation);
  return { status: 202, headers: pollingHeaders(call, operation, "location") };
}

async function keepOperation(call: ApiCall, operation: Operation): Promise<void> {
  const { subscription } = vaultPathOf(operation.vaultArmId);
  await call.deps.tables.operations.insert(subscription.toLowerCase(), operation.id, operation);
}
