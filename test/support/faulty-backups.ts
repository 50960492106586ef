import { lakeActivities } from "./lake-activities.ts";
import "./steady-zlib.ts";

import { backupOrchestration } from "../../src/backup/backup-orchestration.ts";
import { replicatedEvent } from "../../src/backup/messages.ts";
import { sweepDebris } from "../../src/debris/sweep-activity.ts";
import { VaultError } from "../../src/foundation/errors.ts";
import type { Durable, Flow } from "../../src/foundation/flow.ts";
import type { JobStatus } from "../../src/jobs/job.ts";
import type { JobRef } from "../../src/jobs/job-ref.ts";
import { finishPurges } from "../../src/purge/activities.ts";
import { restoredEvent, type SegmentMessage } from "../../src/restore/messages.ts";
import { planLanes } from "../../src/restore/plan-segments.ts";
import { restoreOrchestration } from "../../src/restore/restore-orchestration.ts";
import { sealPath } from "../../src/vault/names.ts";
import { type Delivery, FaultyQueue } from "./faulty-queue.ts";
import type { CopyMessage } from "./lake-activities.ts";
import { Dice } from "./retention-dice.ts";
import { LakeBackups } from "./retention-lake.ts";
import type { FaultCounts } from "./retention-world.ts";
import { type Activities, type RaisedEvent, runFlow } from "./run-flow.ts";

/** Max attempts of an activity, as in `src/azure/durable-flow.ts`. */
const MAX_ATTEMPTS = 5;

/** Max orchestrations of one job, each started after the previous one hung. */
const MAX_ORCHESTRATIONS = 60;

/** Max failing calls of one job; max messages that are lost, duplicated or late. */
const MAX_FAULTS = 24;
const MAX_STRAYS = 8;

/** Error of an orchestration that waits for an event that never comes. */
class Hangs extends Error {}

/**
 * The real in-memory engine with its real orchestrations: calls fail and answers are lost, messages are duplicated,
 * lost, late and out of order, activities run twice concurrently, the host stops, hanging orchestrations are restarted,
 * and the source keeps changing.
 */
export class FaultyBackups extends LakeBackups {
  readonly #dice: Dice;
  readonly #queue: FaultyQueue;
  readonly #seen = { begunAnew: 0, failedJobs: 0 };

  constructor(seed: number) {
    super();
    this.#dice = new Dice(seed * 7919 + 1);
    this.#queue = new FaultyQueue(this.#dice);
  }

  static override async open(seed = 1): Promise<FaultyBackups> {
    const backups = new FaultyBackups(seed);
    await backups.lake.protect();
    return backups;
  }

  get faults(): FaultCounts {
    return { faults: this.lake.faults.faults, strays: this.#queue.strays, ...this.#seen };
  }

  override async backup(id: string, meanwhile?: () => void): Promise<void> {
    const { lake } = this;
    this.last = id;
    const ref = await lake.requestBackup(id);
    const names = [...lake.source.containers.values()].flatMap((blobs) => [...blobs.keys()]);
    const unreadable = this.#dice.oneIn(6) ? this.#dice.pick(names) : undefined;
    lake.vault.unreadable.clear();
    if (unreadable !== undefined && meanwhile !== undefined) lake.vault.unreadable.add(unreadable);
    const run = (): Promise<JobStatus> => this.#run(ref, backupOrchestration, (events) => this.#activities(events));
    const status = await this.#faulty(run, meanwhile !== undefined, meanwhile);
    if (status === "Failed") this.#seen.failedJobs += 1;
    const { recoveryPoint } = await lake.job(id);
    const isSealed = recoveryPoint !== undefined && this.files.has(sealPath(recoveryPoint.id));
    if (status.startsWith("Completed") && !isSealed) throw new Error(`backup ${id} is ${status} without a point`);
  }

  protected override async restoreOnce(id: string, recoveryPointId: string): Promise<JobStatus> {
    const ref = await this.lake.requestRestore(id, recoveryPointId);
    const run = (): Promise<JobStatus> => this.#run(ref, restoreOrchestration, (events) => this.#activities(events));
    const status = await this.#faulty(run);
    if (status !== "Failed") return status;
    this.#seen.failedJobs += 1;
    const { failure } = await this.lake.job(id);
    // Transient faults must not have any other result.
    if (failure?.code !== "storage/unavailable" && failure?.code !== "storage/throttled") {
      throw new Error(`restore ${id} failed: ${failure?.code}: ${failure?.message}`);
    }
    this.lake.target.containers.clear();
    return super.restoreOnce(`${id}-again`, recoveryPointId);
  }

  async #faulty<T>(run: () => Promise<T>, hasFaults = true, meanwhile?: () => void): Promise<T> {
    const { faults } = this.lake;
    if (hasFaults) faults.arm(this.#dice, this.#dice.below(MAX_FAULTS), meanwhile);
    this.#queue.arm(hasFaults ? this.#dice.below(MAX_STRAYS) : 0);
    try {
      const done = await run();
      await this.#queue.settle();
      return done;
    } finally {
      // A crashed process ends its other deliveries; here they have to finish first.
      await this.#queue.settle().catch(() => undefined);
      faults.disarm();
      this.lake.isStopping = false;
    }
  }

  /** Runs an orchestration, and another one when it hangs, like the watchdog. */
  async #run(
    ref: JobRef,
    orchestration: (flow: Flow, job: JobRef) => Durable<JobStatus>,
    activitiesOf: (events: RaisedEvent[]) => Activities,
  ): Promise<JobStatus> {
    for (let begun = 0; begun < MAX_ORCHESTRATIONS; begun++) {
      const events: RaisedEvent[] = [];
      try {
        const { outcome } = await runFlow(orchestration, ref, activitiesOf(events), events);
        if (outcome.ok) return outcome.value;
        // Even its end could not be written.
        if (!isTransient(outcome.error)) throw outcome.error;
      } catch (error) {
        if (!(error instanceof Hangs)) throw error;
      }
      this.#seen.begunAnew += 1;
    }
    throw new Error(`job ${ref.job} hangs`);
  }

  #activities(events: RaisedEvent[]): Activities {
    return {
      ...lakeActivities(this.lake, {
        copies: async (messages, containers) => {
          this.#send(messages);
          await this.#waitFor(events, containers.map(replicatedEvent));
        },
        restores: async (messages, containers) => {
          this.#queue.send(
            messages.map(
              (message) => async () => (await planLanes(this.lake.deps, message)).map((lane) => this.#restoring(lane)),
            ),
          );
          await this.#waitFor(events, containers.map(restoredEvent));
        },
        run: (activity) => this.#tried(activity),
      }),
      // A history runs its own purges and sweeps.
      [finishPurges.name]: () => ({ done: true }),
      [sweepDebris.name]: () => null,
    };
  }

  #send(messages: readonly CopyMessage[]): void {
    this.#queue.send(messages.map((message) => this.#copying(message)));
  }

  #copying(message: CopyMessage): Delivery {
    return async () => (await this.lake.deliver(message)).map((next) => this.#copying(next));
  }

  #restoring(message: SegmentMessage): Delivery {
    return async () => (await this.lake.restoreSegment(message)).map((next) => this.#restoring(next));
  }

  /** @throws Hangs when the queue is empty before all events were raised */
  async #waitFor(events: RaisedEvent[], wanted: readonly string[]): Promise<void> {
    const { lake } = this;
    lake.events.length = 0;
    const areAllIn = (): boolean => wanted.every((event) => lake.events.includes(event));
    await this.#queue.deliverUntil(areAllIn, () => {
      lake.isStopping = this.#dice.oneIn(8);
    });
    if (!areAllIn()) throw new Hangs();
    events.push(...lake.events.splice(0).map((event) => ({ event })));
  }

  /** Runs an activity until it succeeds, sometimes twice concurrently. */
  async #tried<T>(activity: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        if (!this.#dice.oneIn(6)) return await activity();
        const [first, second] = await Promise.allSettled([activity(), activity()]);
        for (const one of [first, second]) if (one.status === "rejected" && !isTransient(one.reason)) throw one.reason;
        if (first.status === "fulfilled") return first.value;
        throw first.reason;
      } catch (error) {
        if (!isTransient(error) || tries === MAX_ATTEMPTS) throw error;
      }
    }
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof VaultError && error.retryable;
}
