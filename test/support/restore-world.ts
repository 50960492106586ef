/**
 * @module
 * An in-memory restore: a hand-made sealed recovery point, the real activities and queue functions, and their queues,
 * from which a test may deliver in any order, twice, or to a crashing worker.
 */

import { createHash } from "node:crypto";
import { AdaptivePool } from "../../src/foundation/adaptive-pool.ts";
import type { BackupInstance } from "../../src/instances/backup-instance.ts";
import { endJobActivity } from "../../src/jobs/end-job.ts";
import type { Job, JobStatus } from "../../src/jobs/job.ts";
import type { InstanceLock } from "../../src/jobs/job-lock.ts";
import type { JobRef } from "../../src/jobs/job-ref.ts";
import type { Pin } from "../../src/jobs/pins.ts";
import type { WorkRecord } from "../../src/jobs/work.ts";
import { beginRestoreActivity } from "../../src/restore/begin-restore.ts";
import { checkRestoreActivity } from "../../src/restore/check-restore.ts";
import type { LanesMessage, SegmentMessage } from "../../src/restore/messages.ts";
import { type PlanLanesDeps, planLanes, planSegmentsActivity } from "../../src/restore/plan-segments.ts";
import {
  RESTORE_SETTINGS,
  type RestoreSegmentDeps,
  type RestoreSettings,
  restoreSegment,
} from "../../src/restore/restore-segment.ts";
import type { RestoreTarget } from "../../src/restore/restore-target.ts";
import type { Entry } from "../../src/vault/entry.ts";
import { ManifestCache } from "../../src/vault/manifest-cache.ts";
import type { ManifestIndex } from "../../src/vault/manifest-index.ts";
import { indexPath, objectPath, sealPath, segmentPath } from "../../src/vault/names.ts";
import { NO_WARNINGS, type Seal } from "../../src/vault/seal.ts";
import { SegmentBuilder, type SegmentRef, sha256Of } from "../../src/vault/segment.ts";
import { CrashSwitch } from "./crash-switch.ts";
import { MemoryAccount, MemoryTarget, MemoryVault } from "./memory-account.ts";
import { MemoryRecords } from "./memory-records.ts";
import { protectedInstance } from "./protected-instance.ts";

/** Content of a recovery point: contents by name, by container. */
export type Contents = Readonly<Record<string, Readonly<Record<string, string>>>>;

export type RestoreMessage = LanesMessage | SegmentMessage;

export interface RestoreWorldOptions {
  readonly segmentEntries?: number;
  readonly settings?: Partial<RestoreSettings>;
  /** Milliseconds that the clock advances with each read. */
  readonly tickMs?: number;
  readonly pageSize?: number;
  /** Time for retries of the copy pool. */
  readonly retryForMs?: number;
  /** Wraps the target. */
  readonly target?: (target: RestoreTarget) => RestoreTarget;
}

const POINT = "point";
const INSTANCE = "1".repeat(32);
const MODIFIED = "2026-01-01T00:00:00.000Z";
const JOB: JobRef = { vault: "vault", job: "restore" };

/** Processes one message like its queue function. @returns the messages that follow, and the raised event */
export async function workRestoreMessage(
  deps: PlanLanesDeps & RestoreSegmentDeps,
  message: RestoreMessage,
): Promise<{ readonly messages: RestoreMessage[]; readonly event?: string }> {
  if (!("segment" in message)) return { messages: await planLanes(deps, message) };
  const { rest, event } = await restoreSegment(deps, message);
  return { messages: rest === undefined ? [] : [rest], ...(event === undefined ? {} : { event }) };
}

export class RestoreWorld {
  readonly contents: Contents;
  readonly vault = new MemoryVault(new MemoryAccount());
  readonly target = new MemoryAccount();
  readonly crash = new CrashSwitch();
  readonly jobs = new MemoryRecords<Job>();
  readonly instances = new MemoryRecords<BackupInstance>();
  readonly work = new MemoryRecords<WorkRecord>();
  readonly openJobs = new MemoryRecords<JobRef>();
  readonly pins = new MemoryRecords<Pin>();
  readonly locks = new MemoryRecords<InstanceLock>();
  readonly queue: RestoreMessage[] = [];
  readonly events: string[] = [];
  readonly pool: AdaptivePool;
  readonly #options: RestoreWorldOptions;
  readonly #manifests = new ManifestCache();
  #containers: readonly string[] = [];
  #now = Date.parse(MODIFIED);

  private constructor(contents: Contents, options: RestoreWorldOptions) {
    this.contents = contents;
    this.#options = options;
    this.pool = new AdaptivePool(
      { widest: 4, retryForMs: options.retryForMs ?? 1_000_000 },
      {
        clock: () => new Date(this.#now),
        sleep: () => new Promise((resolve) => setImmediate(resolve)),
        random: () => 0.5,
      },
    );
  }

  /** A vault with one recovery point, and a requested restore of it. */
  static async of(contents: Contents, options: RestoreWorldOptions = {}): Promise<RestoreWorld> {
    const world = new RestoreWorld(contents, options);
    await world.#seal(options.segmentEntries ?? 4);
    await world.#request();
    return world;
  }

  get deps() {
    const { settings, tickMs = 1, pageSize, target = (same) => same } = this.#options;
    return {
      jobs: this.crash.wrap(this.jobs),
      instances: this.crash.wrap(this.instances),
      work: this.crash.wrap(this.work),
      openJobs: this.crash.wrap(this.openJobs),
      locks: this.crash.wrap(this.locks),
      pins: this.crash.wrap(this.pins),
      vault: () => this.crash.wrap(this.vault),
      manifests: this.#manifests,
      target: () => target(this.crash.wrap<RestoreTarget>(new MemoryTarget(this.target, this.vault, pageSize))),
      pool: () => this.pool,
      isStopping: () => false,
      clock: () => {
        this.#now += tickMs;
        return new Date(this.#now);
      },
      settings: { ...RESTORE_SETTINGS, ...settings },
    };
  }

  /** Starts the restore: creates its containers, and sends their messages. */
  async begin(): Promise<void> {
    const { begun } = await beginRestoreActivity(this.deps, JOB);
    if (!begun) return;
    const { containers, messages } = await planSegmentsActivity(this.deps, JOB);
    this.#containers = containers;
    this.queue.push(...messages);
  }

  /**
   * Delivers one message of the queue; the messages that follow are queued only if it completes.
   *
   * @param at - place in the queue
   * @param again - keeps the message on the queue, as if its worker had lost it
   */
  async deliver(at = 0, again = false): Promise<void> {
    const message = this.queue[at];
    if (message === undefined) throw new Error(`there is no message ${at}`);
    const { messages, event } = await workRestoreMessage(this.deps, message);
    if (!again) this.queue.splice(this.queue.indexOf(message), 1);
    this.queue.push(...messages);
    if (event !== undefined) this.events.push(event);
  }

  /** @returns the number of messages */
  async deliverAll(): Promise<number> {
    let delivered = 0;
    for (; this.queue.length > 0; delivered++) await this.deliver();
    return delivered;
  }

  /** The last steps of the orchestration, after each container has raised its event. */
  async end(): Promise<JobStatus> {
    for (const container of this.#containers) {
      if (!this.events.includes(`restored.${container}`)) throw new Error(`'${container}' was never restored`);
    }
    await checkRestoreActivity(this.deps, JOB);
    return endJobActivity(this.deps, JOB);
  }

  async run(): Promise<JobStatus> {
    await this.begin();
    await this.deliverAll();
    return this.end();
  }

  async job(): Promise<Job> {
    const stored = await this.jobs.get(JOB.vault, JOB.job);
    if (stored === undefined) throw new Error("there is no job");
    return stored.value;
  }

  async cancel(): Promise<void> {
    await this.jobs.put(JOB.vault, JOB.job, { ...(await this.job()), status: "Cancelling" });
  }

  /** Contents in the target, by container and name. */
  restored(): Contents {
    return Object.fromEntries(
      [...this.target.containers].map(([container, blobs]) => [
        container,
        Object.fromEntries([...blobs].map(([name, { content }]) => [name, content])),
      ]),
    );
  }

  async #request(): Promise<void> {
    await this.instances.put(JOB.vault, "lake", protectedInstance({ id: INSTANCE }));
    await this.jobs.put(JOB.vault, JOB.job, {
      id: JOB.job,
      vault: JOB.vault,
      instanceName: "lake",
      instance: INSTANCE,
      status: "InProgress",
      requestedBy: "user",
      request: { kind: "restore", recoveryPoint: POINT, target: { resourceId: "/target", account: "target" } },
      startedAt: MODIFIED,
      policyName: "daily",
    });
  }

  async #seal(segmentEntries: number): Promise<void> {
    const containers: Seal["containers"][number][] = [];
    for (const [container, blobs] of Object.entries(this.contents)) {
      const entries = Object.keys(blobs)
        .sort()
        .map((name) => this.#object(container, name, blobs[name] ?? ""));
      const segments: SegmentRef[] = [];
      for (let first = 0; first < entries.length; first += segmentEntries) {
        segments.push(await this.#segment(container, segments.length, entries.slice(first, first + segmentEntries)));
      }
      containers.push(await this.#index(container, segments));
    }
    const seal: Seal = {
      formatVersion: 1,
      recoveryPoint: POINT,
      sequence: 1,
      instance: INSTANCE,
      job: "backup",
      slot: MODIFIED,
      time: MODIFIED,
      sealedAt: MODIFIED,
      tag: "Default",
      policy: "daily",
      containers,
      entries: containers.reduce((sum, { entries }) => sum + entries, 0),
      bytes: containers.reduce((sum, { bytes }) => sum + bytes, 0),
      warnings: NO_WARNINGS,
    };
    await this.#write(sealPath(POINT), Buffer.from(JSON.stringify(seal)));
  }

  #object(container: string, name: string, content: string): Entry {
    const etag = `0x${sha256Of(Buffer.from(name)).slice(0, 8)}`;
    const md5 = createHash("md5").update(content).digest("base64");
    this.vault.files.set(objectPath(container, name, etag, 1), { content, etag, modified: MODIFIED });
    return { name, etag, size: content.length, modified: MODIFIED, birth: 1, md5 };
  }

  async #segment(container: string, number: number, entries: readonly Entry[]): Promise<SegmentRef> {
    const builder = new SegmentBuilder();
    for (const entry of entries) builder.push(entry);
    const { content, ...described } = await builder.take(entries.length);
    const path = segmentPath(POINT, container, "000000", number, described.sha256);
    await this.#write(path, content);
    return { path, ...described };
  }

  async #index(container: string, segments: SegmentRef[]): Promise<Seal["containers"][number]> {
    const entries = segments.reduce((sum, segment) => sum + segment.entries, 0);
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const index: ManifestIndex = {
      formatVersion: 1,
      recoveryPoint: POINT,
      container,
      order: "utf-16",
      entries,
      bytes,
      segments,
    };
    const content = Buffer.from(JSON.stringify(index));
    const path = indexPath(POINT, container);
    await this.#write(path, content);
    return { name: container, index: { path, sha256: sha256Of(content) }, entries, bytes };
  }

  async #write(path: string, content: Uint8Array): Promise<void> {
    await this.vault.create(path, content, { contentType: "application/octet-stream" });
  }
}
