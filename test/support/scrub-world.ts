/**
 * @module
 * One backup instance for a scrub: a vault with recovery points as given by the test, and its tables.
 */

import type { Alert } from "../../src/alerts/alert.ts";
import type { BackupInstance } from "../../src/instances/backup-instance.ts";
import type { RecoveryPoint } from "../../src/instances/recovery-point.ts";
import { recoveryPointOf } from "../../src/instances/recovery-point-of.ts";
import type { Job } from "../../src/jobs/job.ts";
import { type InstanceLock, releaseLock } from "../../src/jobs/job-lock.ts";
import type { JobRef } from "../../src/jobs/job-ref.ts";
import { SCRUB_SETTINGS, type ScrubSettings } from "../../src/scrub/scrub-settings.ts";
import type { ScrubState } from "../../src/scrub/scrub-state.ts";
import { type ScrubDeps, scrubStepActivity } from "../../src/scrub/scrub-step.ts";
import { readSeal } from "../../src/vault/read-manifest.ts";
import type { SegmentRef } from "../../src/vault/segment.ts";
import { CrashSwitch } from "./crash-switch.ts";
import { MemoryAccount, MemoryVault } from "./memory-account.ts";
import { MemoryRecords } from "./memory-records.ts";
import { protectedInstance } from "./protected-instance.ts";
import { MemoryScrubVault } from "./scrub-vault.ts";
import { type WrittenContainer, writePoint } from "./written-points.ts";

export const INSTANCE = "1".repeat(32);
const VAULT = "vault";
/** Long enough after everything was written. */
const NOW = "2026-06-01T00:00:00.000Z";

/** Tables that a scrub shares with the rest of the app. */
export interface ScrubbedEstate {
  readonly vault: MemoryVault;
  readonly crash: CrashSwitch;
  readonly jobs: MemoryRecords<Job>;
  readonly locks: MemoryRecords<InstanceLock>;
  readonly recoveryPoints: MemoryRecords<RecoveryPoint>;
  readonly instances: MemoryRecords<BackupInstance>;
}

export function emptyEstate(changes: Partial<ScrubbedEstate> = {}): ScrubbedEstate {
  return {
    vault: new MemoryVault(new MemoryAccount()),
    crash: new CrashSwitch(),
    jobs: new MemoryRecords(),
    locks: new MemoryRecords(),
    recoveryPoints: new MemoryRecords(),
    instances: new MemoryRecords(),
    ...changes,
  };
}

export class ScrubWorld {
  readonly estate: ScrubbedEstate;
  readonly crash: CrashSwitch;
  readonly vault: MemoryVault;
  readonly files: MemoryScrubVault;
  readonly scrubs = new MemoryRecords<ScrubState>();
  readonly alerts = new MemoryRecords<Alert>();
  settings: ScrubSettings = { ...SCRUB_SETTINGS, rereadShare: 0 };
  isImmutable = false;
  now = new Date(NOW);
  /** Milliseconds that the clock advances with each read. */
  tickMs = 0;
  #jobs = 0;

  constructor(estate: ScrubbedEstate = emptyEstate(), pageSize = 5_000) {
    this.estate = estate;
    this.crash = estate.crash;
    this.vault = estate.vault;
    this.files = new MemoryScrubVault(estate.vault, pageSize);
  }

  get deps(): ScrubDeps {
    const { crash, estate } = this;
    const files = crash.wrap(this.files);
    return {
      jobs: crash.wrap(estate.jobs),
      locks: crash.wrap(estate.locks),
      recoveryPoints: crash.wrap(estate.recoveryPoints),
      instances: estate.instances,
      scrubs: crash.wrap(this.scrubs),
      alerts: crash.wrap(this.alerts),
      scrubVault: () => files,
      isImmutable: async () => this.isImmutable,
      clock: () => {
        this.now = new Date(this.now.getTime() + this.tickMs);
        return this.now;
      },
      scrubSettings: this.settings,
    };
  }

  async protect(): Promise<void> {
    await this.estate.instances.put(VAULT, "lake", protectedInstance({ id: INSTANCE }));
  }

  /** Writes a recovery point, its seal and its row. */
  async point(
    id: string,
    sequence: number,
    written: Readonly<Record<string, WrittenContainer>>,
  ): Promise<Readonly<Record<string, readonly SegmentRef[]>>> {
    const segments = await writePoint(this.vault, id, sequence, written);
    await this.addRow(id);
    return segments;
  }

  async addRow(id: string): Promise<void> {
    await this.estate.recoveryPoints.put(INSTANCE, id, recoveryPointOf(await readSeal(this.vault, id)));
  }

  async request(): Promise<JobRef> {
    const id = `scrub-${this.#jobs++}`;
    await this.estate.jobs.insert(VAULT, id, {
      id,
      vault: VAULT,
      instanceName: "lake",
      instance: INSTANCE,
      status: "InProgress",
      requestedBy: "schedule",
      request: { kind: "scrub" },
      startedAt: this.now.toISOString(),
      policyName: "daily",
    });
    return { vault: VAULT, job: id };
  }

  /** Processes a job's round to its end. @returns the number of steps */
  async work(ref: JobRef, before: (step: number) => Promise<void> = async () => undefined): Promise<number> {
    for (let steps = 1; ; steps++) {
      await before(steps);
      const { isDone } = await scrubStepActivity(this.deps, ref);
      if (isDone) {
        await this.end(ref, "Completed");
        return steps;
      }
      if (steps > 10_000) throw new Error("the round does not end");
    }
  }

  async end({ vault, job }: JobRef, status: Job["status"]): Promise<void> {
    const row = (await this.estate.jobs.get(vault, job))?.value;
    if (row !== undefined) await this.estate.jobs.put(vault, job, { ...row, status });
    await releaseLock(this.estate.locks, INSTANCE, job);
  }

  /** A complete round. */
  async scrub(): Promise<ScrubState> {
    await this.work(await this.request());
    return this.state();
  }

  async state(): Promise<ScrubState> {
    const stored = await this.scrubs.get(INSTANCE, "round");
    if (stored === undefined) throw new Error("nothing was scrubbed");
    return stored.value;
  }

  /** Damage of each point in the rows: missing, altered, manifests. */
  marks(): Record<string, readonly [number, number, number]> {
    const rows = Object.values(this.estate.recoveryPoints.dump()[INSTANCE] ?? {});
    return Object.fromEntries(
      rows.flatMap(({ id, damage }) =>
        damage === undefined ? [] : [[id, [damage.missing, damage.altered, damage.manifests] as const]],
      ),
    );
  }

  /** Open alerts: number of findings by kind. */
  openAlerts(): Record<string, number> {
    const open = Object.values(this.alerts.dump()[VAULT] ?? {}).filter(({ resolvedAt }) => resolvedAt === undefined);
    return Object.fromEntries(open.map(({ kind, details }) => [kind, firstCount(details.counts)]));
  }

  paths(): string[] {
    return [...this.vault.files.keys()].sort();
  }
}

function firstCount(counts: Readonly<Record<string, number>>): number {
  return Object.entries(counts).find(([name]) => name !== "round")?.[1] ?? 0;
}
