/**
 * @module
 * The complete data path in memory: the real activities and queue functions over an in-memory storage account, vault
 * and tables; the steps of the orchestrations are called one after the other.
 */

import type { Alert } from "../../src/alerts/alert.ts";
import { backupOrchestration } from "../../src/backup/backup-orchestration.ts";
import type { BackupVault } from "../../src/backup/backup-vault.ts";
import { beginBackupActivity } from "../../src/backup/begin-backup.ts";
import { PLAN_SETTINGS, type PlanSettings } from "../../src/backup/cut-container.ts";
import type { Datasource } from "../../src/backup/datasource.ts";
import { checkMarker, writeMarkersActivity } from "../../src/backup/markers.ts";
import type { PlanMessage, RangeMessage } from "../../src/backup/messages.ts";
import { planContainer, planRangesActivity } from "../../src/backup/plan-container.ts";
import { RANGE_SETTINGS, type RangeSettings } from "../../src/backup/range-settings.ts";
import { removeMarkersActivity } from "../../src/backup/remove-markers.ts";
import { sealRecoveryPointActivity } from "../../src/backup/seal-recovery-point.ts";
import { workRange } from "../../src/backup/work-range.ts";
import type { Attempt } from "../../src/debris/attempts.ts";
import { sweepDebrisActivity } from "../../src/debris/sweep-debris.ts";
import { AdaptivePool } from "../../src/foundation/adaptive-pool.ts";
import { VaultError } from "../../src/foundation/errors.ts";
import type { Durable, Flow } from "../../src/foundation/flow.ts";
import { present } from "../../src/foundation/present.ts";
import type { RecordTable } from "../../src/foundation/records.ts";
import type { BackupInstance } from "../../src/instances/backup-instance.ts";
import type { RecoveryPoint } from "../../src/instances/recovery-point.ts";
import type { Schedule } from "../../src/instances/schedules.ts";
import type { VaultRecord } from "../../src/instances/vault-record.ts";
import { endJobActivity } from "../../src/jobs/end-job.ts";
import type { Job, JobStatus } from "../../src/jobs/job.ts";
import type { InstanceLock } from "../../src/jobs/job-lock.ts";
import type { JobRef } from "../../src/jobs/job-ref.ts";
import { OPEN_JOBS } from "../../src/jobs/open-jobs.ts";
import type { Pin } from "../../src/jobs/pins.ts";
import type { WorkRecord } from "../../src/jobs/work.ts";
import type { PolicyRecord } from "../../src/policies/policy-record.ts";
import { beginRestoreActivity } from "../../src/restore/begin-restore.ts";
import { checkRestoreActivity } from "../../src/restore/check-restore.ts";
import type { SegmentMessage } from "../../src/restore/messages.ts";
import { planLanes, planSegmentsActivity } from "../../src/restore/plan-segments.ts";
import { restoreOrchestration } from "../../src/restore/restore-orchestration.ts";
import { RESTORE_SETTINGS, type RestoreSettings, restoreSegment } from "../../src/restore/restore-segment.ts";
import { retentionOrchestration } from "../../src/retention/retention-orchestration.ts";
import type { ContainerChoice } from "../../src/vault/instance-document.ts";
import { ManifestCache } from "../../src/vault/manifest-cache.ts";
import type { SweepableVault } from "../../src/vault/vault-files.ts";
import { CrashSwitch } from "./crash-switch.ts";
import { FaultSwitch } from "./fault-switch.ts";
import { type CopyMessage, lakeActivities } from "./lake-activities.ts";
import { MemoryAccount, MemoryDatasource, MemoryTarget, MemoryVault } from "./memory-account.ts";
import { MemoryRecords } from "./memory-records.ts";
import { protectedInstance } from "./protected-instance.ts";
import { type RaisedEvent, runFlow } from "./run-flow.ts";
import { seededRandom } from "./seeded-random.ts";

export const VAULT = "vault";
const INSTANCE_NAME = "lake";

export interface LakeOptions {
  readonly containers?: ContainerChoice;
  readonly pageSize?: number;
  readonly settings?: Partial<RangeSettings> & Partial<RestoreSettings>;
  readonly planSettings?: Partial<PlanSettings>;
  /** Milliseconds that the clock advances with each read. */
  readonly tickMs?: number;
  /** Time for retries of the copy pool, with real back-offs; absent: no retries. */
  readonly retryForMs?: number;
}

const COPY_WIDTH = 8;

export class MemoryLake {
  readonly source = new MemoryAccount();
  readonly target = new MemoryAccount();
  readonly crash = new CrashSwitch();
  readonly faults = new FaultSwitch();
  readonly vault = new MemoryVault(this.source);
  readonly jobs = new MemoryRecords<Job>();
  readonly instances = new MemoryRecords<BackupInstance>();
  readonly policies = new MemoryRecords<PolicyRecord>();
  readonly locks = new MemoryRecords<InstanceLock>();
  readonly work = new MemoryRecords<WorkRecord>();
  readonly recoveryPoints = new MemoryRecords<RecoveryPoint>();
  readonly openJobs = new MemoryRecords<JobRef>();
  readonly attempts = new MemoryRecords<Attempt>();
  readonly pins = new MemoryRecords<Pin>();
  readonly vaults = new MemoryRecords<VaultRecord>();
  readonly schedules = new MemoryRecords<Schedule>();
  readonly scrubs = new MemoryRecords<unknown>();
  readonly alerts = new MemoryRecords<Alert>();
  readonly events: string[] = [];
  /** Whether the host is about to stop the process. */
  isStopping = false;
  targetAllowsPublicAccess = true;
  readonly #options: LakeOptions;
  readonly #pool: AdaptivePool;
  #executions = 0;
  #now = Date.parse("2026-01-01T00:00:00.000Z");

  constructor(options: LakeOptions = {}) {
    this.#options = options;
    this.#pool = new AdaptivePool(
      { widest: COPY_WIDTH, retryForMs: options.retryForMs ?? 0 },
      { clock: () => new Date(this.#now), sleep: (ms) => this.#sleep(ms), random: seededRandom(1) },
    );
  }

  /** Resolves when nothing else can happen until time advances. */
  async #sleep(ms: number): Promise<void> {
    const until = this.#now + (this.#options.retryForMs === undefined ? 0 : ms);
    await new Promise((resolve) => setImmediate(resolve));
    this.#now = Math.max(this.#now, until);
  }

  get now(): number {
    return this.#now;
  }

  /** Dependencies of every activity and queue function; the switches make each port fail or crash. */
  get deps() {
    const tables = {
      jobs: this.#table(this.jobs),
      instances: this.#table(this.instances),
      policies: this.#table(this.policies),
      locks: this.#table(this.locks),
      work: this.#table(this.work),
      recoveryPoints: this.#table(this.recoveryPoints),
      openJobs: this.#table(this.openJobs),
      attempts: this.#table(this.attempts),
      pins: this.#table(this.pins),
      vaults: this.#table(this.vaults),
      schedules: this.#table(this.schedules),
      scrubs: this.#table(this.scrubs),
      alerts: this.#table(this.alerts),
    };
    const { pageSize, settings, planSettings, tickMs = 1 } = this.#options;
    return {
      ...tables,
      datasource: (): Datasource =>
        this.#wrap(new MemoryDatasource(this.source, pageSize === undefined ? {} : { pageSize })),
      vault: (): BackupVault & SweepableVault => this.#wrap(this.vault),
      // Each process has its own, and every message may run in another process.
      manifests: new ManifestCache(),
      pool: () => this.#pool,
      files: this.crash.wrap({
        // It has the same check for emptiness as the real one.
        remove: async (): Promise<void> => {
          if (this.vault.files.size > 0) throw new VaultError("storage/conflict", "the container is not empty");
        },
      }),
      target: () => {
        const target = new MemoryTarget(this.target, this.vault);
        target.allowsPublicAccess = this.targetAllowsPublicAccess;
        return this.#wrap(target);
      },
      newId: () => `execution-${this.#executions++}`,
      isStopping: () => this.isStopping,
      clock: () => {
        this.#now += tickMs;
        return new Date(this.#now);
      },
      settings: { ...RANGE_SETTINGS, ...RESTORE_SETTINGS, ...settings },
      planSettings: { ...PLAN_SETTINGS, ...planSettings },
    };
  }

  #table<T>(table: MemoryRecords<T>): RecordTable<T> {
    return this.#wrap<RecordTable<T>>(table);
  }

  #wrap<T extends object>(port: T): T {
    return this.crash.wrap(this.faults.wrap(port));
  }

  async protect(containers: ContainerChoice = { kind: "all", excludedPrefixes: [] }): Promise<void> {
    await this.instances.put(
      VAULT,
      INSTANCE_NAME,
      protectedInstance({ id: "1".repeat(32), containers: this.#options.containers ?? containers }),
    );
  }

  async requestJob(id: string, request: Job["request"]): Promise<JobRef> {
    const ref = { vault: VAULT, job: id };
    await this.openJobs.put(OPEN_JOBS, id, ref);
    await this.jobs.insert(VAULT, id, {
      id,
      vault: VAULT,
      instanceName: INSTANCE_NAME,
      instance: "1".repeat(32),
      status: "InProgress",
      requestedBy: "user",
      request,
      startedAt: "2026-01-01T00:00:00.000Z",
      policyName: "daily",
    });
    return ref;
  }

  requestBackup(id: string): Promise<JobRef> {
    return this.requestJob(id, { kind: "backup", slot: "2026-01-01T00:00:00.000Z", rule: "BackupDaily" });
  }

  requestRestore(id: string, recoveryPoint: string, containers?: string[]): Promise<JobRef> {
    return this.requestJob(id, {
      kind: "restore",
      recoveryPoint,
      target: { resourceId: "/target", account: "target" },
      ...(containers === undefined ? {} : { containers }),
    });
  }

  /** Advances the clock. */
  pass(ms: number): void {
    this.#now += ms;
  }

  /** A whole retention. */
  async retain(id: string): Promise<JobStatus> {
    return this.#run(retentionOrchestration, await this.requestJob(id, { kind: "retention" }));
  }

  /** Runs the real orchestration of a job, with the real activities. */
  async #run(orchestration: (flow: Flow, job: JobRef) => Durable<JobStatus>, ref: JobRef): Promise<JobStatus> {
    const events: RaisedEvent[] = [];
    const raise = (): void => void events.push(...this.events.splice(0).map((event) => ({ event })));
    const activities = lakeActivities(this, {
      copies: async (messages) => {
        this.events.length = 0;
        await this.deliverAll(messages);
        raise();
      },
      restores: async (messages) => {
        this.events.length = 0;
        for (const message of messages) await this.restoreSegments(await planLanes(this.deps, message));
        raise();
      },
    });
    const { outcome } = await runFlow(orchestration, ref, activities, events);
    if (outcome.ok) return outcome.value;
    throw outcome.error;
  }

  /** Runs a backup up to its planned ranges. */
  async beginBackup(ref: JobRef): Promise<RangeMessage[]> {
    const ranges: RangeMessage[] = [];
    for (const plan of await this.beginMarked(ref)) ranges.push(...(await planContainer(this.deps, plan)).ranges);
    return ranges;
  }

  /** Runs a backup up to the messages for its plans. */
  async beginMarked(ref: JobRef): Promise<PlanMessage[]> {
    const { begun } = await beginBackupActivity(this.deps, ref);
    if (!begun) return [];
    await writeMarkersActivity(this.deps, ref);
    return planRangesActivity(this.deps, ref);
  }

  /** Processes one message. @returns the messages that follow */
  async deliver(message: CopyMessage): Promise<CopyMessage[]> {
    if (!("group" in message)) {
      const step = "range" in message ? workRange(this.deps, message) : planContainer(this.deps, message);
      const { ranges, check } = await step;
      return [...ranges, ...(check === undefined ? [] : [check])];
    }
    const event = await checkMarker(this.deps, message);
    if (event !== undefined) this.events.push(event);
    return [];
  }

  /** Processes messages and all that follow from them. @returns their number */
  async deliverAll(messages: readonly CopyMessage[]): Promise<number> {
    const queue = [...messages];
    let delivered = 0;
    for (let message = queue.shift(); message !== undefined; message = queue.shift()) {
      queue.push(...(await this.deliver(message)));
      delivered += 1;
    }
    return delivered;
  }

  async seal(ref: JobRef): Promise<JobStatus> {
    await sealRecoveryPointActivity(this.deps, ref);
    const status = await endJobActivity(this.deps, ref);
    await removeMarkersActivity(this.deps, ref);
    return status;
  }

  /** Sweeps the debris of earlier attempts. @returns the number of executions */
  async sweep(ref: JobRef): Promise<number> {
    let stopped = await sweepDebrisActivity(this.deps, ref);
    let executions = 1;
    for (; stopped !== null; executions++) stopped = await sweepDebrisActivity(this.deps, { ...ref, from: stopped });
    return executions;
  }

  /** A whole backup. @returns the id of its recovery point */
  async backup(id: string): Promise<string> {
    await this.#run(backupOrchestration, await this.requestBackup(id));
    const { failure, recoveryPoint } = await this.job(id);
    if (failure !== undefined) throw new VaultError(failure.code, failure.message, present({ hint: failure.hint }));
    return recoveryPoint?.id ?? "";
  }

  async beginRestore(ref: JobRef): Promise<SegmentMessage[]> {
    const { begun } = await beginRestoreActivity(this.deps, ref);
    if (!begun) return [];
    const segments: SegmentMessage[] = [];
    const { messages } = await planSegmentsActivity(this.deps, ref);
    for (const message of messages) segments.push(...(await planLanes(this.deps, message)));
    return segments;
  }

  /** Processes one message. @returns the messages that follow */
  async restoreSegment(message: SegmentMessage): Promise<SegmentMessage[]> {
    const { rest, event } = await restoreSegment(this.deps, message);
    if (event !== undefined) this.events.push(event);
    return rest === undefined ? [] : [rest];
  }

  async restoreSegments(messages: readonly SegmentMessage[]): Promise<void> {
    const queue = [...messages];
    for (let message = queue.shift(); message !== undefined; message = queue.shift()) {
      queue.push(...(await this.restoreSegment(message)));
    }
  }

  async endRestore(ref: JobRef): Promise<JobStatus> {
    await checkRestoreActivity(this.deps, ref);
    return endJobActivity(this.deps, ref);
  }

  /** A whole restore of a recovery point into the (emptied) target. */
  async restore(id: string, recoveryPoint: string): Promise<JobStatus> {
    const status = await this.#run(restoreOrchestration, await this.requestRestore(id, recoveryPoint));
    const { failure } = await this.job(id);
    if (failure !== undefined) throw new VaultError(failure.code, failure.message, present({ hint: failure.hint }));
    return status;
  }

  async job(id: string): Promise<Job> {
    const stored = await this.jobs.get(VAULT, id);
    if (stored === undefined) throw new Error(`no job '${id}'`);
    return stored.value;
  }
}
