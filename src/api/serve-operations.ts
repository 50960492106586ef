import { type Failure, VaultError } from "../foundation/errors.ts";
import { isOpen, type Job } from "../jobs/job.ts";
import { pollingHeaders } from "./accept-operation.ts";
import { type ApiCall, type ApiDeps, type ApiResponse, ok, type SubscriptionPath } from "./api-call.ts";
import { regionName, vaultPathOf } from "./arm-ids.ts";
import { errorDetail, lastingHttpStatus } from "./error-body.ts";
import { instanceResource, requireInstance } from "./instance-resource.ts";
import { jobArmId, jobFailure } from "./job-resource.ts";
import type { Operation } from "./operation.ts";
import { requireVault, vaultResource } from "./vault-resource.ts";

/** The path of an operation, in any context: every part of the path must match. */
export interface OperationPath extends SubscriptionPath {
  readonly operation: string;
  readonly location?: string;
  readonly group?: string;
  readonly vault?: string;
  readonly instance?: string;
}

/** Azure's spelling is `Inprogress`, which its clients expect. */
type ArmStatus = "Inprogress" | "Succeeded" | "Failed" | "Canceled";

/** Azure's end time of an operation that has not ended. */
const NOT_ENDED = "0001-01-01T00:00:00Z";

/** Returns the status; always 200, also for a failed operation. */
export async function getOperationStatus(call: ApiCall<OperationPath>): Promise<ApiResponse> {
  const operation = await requireOperation(call.deps, call.params);
  const job = await jobOf(call.deps, operation);
  const state = stateOf(operation, job);
  const endedAt = "endedAt" in operation.work ? operation.work.endedAt : job?.endedAt;
  return ok({
    id: call.path,
    name: operation.id,
    status: state.status,
    startTime: operation.startedAt,
    endTime: endedAt ?? NOT_ENDED,
    ...(state.failure === undefined ? {} : { error: errorDetail(state.failure) }),
    ...(job === undefined ? {} : { properties: jobInfo(operation, job) }),
  });
}

/** Returns the result: 202 while the work continues, then its result. */
export async function getOperationResult(call: ApiCall<OperationPath>): Promise<ApiResponse> {
  const operation = await requireOperation(call.deps, call.params);
  const job = await jobOf(call.deps, operation);
  if (operation.work.kind === "done") return ok({ objectType: "OperationJobExtendedInfo" });
  if (job === undefined) return ok(await putResult(call.deps, operation));
  const { status, failure } = stateOf(operation, job);
  if (failure !== undefined) {
    return { status: lastingHttpStatus(failure.code), headers: {}, body: { error: errorDetail(failure) } };
  }
  if (status === "Succeeded") return ok(jobInfo(operation, job));
  const { instance, vault } = call.params;
  const place = instance !== undefined ? "instance" : vault !== undefined ? "vault" : "location";
  return { status: 202, headers: pollingHeaders(call, operation, place) };
}

/** The current resource, for clients that read the result of a PUT here. */
async function putResult(deps: ApiDeps, { vaultArmId, instanceName }: Operation): Promise<object> {
  const vault = await requireVault(deps, vaultPathOf(vaultArmId));
  return instanceName === undefined
    ? vaultResource(vault)
    : instanceResource(await requireInstance(deps, vault, instanceName));
}

function jobInfo({ vaultArmId }: Operation, job: Job): object {
  return { objectType: "OperationJobExtendedInfo", jobId: jobArmId(vaultArmId, job.id) };
}

interface OperationState {
  readonly status: ArmStatus;
  /** Present when it ended without success. */
  readonly failure?: Failure;
}

function stateOf({ work }: Operation, job: Job | undefined): OperationState {
  if (job === undefined) return { status: "Succeeded" };
  return work.kind === "cancel" ? stateOfCancel(job) : stateOfJob(job);
}

function stateOfJob(job: Job): OperationState {
  switch (job.status) {
    case "InProgress":
    case "Cancelling":
      return { status: "Inprogress" };
    case "Completed":
    case "CompletedWithWarnings":
      return { status: "Succeeded" };
    case "Failed":
      return { status: "Failed", failure: jobFailure(job) };
    case "Cancelled":
      return { status: "Canceled", failure: jobFailure(job) };
  }
}

function stateOfCancel(job: Job): OperationState {
  if (isOpen(job)) return { status: "Inprogress" };
  if (job.status === "Cancelled") return { status: "Succeeded" };
  const message = `the job ended with status '${job.status}' before it could be cancelled`;
  return { status: "Failed", failure: { code: "job/not-cancellable", message } };
}

async function jobOf(deps: ApiDeps, { id, work }: Operation): Promise<Job | undefined> {
  if (work.kind === "put" || work.kind === "done") return undefined;
  const stored = await deps.tables.jobs.get(work.job.vault, work.job.job);
  if (stored === undefined) throw new VaultError("operation/not-found", `the job of operation '${id}' was not found`);
  return stored.value;
}

/** An operation is found only by its own paths, so that access to one vault reveals nothing of another. */
async function requireOperation(deps: ApiDeps, path: OperationPath): Promise<Operation> {
  const stored = await deps.tables.operations.get(path.subscription.toLowerCase(), path.operation.toLowerCase());
  if (stored === undefined || !leadsTo(path, stored.value)) {
    throw new VaultError("operation/not-found", `operation '${path.operation}' was not found`);
  }
  return stored.value;
}

function leadsTo(path: OperationPath, operation: Operation): boolean {
  const of = vaultPathOf(operation.vaultArmId);
  const fits = (given: string | undefined, is: string): boolean =>
    given === undefined || given.toLowerCase() === is.toLowerCase();
  return (
    fits(path.group, of.group) &&
    fits(path.vault, of.vault) &&
    fits(path.instance, operation.instanceName ?? "") &&
    (path.location === undefined || regionName(path.location) === operation.location)
  );
}
