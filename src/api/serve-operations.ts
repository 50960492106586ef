import { VaultError } from "../foundation/errors.ts";
import type { Job } from "../jobs/contract.ts";
import { pollingHeaders } from "./accept-operation.ts";
import { type ApiCall, type ApiDeps, type ApiResponse, ok, type SubscriptionPath } from "./api-call.ts";
import { regionName, vaultPathOf } from "./arm-ids.ts";
import { errorDetail, lastingHttpStatus } from "./error-body.ts";
import { instanceResource, requireInstance } from "./instance-resource.ts";
import { jobArmId, jobFailure } from "./job-resource.ts";
import type { Operation } from "./operation.ts";
import { requireVault, vaultResource } from "./vault-resource.ts";

/** The path of an operation, in whichever context: the more it says, the more must fit. */
export interface OperationPath extends SubscriptionPath {
  readonly operation: string;
  readonly location?: string;
  readonly group?: string;
  readonly vault?: string;
  readonly instance?: string;
}

/** `Inprogress` is how Azure writes it, and what its clients look for. */
type ArmStatus = "Inprogress" | "Succeeded" | "Failed" | "Canceled";

/** What Azure tells as the end of what has not ended. */
const NOT_ENDED = "0001-01-01T00:00:00Z";

/** Answers the status monitor; always 200, also for what failed. */
export async function getOperationStatus(call: ApiCall<OperationPath>): Promise<ApiResponse> {
  const operation = await requireOperation(call.deps, call.params);
  const job = await jobOf(call.deps, operation);
  const status = job === undefined ? "Succeeded" : armStatus(job);
  const endedAt = operation.work.kind === "put" ? operation.work.endedAt : job?.endedAt;
  return ok({
    id: call.path,
    name: operation.id,
    status,
    startTime: operation.startedAt,
    endTime: endedAt ?? NOT_ENDED,
    ...(job !== undefined && (status === "Failed" || status === "Canceled")
      ? { error: errorDetail(jobFailure(job)) }
      : {}),
    ...(job === undefined ? {} : { properties: jobInfo(operation, job) }),
  });
}

/** Answers the result: 202 while the work goes on, then what it gave. */
export async function getOperationResult(call: ApiCall<OperationPath>): Promise<ApiResponse> {
  const operation = await requireOperation(call.deps, call.params);
  const job = await jobOf(call.deps, operation);
  if (job === undefined) return ok(await putResult(call.deps, operation));
  switch (armStatus(job)) {
    case "Inprogress": {
      const { instance, vault } = call.params;
      const place = instance !== undefined ? "instance" : vault !== undefined ? "vault" : "location";
      return { status: 202, headers: pollingHeaders(call, operation, place) };
    }
    case "Succeeded":
      return ok(jobInfo(operation, job));
    case "Failed":
    case "Canceled": {
      const failure = jobFailure(job);
      return { status: lastingHttpStatus(failure.code), headers: {}, body: { error: errorDetail(failure) } };
    }
  }
}

/** The resource as it is now, for clients that take the result of a PUT from here. */
async function putResult(deps: ApiDeps, { vaultArmId, instanceName }: Operation): Promise<object> {
  const vault = await requireVault(deps, vaultPathOf(vaultArmId));
  return instanceName === undefined
    ? vaultResource(vault)
    : instanceResource(await requireInstance(deps, vault, instanceName));
}

function jobInfo({ vaultArmId }: Operation, job: Job): object {
  return { objectType: "OperationJobExtendedInfo", jobId: jobArmId(vaultArmId, job.id) };
}

function armStatus({ status }: Job): ArmStatus {
  switch (status) {
    case "InProgress":
      return "Inprogress";
    case "Completed":
    case "CompletedWithWarnings":
      return "Succeeded";
    case "Failed":
      return "Failed";
    case "Cancelled":
      return "Canceled";
  }
}

async function jobOf(deps: ApiDeps, { id, work }: Operation): Promise<Job | undefined> {
  if (work.kind === "put") return undefined;
  const stored = await deps.tables.jobs.get(work.job.vault, work.job.job);
  if (stored === undefined) throw new VaultError("operation/not-found", `the job of operation '${id}' is gone`);
  return stored.value;
}

/** An operation is found only by a path that leads to it, so that rights on one vault show nothing of another. */
async function requireOperation(deps: ApiDeps, path: OperationPath): Promise<Operation> {
  const stored = await deps.tables.operations.get(path.subscription.toLowerCase(), path.operation.toLowerCase());
  if (stored === undefined || !leadsTo(path, stored.value)) {
    throw new VaultError("operation/not-found", `there is no operation '${path.operation}' here`);
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
