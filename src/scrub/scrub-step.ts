import { type Alert, raiseAlert, resolveAlerts } from "../alerts/alert.ts";
import type { Clock } from "../foundation/clock.ts";
import { deadline } from "../foundation/deadline.ts";
import { VaultError } from "../foundation/errors.ts";
import { type RecordTable, type Stored, updateRecord } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { RecoveryPoint } from "../instances/recovery-point.ts";
import { isOpen, type Job } from "../jobs/job.ts";
import { type InstanceLock, releaseLock } from "../jobs/job-lock.ts";
import type { JobRef } from "../jobs/job-ref.ts";
import { isStillWanted } from "../jobs/job-under-way.ts";
import { checkPoints } from "./check-points.ts";
import { type FoundPoints, findPoints } from "./read-points.ts";
import { Round } from "./round.ts";
import { SCRUB_ALERTS, scrubAlert } from "./scrub-alerts.ts";
import type { ScrubSettings } from "./scrub-settings.ts";
import { FINDING_KINDS, NO_SCRUB_COUNTS, SCRUB_ROW, type ScrubState } from "./scrub-state.ts";
import type { ScrubVault } from "./scrub-vault.ts";
import { sweepVault } from "./sweep-vault.ts";

export interface ScrubDeps {
  readonly jobs: RecordTable<Job>;
  readonly locks: RecordTable<InstanceLock>;
  readonly recoveryPoints: RecordTable<RecoveryPoint>;
  readonly instances: RecordTable<BackupInstance>;
  /** Partition: instance id; row: `SCRUB_ROW`. */
  readonly scrubs: RecordTable<ScrubState>;
  readonly alerts: RecordTable<Alert>;
  readonly scrubVault: (instanceId: string) => ScrubVault;
  /** Whether the vault of an instance is immutable, so that nothing is deleted early. */
  readonly isImmutable: (instance: BackupInstance) => Promise<boolean>;
  readonly clock: Clock;
  readonly scrubSettings: ScrubSettings;
}

/**
 * Works on the round of a job's instance until its time is over, and saves the position: first recovery points, then
 * debris, then the alerts. Continues the round of an earlier job.
 *
 * Safe to run twice: the row of the round is written last, with optimistic concurrency; everything before it is either
 * repeated identically (marks and alerts, computed from the findings) or without effect (deleted debris). The count of
 * deleted debris may be lost when a step crashes.
 *
 * @throws VaultError `job/not-found`; `format/newer-version` when a newer Lakevault wrote into the vault; retryable
 *   ones
 */
export async function scrubStepActivity(deps: ScrubDeps, ref: JobRef): Promise<{ readonly isDone: boolean }> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  if (job === undefined) throw new VaultError("job/not-found", `job '${ref.job}' was not found`);
  if (job.status !== "InProgress" || job.request.kind !== "scrub") return { isDone: true };

  // An execution that crashed while deleting debris may have left the lock.
  await releaseLock(deps.locks, job.instance, job.id);
  const vault = deps.scrubVault(job.instance);
  const found = await findPoints(vault, deps.recoveryPoints, job.instance);
  const before = await deps.scrubs.get(job.instance, SCRUB_ROW);
  // Two jobs that were started concurrently would take the round from each other.
  if (before !== undefined && (await isOthers(deps, job, before.value))) return { isDone: true };
  const state = takeUp(before?.value, job.id, found, deps.clock());
  if (state.endedAt !== undefined) return { isDone: true };

  const round = new Round(state);
  try {
    const isDone = await work(deps, job, vault, round, found);
    if (isDone) round.end(deps.clock());
  } catch (error) {
    // Keeps the progress made before an account was throttled.
    if (error instanceof VaultError && error.retryable) await keep(deps, job, before, round.settled);
    throw error;
  }
  await keep(deps, job, before, round.state);
  return { isDone: round.state.endedAt !== undefined };
}

/** Whether another job works on the round. A job that is being cancelled leaves it to the next. */
async function isOthers({ jobs }: ScrubDeps, job: Job, { job: other, endedAt }: ScrubState): Promise<boolean> {
  if (endedAt !== undefined || other === job.id) return false;
  const stored = (await jobs.get(job.vault, other))?.value;
  return stored?.status === "InProgress";
}

/** Starts a round, or continues an unfinished one. */
function takeUp(before: ScrubState | undefined, job: string, { points }: FoundPoints, now: Date): ScrubState {
  if (before?.job === job) return before;
  const taken = { job, takenUpAt: now.toISOString() };
  if (before !== undefined && before.endedAt === undefined) return { ...before, ...taken };
  return {
    ...taken,
    round: (before?.round ?? 0) + 1,
    startedAt: now.toISOString(),
    upTo: points.at(-1)?.sequence ?? 0,
    position: { phase: "points", sequence: 0, point: "", container: 0, segment: 0, after: "" },
    counts: NO_SCRUB_COUNTS,
    damage: [],
    hasUnreadSegments: false,
    first: { missing: [], altered: [], manifests: [], unconfirmed: [] },
  };
}

/** @returns whether the round is done */
async function work(deps: ScrubDeps, job: Job, vault: ScrubVault, round: Round, found: FoundPoints): Promise<boolean> {
  const { clock, scrubSettings: settings } = deps;
  const startedAt = clock();
  const hasTime = deadline(clock, settings.budgetMs, startedAt);
  const shouldContinue = async (): Promise<boolean> =>
    hasTime() && (await isStillWanted(deps.jobs, { vault: job.vault, job: job.id }));
  if (round.state.position.phase === "points") {
    const checked = await checkPoints(
      {
        vault,
        instance: job.instance,
        recoveryPoints: deps.recoveryPoints,
        settings,
        now: startedAt,
        rereadBytesBefore: round.state.counts.rereadBytes,
        shouldContinue,
        hasTime,
      },
      round,
      found,
    );
    if (!checked || !(await shouldContinue())) return false;
  }
  const instance = (await deps.instances.get(job.vault, job.instanceName))?.value;
  // An instance that no longer exists keeps nothing, and a scrub must not delete its remains.
  const isImmutable = instance === undefined || (await deps.isImmutable(instance));
  return sweepVault({ ...deps, vault, job, isImmutable, settings, shouldContinue }, round, found);
}

/**
 * Writes alerts before the row, so that none is lost: the next step continues from the row and does not repeat checks.
 */
async function keep(
  deps: ScrubDeps,
  job: Job,
  before: Stored<ScrubState> | undefined,
  state: ScrubState,
): Promise<void> {
  await tellAlerts(deps, job, state);
  if (before !== undefined) await deps.scrubs.replace(job.instance, SCRUB_ROW, state, before.etag);
  else if (!(await deps.scrubs.insert(job.instance, SCRUB_ROW, state))) {
    throw new VaultError("storage/conflict", "another execution has started the round");
  }
  await updateRecord(deps.jobs, job.vault, job.id, (row) => (isOpen(row) ? { ...row, counts: state.counts } : row));
}

/** Raises alerts for the findings so far; only the end of a round can resolve alerts. */
async function tellAlerts({ alerts, clock }: ScrubDeps, job: Job, state: ScrubState): Promise<void> {
  const now = clock();
  for (const kind of FINDING_KINDS) {
    if (state.counts[kind] > 0) await raiseAlert(alerts, job.vault, scrubAlert(kind, job, state), now);
    else if (state.endedAt !== undefined) {
      await resolveAlerts(alerts, job.vault, { instance: job.instance, kind: SCRUB_ALERTS[kind].kind }, now);
    }
  }
}
