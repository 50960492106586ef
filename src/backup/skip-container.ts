/**
 * @module
 * A container that cannot be backed up stays out of the recovery point as a whole, with a warning, and keeps nobody else
 * from it. One row decides: it says either that the container is replicated or that it is skipped, and is inserted once.
 */
import { type FailureCode, VaultError } from "../foundation/errors.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { JobUnderWay } from "../jobs/job-under-way.ts";
import { type SkippedRecord, type WorkRecord, workRows } from "../jobs/work.ts";
import { sourceMarkerName } from "../vault/names.ts";
import type { Datasource } from "./datasource.ts";

/** Containers that are asked whether it is the account that refuses. */
const CONTAINERS_ASKED = 8;

/** Codes of warnings, by the failures that may be about one container alone; a refusal has the service's own code. */
const CONTAINER_FAULTS: Partial<Record<FailureCode, string>> = {
  "datasource/container-not-found": "container-missing",
  "datasource/refused": "container-refused",
  "datasource/forbidden": "container-refused",
};

/** Why a container is skipped, as its warning says it. */
export interface SkipReason {
  readonly code: string;
  readonly message: string;
}

/** @returns undefined for a failure that no container is at fault for */
export function skipReasonOf(error: unknown): SkipReason | undefined {
  if (!(error instanceof VaultError)) return undefined;
  const code = CONTAINER_FAULTS[error.code];
  if (code === undefined) return undefined;
  const isMissing = error.code === "datasource/container-not-found";
  return { code: isMissing ? code : (error.serviceCode ?? code), message: error.message };
}

/** @returns undefined while nothing is decided about the container */
export async function containerOutcome(
  work: Pick<RecordTable<WorkRecord>, "get">,
  jobId: string,
  container: string,
): Promise<"replicated" | SkippedRecord | undefined> {
  const row = (await work.get(jobId, workRows.marker(container)))?.value;
  if (row === undefined) return undefined;
  return row.kind === "skipped" ? row : "replicated";
}

/** Skips a container. Safe to run twice: what was decided first stays. */
export async function skipContainer(
  work: RecordTable<WorkRecord>,
  jobId: string,
  container: string,
  { code, message }: SkipReason,
): Promise<void> {
  await work.insert(jobId, workRows.marker(container), { kind: "skipped", container, code, message });
}

/**
 * Skips a container whose work failed, when it is the container that is at fault: it is gone, or it refuses what another
 * container of the job does.
 *
 * @throws the error, when it is not
 */
export async function skipOrThrow(
  deps: { readonly work: RecordTable<WorkRecord>; readonly datasource: Datasource },
  job: JobUnderWay,
  container: string,
  error: unknown,
): Promise<void> {
  const reason = skipReasonOf(error);
  if (reason === undefined) throw error;
  const isMissing = error instanceof VaultError && error.code === "datasource/container-not-found";
  if (!isMissing && !(await isAnyOtherAnswered(deps.datasource, job, container))) throw error;
  await skipContainer(deps.work, job.id, container, reason);
}

async function isAnyOtherAnswered(datasource: Datasource, job: JobUnderWay, container: string): Promise<boolean> {
  for (const other of job.containers.filter((name) => name !== container).slice(0, CONTAINERS_ASKED)) {
    try {
      if ((await datasource.look(other, sourceMarkerName(other, job.id))) !== undefined) return true;
    } catch (error) {
      if (skipReasonOf(error) === undefined) throw error;
    }
  }
  return false;
}
