import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock } from "./clock.ts";
import { type FailureCode, VaultError } from "./errors.ts";
import { Fifo } from "./fifo.ts";
import { PoolWidth } from "./pool-width.ts";
import { present } from "./present.ts";

export interface PoolSettings {
  /** Maximum number of concurrent tasks. */
  readonly widest: number;
  /** Initial concurrency; absent: `widest`. */
  readonly start?: number;
  /** How long one task is retried after its first failure before its error is thrown, ms. */
  readonly retryForMs: number;
  /** Maximum back-off after a first failure, ms; it doubles with each further one. */
  readonly firstBackoffMs?: number;
  /** Upper limit of every back-off, ms. */
  readonly maxBackoffMs?: number;
}

/** Clock, timers and randomness of a pool. */
export interface PoolEnvironment {
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
  /** At least 0, less than 1. */
  readonly random: () => number;
}

/** Current state of a pool. */
export interface PoolPressure {
  /** Current concurrency limit. */
  readonly width: number;
  readonly widest: number;
  /** How often the width was reduced. */
  readonly halvings: number;
  /** The latest transient failure; `at` in ISO 8601. */
  readonly last?: { readonly code: FailureCode; readonly message: string; readonly at: string };
}

/** Results of inputs that were processed until a deadline. */
export interface MappedWhile<Out> {
  /** In input order; undefined for an input that was not done. */
  readonly results: readonly (Out | undefined)[];
  /** Error of the input whose time for retries is over. No input was started after that. */
  readonly gaveUp?: VaultError;
}

/** Transient failures: the service throttles requests, or it did not give a usable answer. */
const TRANSIENT_CODES: ReadonlySet<FailureCode> = new Set(["storage/throttled", "storage/unavailable"]);

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;

/** Interval at which idle batches check whether they may continue. */
const DEADLINE_CHECK_MS = 1_000;

/** One call of `map`; the pool takes turns between calls. */
interface Batch {
  readonly inputs: readonly unknown[];
  /** Runs in the caller's async context, whichever call freed the slot. */
  readonly task: (input: unknown) => Promise<unknown>;
  readonly giveUp: ((input: unknown, error: VaultError) => Promise<unknown>) | undefined;
  readonly shouldContinue: (() => boolean) | undefined;
  readonly results: unknown[];
  /** Index of the next input to start. */
  next: number;
  /** Inputs without a result. */
  open: number;
  running: number;
  /** Inputs that failed and wait for their next retry. */
  waiting: number;
  /** No further input is started or retried. */
  isStopped: boolean;
  failure: { readonly error: unknown } | undefined;
  gaveUp: VaultError | undefined;
  readonly end: (batch: Batch) => void;
}

/** One started input of a batch. */
interface Started {
  readonly batch: Batch;
  readonly index: number;
  /** Failures so far. */
  failures: number;
  firstFailureAt: number;
}

/**
 * Runs tasks with a concurrency that adapts to the service. One process shares one pool per storage account.
 *
 * - A task that fails with a transient error is retried after a back-off with full jitter. This does not slow down
 *   other tasks.
 * - Throttling (`storage/throttled`) reduces the width by its share of the answers; single faults
 *   (`storage/unavailable`) do not, unless nearly all answers are faults (`pool-width.ts`).
 * - When a service under pressure sends Retry-After (`retryAfterMs`), no task starts before that time. When a healthy
 *   service sends it, only that input waits.
 * - While a service is unavailable, one request at a time probes it, at intervals of up to {@link MAX_BACKOFF_MS}.
 *
 * @see https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
 */
export class AdaptivePool {
  readonly #settings: Required<PoolSettings>;
  readonly #environment: PoolEnvironment;
  /** Batches with inputs to start. */
  readonly #batches = new Fifo<Batch>();
  /** Started inputs whose back-off is over. */
  readonly #ready = new Fifo<Started>();
  /** Batches with a deadline. */
  readonly #timed = new Set<Batch>();
  #isWatching = false;
  readonly #width: PoolWidth;
  #running = 0;
  /** Started inputs that are not running: in back-off, or ready. */
  #waiting = 0;
  /** Active periods in which no task may start. */
  #pauses = 0;
  /** Consecutive failures of an unavailable service. */
  #failedProbes = 0;
  #last: PoolPressure["last"];

  constructor(settings: PoolSettings, environment: PoolEnvironment) {
    this.#settings = {
      start: settings.widest,
      firstBackoffMs: FIRST_BACKOFF_MS,
      maxBackoffMs: MAX_BACKOFF_MS,
      ...settings,
    };
    this.#environment = environment;
    this.#width = new PoolWidth(this.#settings.start, settings.widest);
  }

  get pressure(): PoolPressure {
    return {
      width: this.#width.now,
      widest: this.#settings.widest,
      halvings: this.#width.narrowings,
      ...present({ last: this.#last }),
    };
  }

  /**
   * Runs one task over many inputs. Concurrent calls take turns, input by input.
   *
   * After the first permanent error no input is started or retried; running ones are awaited, so that nothing still
   * writes when the caller sees the error.
   *
   * @returns results in input order
   * @throws whatever the task throws; a transient error only when the time for retries is over
   */
  async map<In, Out>(inputs: readonly In[], task: (input: In) => Promise<Out>): Promise<Out[]> {
    const { results, gaveUp } = await this.#map(inputs, task);
    if (gaveUp !== undefined) throw gaveUp;
    return results as Out[];
  }

  /**
   * Like `map`, until a deadline. It is checked before each try and retry, and while inputs wait. After it no input is
   * started or retried; running ones are awaited. The first input always starts once there is a free slot. It also
   * stops when the time for retries of an input is over.
   *
   * @param giveUp - may supply a result when the time for retries of an input is over; its errors count like the task's
   * @throws permanent errors
   */
  mapWhile<In, Out>(
    inputs: readonly In[],
    shouldContinue: () => boolean,
    task: (input: In) => Promise<Out>,
    giveUp?: (input: In, error: VaultError) => Promise<Out>,
  ): Promise<MappedWhile<Out>> {
    return this.#map(inputs, task, shouldContinue, giveUp);
  }

  /** Runs one task within the limit, with the same retries. */
  async run<Out>(task: () => Promise<Out>): Promise<Out> {
    const [result] = await this.map([task], (only) => only());
    return result as Out;
  }

  #map<In, Out>(
    inputs: readonly In[],
    task: (input: In) => Promise<Out>,
    shouldContinue?: () => boolean,
    giveUp?: (input: In, error: VaultError) => Promise<Out>,
  ): Promise<MappedWhile<Out>> {
    const results = new Array<Out>(inputs.length);
    if (inputs.length === 0) return Promise.resolve({ results });
    const inContext = AsyncLocalStorage.snapshot();
    return new Promise((resolve, reject) => {
      const batch: Batch = {
        inputs,
        task: (input) => inContext(task as Batch["task"], input),
        giveUp: giveUp && ((input, error) => inContext(giveUp, input as In, error)),
        shouldContinue,
        results,
        next: 0,
        open: inputs.length,
        running: 0,
        waiting: 0,
        isStopped: false,
        failure: undefined,
        gaveUp: undefined,
        end: ({ failure, gaveUp }) => {
          if (failure !== undefined) reject(failure.error);
          else resolve({ results, ...present({ gaveUp }) });
        },
      };
      this.#batches.push(batch);
      if (shouldContinue !== undefined) {
        this.#timed.add(batch);
        if (!this.#isWatching) void this.#watchDeadlines();
      }
      this.#fill();
    });
  }

  /** Starts as many tasks as the limit allows. */
  #fill(): void {
    while (this.#pauses === 0 && this.#running < this.#width.now) {
      const started = this.#nextReady() ?? this.#nextInput();
      if (started === undefined) return;
      // Never rejects: what the task throws is stored in the batch.
      void this.#try(started);
    }
  }

  #nextReady(): Started | undefined {
    for (;;) {
      const started = this.#ready.shift();
      if (started === undefined) return undefined;
      // A stopped batch has already dropped its waiting inputs.
      if (started.batch.isStopped || this.#stopWhenOver(started.batch)) continue;
      started.batch.waiting -= 1;
      this.#waiting -= 1;
      return started;
    }
  }

  #nextInput(): Started | undefined {
    if (this.#running + this.#waiting >= this.#width.now) return undefined;
    for (;;) {
      const batch = this.#batches.shift();
      if (batch === undefined) return undefined;
      if (batch.isStopped || (batch.next > 0 && this.#stopWhenOver(batch))) continue;
      const index = batch.next++;
      if (batch.next < batch.inputs.length) this.#batches.push(batch);
      return { batch, index, failures: 0, firstFailureAt: 0 };
    }
  }

  async #try(started: Started): Promise<void> {
    const { batch, index } = started;
    const { round } = this.#width;
    this.#running += 1;
    batch.running += 1;
    try {
      batch.results[index] = await batch.task(batch.inputs[index]);
      batch.open -= 1;
      this.#width.count(round, "done");
    } catch (error) {
      if (!isTransient(error)) this.#stop(batch, { error });
      else {
        const backoffMs = this.#failed(error, round, started);
        if (backoffMs === undefined) await this.#giveUp(started, error);
        else if (!batch.isStopped) this.#retryLater(started, backoffMs);
      }
    }
    this.#running -= 1;
    batch.running -= 1;
    this.#endWhenDone(batch);
    this.#fill();
  }

  /**
   * Counts a transient failure.
   *
   * @param round - when the try started
   * @returns how long the input waits for its next retry, ms; undefined when the time for its retries is over
   */
  #failed(error: VaultError, round: number, started: Started): number | undefined {
    const now = this.#environment.clock();
    const { retryForMs } = this.#settings;
    const { code, message, retryAfterMs = 0 } = error;
    this.#last = { code, message, at: now.toISOString() };
    this.#width.count(round, code === "storage/throttled" ? "throttled" : "failed");
    this.#failedProbes = this.#width.isAway ? this.#failedProbes + 1 : 0;
    if (retryAfterMs > 0 && this.#width.isPressed) this.#pause(retryAfterMs);
    else if (this.#width.isAway && this.#width.now === 1) this.#pause(this.#backoffMs(this.#failedProbes));

    if (started.failures === 0) started.firstFailureAt = now.getTime();
    const leftMs = started.firstFailureAt + retryForMs - now.getTime();
    if (leftMs <= 0 || retryAfterMs > leftMs) return undefined;
    return Math.max(retryAfterMs, Math.min(leftMs, this.#backoffMs(started.failures++)));
  }

  /** @param failures - before this one */
  #backoffMs(failures: number): number {
    const { firstBackoffMs, maxBackoffMs } = this.#settings;
    return Math.ceil(this.#environment.random() * Math.min(maxBackoffMs, firstBackoffMs * 2 ** failures));
  }

  #pause(ms: number): void {
    this.#pauses += 1;
    void this.#environment.sleep(ms).then(() => {
      this.#pauses -= 1;
      this.#fill();
    });
  }

  #retryLater(started: Started, backoffMs: number): void {
    started.batch.waiting += 1;
    this.#waiting += 1;
    void this.#environment.sleep(backoffMs).then(() => {
      this.#ready.push(started);
      this.#fill();
    });
  }

  /** Checks periodically the deadlines of batches whose inputs all wait, or have not had their turn. */
  async #watchDeadlines(): Promise<void> {
    this.#isWatching = true;
    while (this.#timed.size > 0) {
      await this.#environment.sleep(DEADLINE_CHECK_MS);
      for (const batch of this.#timed) {
        if (this.#stopWhenOver(batch)) this.#fill();
      }
    }
    this.#isWatching = false;
  }

  #stopWhenOver(batch: Batch): boolean {
    if (batch.shouldContinue?.() !== false) return false;
    this.#stop(batch);
    this.#endWhenDone(batch);
    return true;
  }

  async #giveUp({ batch, index }: Started, error: VaultError): Promise<void> {
    if (batch.isStopped) return;
    try {
      if (batch.giveUp === undefined) throw error;
      batch.results[index] = await batch.giveUp(batch.inputs[index], error);
      batch.open -= 1;
    } catch (last) {
      if (!isTransient(last)) return this.#stop(batch, { error: last });
      if (!batch.isStopped) batch.gaveUp = last;
      this.#stop(batch);
    }
  }

  #stop(batch: Batch, failure?: Batch["failure"]): void {
    batch.failure ??= failure;
    if (batch.isStopped) return;
    batch.isStopped = true;
    this.#waiting -= batch.waiting;
    batch.waiting = 0;
  }

  #endWhenDone(batch: Batch): void {
    if (batch.running > 0 || (batch.open > 0 && !batch.isStopped)) return;
    this.#timed.delete(batch);
    batch.end(batch);
  }
}

/** Whether a pool retries this failure. */
export function isTransient(error: unknown): error is VaultError {
  return error instanceof VaultError && TRANSIENT_CODES.has(error.code);
}
