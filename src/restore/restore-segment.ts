import { mapBounded } from "../foundation/bounded-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/contract.ts";
import { addTotals, type Job, type JobTotals, NO_TOTALS, type RestoreRequest } from "../jobs/contract.ts";
import { type JobUnderWay, jobUnderWay } from "../jobs/job-under-way.ts";
import { ProgressNote } from "../jobs/progress-note.ts";
import { getWork, listWork, type WorkRecord, workRows } from "../jobs/work.ts";
import type { Entry } from "../vault/entry.ts";
import { type NameComparator, nameComparator } from "../vault/listing-order.ts";
import { objectPath } from "../vault/names.ts";
import { readIndex, readSeal, readSegment } from "../vault/read-manifest.ts";
import {
  type RestoredBlob,
  type RestoreTarget,
  type RestoreVault,
  restoredEvent,
  type SegmentMessage,
} from "./contract.ts";

export interface RestoreSettings {
  /** Copies in flight at once. */
  readonly copyWidth: number;
}

export interface RestoreSegmentDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly work: RecordTable<WorkRecord>;
  readonly vault: (instanceId: string) => RestoreVault;
  readonly target: (request: RestoreRequest, instanceId: string) => RestoreTarget;
  readonly clock: Clock;
  readonly settings: RestoreSettings;
}

/**
 * Copies the objects of one segment into the restore target, then lists the target and compares it with the segment.
 *
 * Safe to run twice, also at the same time: a blob is never written over, what is already there is compared like all
 * others, and the result row is inserted once.
 *
 * @returns the event to raise to the restore's orchestration when the whole container is in; otherwise undefined
 * @throws VaultError `format/corrupt`, `format/missing`, `restore/target-changed`, `restore/verification-failed`, and
 *   retryable ones of storage
 */
export async function restoreSegment(deps: RestoreSegmentDeps, message: SegmentMessage): Promise<string | undefined> {
  const under = await jobUnderWay(deps, message);
  if (under === undefined || under.job.request.kind !== "restore") return undefined;
  const { job } = under;
  const { container, segment } = message;
  const row = workRows.restored(container, segment);
  if ((await getWork(deps.work, job.id, row, "restored")) === undefined) {
    const totals = await copySegment(deps, job, under.job.request, message);
    await deps.work.insert(job.id, row, { kind: "restored", container, segment, totals });
  }
  return (await isWhole(deps.work, job.id, container)) ? restoredEvent(container) : undefined;
}

async function isWhole(work: RecordTable<WorkRecord>, jobId: string, container: string): Promise<boolean> {
  const plan = await getWork(work, jobId, workRows.plan(container), "plan");
  const restored = await listWork(work, jobId, workRows.restoredAll(container), "restored");
  return plan !== undefined && restored.length === plan.parts;
}

async function copySegment(
  deps: RestoreSegmentDeps,
  job: JobUnderWay,
  request: RestoreRequest,
  { container, segment }: SegmentMessage,
): Promise<JobTotals> {
  const vault = deps.vault(job.instance);
  const index = await readIndex(vault, await readSeal(vault, job.recoveryPoint.id), container);
  const ref = index?.segments[segment];
  if (index === undefined || ref === undefined) {
    throw new VaultError("format/corrupt", `container '${container}' has no segment ${segment}`);
  }
  const entries = await readSegment(vault, ref);
  const target = deps.target(request, job.instance);
  const compare = nameComparator(index.order);

  const there = await blobsThere(target, container, entries, compare);
  const wanted = entries.filter(({ name }) => there.get(name)?.isWhole !== true);
  let totals: JobTotals = { ...NO_TOTALS, listed: entries.length, unchanged: entries.length - wanted.length };
  const progress = new ProgressNote(deps.work, job.id, workRows.running(container, segment, 0), deps.clock);
  await mapBounded(wanted, deps.settings.copyWidth, async (entry) => {
    const { name, etag, birth } = entry;
    const path = objectPath(container, name, etag, birth);
    const { kind } = await target.copyObject(path, container, entry);
    totals = addTotals(totals, { ...NO_TOTALS, copied: 1, copiedBytes: entry.size });
    await progress.note(totals);
    if (kind !== "missing") return;
    throw new VaultError("format/missing", `the vault lacks the object of '${name}' in container '${container}'`, {
      hint: "the vault account was changed by something other than Lakevault; use another recovery point",
    });
  });
  await verify(target, container, entries, compare);
  return { ...totals, entries: entries.length, bytes: ref.bytes };
}

/** Lists the target again after the copies, because only what the target itself says counts. */
async function verify(
  target: RestoreTarget,
  container: string,
  entries: readonly Entry[],
  compare: NameComparator,
): Promise<void> {
  const there = await blobsThere(target, container, entries, compare);
  for (const entry of entries) {
    const blob = there.get(entry.name);
    if (blob === undefined) {
      throw new VaultError("restore/verification-failed", `'${entry.name}' did not arrive in '${container}'`);
    }
    if (!blob.isWhole) {
      throw new VaultError("storage/unavailable", `'${entry.name}' in '${container}' is still being copied`);
    }
    const isSame = blob.size === entry.size && (!blob.md5 || !entry.md5 || blob.md5 === entry.md5);
    if (isSame) continue;
    throw new VaultError("restore/target-changed", `'${entry.name}' in '${container}' is not what was backed up`, {
      hint: "something else writes to the target container; restore to containers that nobody uses",
    });
  }
}

/** Lists the names of a segment in the target. */
async function blobsThere(
  target: RestoreTarget,
  container: string,
  entries: readonly Entry[],
  compare: NameComparator,
): Promise<Map<string, RestoredBlob>> {
  const there = new Map<string, RestoredBlob>();
  const first = entries[0]?.name ?? "";
  const last = entries.at(-1)?.name ?? "";
  for await (const page of target.listPages(container, first)) {
    for (const blob of page) {
      if (compare(blob.name, last) > 0) return there;
      there.set(blob.name, blob);
    }
  }
  return there;
}
