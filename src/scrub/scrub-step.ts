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
  /** Whether the vault of an instance refuses that anything goes before its time. */
  readonly isImmutable: (instance: BackupInstance) => Promise<boolean>;
  readonly clock: Clock;
  readonly scrubSettings: ScrubSettings;
}

/**
 * Works on the round of a job's instance until its time is over, and keeps how far it has come: first recovery points, then
 * debris, then the alerts. A round that an earlier job left is gone on with.
 *
 * Safe to run twice: the row of the round is written last, by who read its newest state; all before that is either the same
 * again (marks and alerts, which say what the round has noted) or without effect (debris that is gone). A count of removed
 * debris may be lost with the step that removed it.
 *
 * @throws VaultError `job/not-found`; `format/newer-version` when a newer Lakevault wrote into the vault; retryable ones
 */
export async function scrubStepActivity(deps: ScrubDeps, ref: JobRef): Promise<{ readonly isDone: boolean }> {
  const job = (await deps.jobs.get(ref.vault, ref.job))?.value;
  if (job === undefined) throw new VaultError("job/not-found", `there is no job '${ref.job}'`);
  if (job.status !== "InProgress" || job.request.kind !== "scrub") return { isDone: true };

  // An execution that died as it removed debris may have left it.
  await releaseLock(deps.locks, job.instance, job.id);
  const vault = deps.scrubVault(job.instance);
  const found = await findPoints(vault, deps.recoveryPoints, job.instance);
  const before = await deps.scrubs.get(job.instance, SCRUB_ROW);
  // Two jobs that were started beside each other would take the round from one another.
  if (before !== undefined && (await isOthers(deps, job, before.value))) return { isDone: true };
  const state = takeUp(before?.value, job.id, found, deps.clock());
  if (state.endedAt !== undefined) return { isDone: true };

  const round = new Round(state);
  try {
    const isDone = await work(deps, job, vault, round, found);
    if (isDone) round.end(deps.clock());
  } catch (error) {
    // What was done before an account got too busy need not be done again.
    if (error instanceof VaultError && error.retryable) await keep(deps, job, before, round.settled);
    throw error;
  }
  await keep(deps, job, before, round.state);
  return { isDone: round.state.endedAt !== undefined };
}

/** Whether another job works on the round. One that is being cancelled leaves it to the next. */
async function isOthers({ jobs }: ScrubDeps, job: Job, { job: other, endedAt }: ScrubState): Promise<boolean> {
  if (endedAt !== undefined || other === job.id) return false;
  const stored = (await jobs.get(job.vault, other))?.value;
  return stored?.status === "InProgress";
}

/** Begins a round, or goes on with one that was not ended. */
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
  // An instance that is gone has nothing that is kept, and what it has left is not for a scrub to remove.
  const isImmutable = instance === undefined || (await deps.isImmutable(instance));
  return sweepVault({ ...deps, vault, job, isImmutable, settings, shouldContinue }, round, found);
}

/** Alerts go before the row, so that none is lost: whoever goes on from the row looks for nothing a second time. */
async function keep(
  deps: ScrubDeps,
  job: Job,
  before: Stored<ScrubState> | undefined,
  state: ScrubState,
): Promise<void> {
  await tellAlerts(deps, job, state);
  if (before !== undefined) await deps.scrubs.replace(job.instance, SCRUB_ROW, state, before.etag);
  else if (!(await deps.scrubs.insert(job.instance, SCRUB_ROW, state))) {
    throw new VaultError("storage/conflict", "another execution has begun the round");
  }
  await updateRecord(deps.jobs, job.vault, job.id, (row) => (isOpen(row) ? { ...row, counts: state.counts } : row));
}

/** Raises what the round has found so far; only the end of a round can tell that there is nothing. */
async function tellAlerts({ alerts, clock }: ScrubDeps, job: Job, state: ScrubState): Promise<void> {
  const now = clock();
  for (const kind of FINDING_KINDS) {
    if (state.counts[kind] > 0) await raiseAlert(alerts, job.vault, scrubAlert(kind, job, state), now);
    else if (state.endedAt !== undefined) {
      await resolveAlerts(alerts, job.vault, { instance: job.instance, kind: SCRUB_ALERTS[kind].kind }, now);
    }
  }
}
