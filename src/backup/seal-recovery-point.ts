import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import { type RecordTable, updateRecord } from "../foundation/records.ts";
import type { BackupInstance, RecoveryPoint } from "../instances/contract.ts";
import { addTotals, type Job, type JobRef, type JobTotals, NO_TOTALS } from "../jobs/contract.ts";
import { type JobUnderWay, jobUnderWay } from "../jobs/job-under-way.ts";
import { getWork, type PieceRecord, type WorkRecord, workRows } from "../jobs/work.ts";
import type { VaultFiles } from "../vault/contract.ts";
import type { ListingOrder } from "../vault/listing-order.ts";
import { checkIndex, type ManifestIndex } from "../vault/manifest-index.ts";
import { indexPath, sealPath } from "../vault/names.ts";
import { readSeal } from "../vault/read-manifest.ts";
import { NO_WARNINGS, SEQUENCE_METADATA, type Seal, type Warnings } from "../vault/seal.ts";
import { sha256Of } from "../vault/segment.ts";
import { encodeDocument, FORMAT_VERSION } from "../vault/version.ts";
import { listingOrderOf } from "./listing-order-of.ts";
import { finishedPieces } from "./markers.ts";

export interface SealDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly work: RecordTable<WorkRecord>;
  readonly recoveryPoints: RecordTable<RecoveryPoint>;
  readonly vault: (instanceId: string) => Pick<VaultFiles, "read" | "create">;
  readonly clock: Clock;
}

/** Containers whose indexes are written at once. */
const INDEX_WIDTH = 8;

/** Warnings that a job and its seal name; the others are counted. */
const MOST_WARNINGS = 1_000;

const JSON_TYPE = { contentType: "application/json" };

/**
 * Commits a recovery point: writes each container's index, then the seal, then the rows that the API reads.
 *
 * Safe to run twice: indexes are made of rows that never change, so a second attempt writes the same bytes; the seal of a
 * first attempt stays. Before the seal is there nothing can see the point, after it nothing of the point changes.
 *
 * @throws VaultError `marker/not-replicated` when a container's ranges or its marker are not in
 */
export async function sealRecoveryPointActivity(deps: SealDeps, ref: JobRef): Promise<JobTotals> {
  const under = await jobUnderWay(deps, ref);
  if (under === undefined) return (await deps.jobs.get(ref.vault, ref.job))?.value.totals ?? NO_TOTALS;
  const { job, instance } = under;
  const vault = deps.vault(instance.id);
  const order = listingOrderOf(instance.datasource.kind);

  const containers = await mapBounded(job.containers, INDEX_WIDTH, (name) =>
    indexContainer(deps, vault, job, name, order),
  );
  const totals = containers.map((container) => container.totals).reduce(addTotals, NO_TOTALS);
  const warnings = joinWarnings([job.warnings ?? NO_WARNINGS, ...containers.map((container) => container.warnings)]);

  const now = deps.clock().toISOString();
  const { id, sequence, time } = job.recoveryPoint;
  const wanted: Seal = {
    formatVersion: FORMAT_VERSION,
    recoveryPoint: id,
    sequence,
    instance: instance.id,
    job: job.id,
    slot: job.request.kind === "backup" ? job.request.slot : now,
    time: time ?? job.startedAt,
    sealedAt: now,
    tag: job.tag ?? "Default",
    policy: job.policyName,
    containers: containers.map(({ sealed }) => sealed),
    entries: totals.entries,
    bytes: totals.bytes,
    warnings,
  };
  const written = await vault.create(sealPath(id), encodeDocument(wanted), {
    ...JSON_TYPE,
    metadata: { [SEQUENCE_METADATA]: String(sequence) },
  });
  const seal = written ? wanted : await readSeal(vault, id);

  await deps.recoveryPoints.put(instance.id, id, recoveryPointOf(seal, totals));
  await updateRecord(deps.jobs, ref.vault, ref.job, (row) => ({ ...row, totals, warnings }));
  return totals;
}

interface IndexedContainer {
  readonly sealed: Seal["containers"][number];
  readonly totals: JobTotals;
  readonly warnings: Warnings;
}

async function indexContainer(
  deps: SealDeps,
  vault: Pick<VaultFiles, "read" | "create">,
  job: JobUnderWay,
  container: string,
  order: ListingOrder,
): Promise<IndexedContainer> {
  const pieces = await finishedPieces(deps.work, job.id, container);
  const marker = await getWork(deps.work, job.id, workRows.marker(container), "marker");
  if (pieces === undefined || marker === undefined) {
    throw new VaultError("marker/not-replicated", `container '${container}' is not replicated`);
  }
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

function joinWarnings(all: readonly Warnings[]): Warnings {
  return {
    count: all.reduce((sum, { count }) => sum + count, 0),
    first: all.flatMap(({ first }) => first).slice(0, MOST_WARNINGS),
  };
}

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
    ...(totals === undefined ? {} : { totals }),
  };
}
