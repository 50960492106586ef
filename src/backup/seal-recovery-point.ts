import { type Alert, raiseOrResolve } from "../alerts/alert.ts";
import { type Attempt, attemptRow } from "../debris/attempts.ts";
import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import { type ReadableRecords, type RecordTable, readOnce, type Stored, updateRecord } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import { recoveryPointOf } from "../instances/recovery-point-of.ts";
import type { Job } from "../jobs/job.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { addTotals, type JobTotals, NO_TOTALS } from "../jobs/job-totals.ts";
import { begunJob, type JobUnderWay } from "../jobs/job-under-way.ts";
import { getWork, listWork, type PieceRecord, type WorkRecord, workRows } from "../jobs/work.ts";
import { DEFAULT_TAG } from "../policies/decide-tag.ts";
import { type ListingOrder, nameComparator } from "../vault/listing-order.ts";
import { checkIndex, type ManifestIndex } from "../vault/manifest-index.ts";
import { indexPath, sealPath } from "../vault/names.ts";
import { readSeal } from "../vault/read-manifest.ts";
import { joinWarnings, NO_WARNINGS, SEQUENCE_METADATA, type Seal, type Warning, type Warnings } from "../vault/seal.ts";
import { sha256Of } from "../vault/segment.ts";
import type { VaultFiles } from "../vault/vault-files.ts";
import { encodeDocument, FORMAT_MINOR, FORMAT_VERSION } from "../vault/version.ts";
import { decideIncomplete, POINT_INCOMPLETE } from "./decide-incomplete.ts";
import { joinPieces } from "./join-pieces.ts";
import { listingOrderOf } from "./listing-order-of.ts";
import { containerOutcome } from "./skip-container.ts";

export interface SealDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly work: RecordTable<WorkRecord>;
  readonly attempts: RecordTable<Attempt>;
  readonly recoveryPoints: RecordTable<RecoveryPoint>;
  readonly alerts: RecordTable<Alert>;
  readonly vault: (instanceId: string) => Pick<VaultFiles, "read" | "create">;
  readonly clock: Clock;
}

/** Containers whose indexes are written at once. */
const INDEX_WIDTH = 8;

/** Characters of the warnings that a job's row names; the seal names as many as there may be. */
const MAX_WARNINGS_LENGTH = 300_000;

const JSON_TYPE = { contentType: "application/json" };

/**
 * Commits a recovery point: writes each container's index, then the seal, then the rows that the API reads.
 *
 * Safe to run twice: indexes are made of rows that never change, so a second attempt writes the same bytes; the seal of a
 * first attempt stays. Before the seal is there nothing can see the point, after it nothing of the point changes.
 *
 * @throws VaultError `marker/not-replicated` when a container's marker is not in, `manifest/incomplete` when its ranges are
 *   not
 */
export async function sealRecoveryPointActivity(deps: SealDeps, ref: JobRef): Promise<JobTotals> {
  const begun = await begunJob(deps, ref);
  if (begun === undefined) return (await deps.jobs.get(ref.vault, ref.job))?.value.totals ?? NO_TOTALS;
  const { job, instance } = begun;
  const vault = deps.vault(instance.id);
  await checkStillWanted(deps, ref, vault, job.recoveryPoint.id);
  const order = listingOrderOf(instance.datasource.kind);

  // All containers have reported by now, so their rows are complete and stay as they are.
  const rows = await readOnce(deps.work, job.id);
  const skipped = await skippedOf(rows, job);
  const replicated = job.containers.filter((name) => !skipped.has(name));
  const containers = await mapBounded(replicated, INDEX_WIDTH, (name) => indexContainer(rows, vault, job, name, order));
  const described = await propertiesOf(rows, job);
  const totals = containers.map((container) => container.totals).reduce(addTotals, NO_TOTALS);
  const warnings = joinWarnings([
    job.warnings ?? NO_WARNINGS,
    { count: skipped.size, first: [...skipped.values()] },
    ...containers.map((container) => container.warnings),
  ]);

  const now = deps.clock().toISOString();
  const { id, sequence, time } = job.recoveryPoint;
  const wanted: Seal = {
    formatVersion: FORMAT_VERSION,
    formatMinor: FORMAT_MINOR,
    recoveryPoint: id,
    sequence,
    instance: instance.id,
    job: job.id,
    slot: job.request.kind === "backup" ? job.request.slot : now,
    time: time ?? job.startedAt,
    sealedAt: now,
    tag: job.tag ?? DEFAULT_TAG,
    policy: job.policyName,
    ...present({ scheduledSlot: job.scheduledSlot, promisedUntil: job.promisedUntil }),
    containers: containers.map(({ sealed }) => ({ ...sealed, ...described.get(sealed.name) })),
    entries: totals.entries,
    bytes: totals.bytes,
    warnings,
  };
  // Writing the indexes may have taken a while.
  const stored = await checkStillWanted(deps, ref, vault, id);
  const written = await vault.create(sealPath(id), encodeDocument(wanted), {
    ...JSON_TYPE,
    metadata: { [SEQUENCE_METADATA]: String(sequence) },
  });
  const seal = written ? wanted : await readSeal(vault, id);

  await deps.recoveryPoints.put(instance.id, id, recoveryPointOf(seal, totals));
  await tellIncomplete(deps, job, seal, totals);
  await crossOutAttempt(deps, job, [...skipped.keys()]);
  // Warnings of the seal: a second execution would add its own to what the first has noted here.
  const noted = { totals, warnings: joinWarnings([seal.warnings], MAX_WARNINGS_LENGTH) };
  await updateRecord(deps.jobs, ref.vault, ref.job, (row) => ({ ...row, ...noted }), stored);
  return totals;
}

/** @returns what containers have beside their blobs, by name */
async function propertiesOf(
  work: ReadableRecords<WorkRecord>,
  job: JobUnderWay,
): Promise<ReadonlyMap<string, Pick<Seal["containers"][number], "metadata" | "publicAccess">>> {
  const rows = await listWork(work, job.id, workRows.propertiesAll, "properties");
  return new Map(rows.map(({ kind: _, container, ...properties }) => [container, properties]));
}

/** Raises the alert that the newest point lacks much of its source, or resolves it. */
async function tellIncomplete(deps: SealDeps, job: JobUnderWay, seal: Seal, totals: JobTotals): Promise<void> {
  const left = seal.warnings.first.filter(({ name }) => name === "");
  const condition = decideIncomplete(job, left, totals);
  const checked = { instance: job.instance, kind: POINT_INCOMPLETE } as const;
  await raiseOrResolve(deps.alerts, job.vault, checked, condition, deps.clock());
}

/**
 * Keeps a job that was cancelled or ended meanwhile from sealing; what it has sealed before that stays sealed.
 *
 * @returns the job's row as it is now
 * @throws VaultError `job/cancelled`
 */
async function checkStillWanted(
  deps: Pick<SealDeps, "jobs">,
  ref: JobRef,
  vault: Pick<VaultFiles, "read">,
  recoveryPointId: string,
): Promise<Stored<Job> | undefined> {
  const stored = await deps.jobs.get(ref.vault, ref.job);
  const isWanted = stored?.value.status === "InProgress";
  if (isWanted || (await vault.read(sealPath(recoveryPointId))) !== undefined) return stored;
  throw new VaultError("job/cancelled", "the job was cancelled before its recovery point was sealed");
}

/** Codes of containers that are not there any more. */
const GONE: ReadonlySet<string> = new Set(["container-missing", "container-replaced"]);

/**
 * Reads which containers stay out of the point.
 *
 * @returns a warning for each
 * @throws VaultError `datasource/container-not-found` or `datasource/refused` when no container is left
 */
async function skippedOf(work: ReadableRecords<WorkRecord>, job: JobUnderWay): Promise<ReadonlyMap<string, Warning>> {
  const fates = await mapBounded(job.containers, INDEX_WIDTH, (container) => containerOutcome(work, job.id, container));
  const warnings = fates.flatMap((fate) => {
    if (fate === undefined || fate === "replicated") return [];
    const { container, code, message } = fate;
    return [{ container, name: "", code, message }];
  });
  const [first] = warnings;
  if (first !== undefined && warnings.length === job.containers.length) {
    const areGone = warnings.every(({ code }) => GONE.has(code));
    const failure = areGone ? "datasource/container-not-found" : "datasource/refused";
    throw new VaultError(failure, `no container is left to back up: ${first.message}`);
  }
  return new Map(warnings.map((warning) => [warning.container, warning]));
}

/**
 * An attempt of which no part was begun twice has copied exactly what is sealed; of any other, the parts are noted, and
 * what was copied of containers that stayed out.
 */
async function crossOutAttempt(
  deps: Pick<SealDeps, "attempts" | "work">,
  job: JobUnderWay,
  skipped: readonly string[],
): Promise<void> {
  const { id: recoveryPoint, sequence } = job.recoveryPoint;
  const repeats = await listWork(deps.work, job.id, workRows.repeats, "repeat");
  const attempt: Attempt = {
    job: job.id,
    recoveryPoint,
    sequence,
    containers: [...new Set([...skipped, ...repeats.map(({ container }) => container)])],
  };
  if (attempt.containers.length === 0) await deps.attempts.remove(job.instance, attemptRow(attempt));
  else await deps.attempts.put(job.instance, attemptRow(attempt), attempt);
}

interface IndexedContainer {
  readonly sealed: Seal["containers"][number];
  readonly totals: JobTotals;
  readonly warnings: Warnings;
}

async function indexContainer(
  work: ReadableRecords<WorkRecord>,
  vault: Pick<VaultFiles, "read" | "create">,
  job: JobUnderWay,
  container: string,
  order: ListingOrder,
): Promise<IndexedContainer> {
  const marker = await getWork(work, job.id, workRows.marker(container), "marker");
  if (marker === undefined) throw new VaultError("marker/not-replicated", `container '${container}' is not replicated`);
  const found = await listWork(work, job.id, workRows.pieces(container), "piece");
  const pieces = joinPieces(container, found, nameComparator(order));
  const totals = pieces.map((piece: PieceRecord) => piece.totals).reduce(addTotals, NO_TOTALS);
  const index: ManifestIndex = {
    formatVersion: FORMAT_VERSION,
    recoveryPoint: job.recoveryPoint.id,
    container,
    order,
    entries: totals.entries,
    bytes: totals.bytes,
    segments: pieces.flatMap((piece) => piece.segments),
  };
  const path = indexPath(job.recoveryPoint.id, container);
  checkIndex(path, index);
  const content = encodeDocument(index);
  const sha256 = sha256Of(content);
  if (!(await vault.create(path, content, JSON_TYPE))) await checkSame(vault, path, sha256);
  const { entries, bytes } = index;
  return {
    sealed: { name: container, index: { path, sha256 }, entries, bytes },
    totals,
    warnings: joinWarnings(pieces.map((piece) => piece.warnings)),
  };
}

async function checkSame(vault: Pick<VaultFiles, "read">, path: string, sha256: string): Promise<void> {
  const content = await vault.read(path);
  if (content !== undefined && sha256Of(content) === sha256) return;
  throw new VaultError("format/corrupt", `'${path}' was written with other contents by an earlier attempt`, {
    hint: "start the backup again; the objects that are copied already are used",
  });
}
