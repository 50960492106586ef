import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock } from "./clock.ts";
import { type FailureCode, VaultError } from "./errors.ts";
import { Fifo } from "./fifo.ts";
import { PoolWidth } from "./pool-width.ts";
import { present } from "./present.ts";

export interface PoolSettings {
  /** Most tasks at once. */
  readonly widest: number;
  /** Tasks at once before anything is known; absent: `widest`. */
  readonly start?: number;
  /** How long, from its first failure on, one task is tried again before its error is thrown, ms. */
  readonly retryForMs: number;
  /** Longest back-off after a first failure, ms; it doubles with each further one. */
  readonly firstBackoffMs?: number;
  /** Longest back-off of all, ms. */
  readonly maxBackoffMs?: number;
}

/** What a pool knows of the world. */
export interface PoolEnvironment {
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
  /** At least 0, less than 1. */
  readonly random: () => number;
}

/** How hard a pool is pressed. */
export interface PoolPressure {
  /** Tasks at once, now. */
  readonly width: number;
  readonly widest: number;
  /** Times that the width was narrowed. */
  readonly halvings: number;
  /** The newest failure that passes; `at` in ISO 8601. */
  readonly last?: { readonly code: FailureCode; readonly message: string; readonly at: string };
}

/** What came of inputs that were worked on while there was time. */
export interface MappedWhile<Out> {
  /** In input order; undefined where an input was not done. */
  readonly results: readonly (Out | undefined)[];
  /** Of the input whose time for retries was over. No input was begun after that. */
  readonly gaveUp?: VaultError;
}

/** Failures that pass: the service says that it is asked for too much, or there was no use in what it said. */
const TRANSIENT_CODES: ReadonlySet<FailureCode> = new Set(["storage/throttled", "storage/unavailable"]);

const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;

/** Time between two looks whether batches still go on, while nothing else happens to them. */
const LOOK_EVERY_MS = 1_000;

/** One call of `map`; the pool takes turns between them. */
interface Batch {
  readonly inputs: readonly unknown[];
  /** Within the caller's own asynchronous context, whoever makes room for it. */
  readonly task: (input: unknown) => Promise<unknown>;
  readonly giveUp: ((input: unknown, error: VaultError) => Promise<unknown>) | undefined;
  readonly shouldContinue: (() => boolean) | undefined;
  readonly results: unknown[];
  /** Index of the next input to begin. */
  next: number;
  /** Inputs without a result. */
  open: number;
  running: number;
  /** Inputs that failed and wait for their next try. */
  waiting: number;
  /** No input is begun any more, and none is tried again. */
  isStopped: boolean;
  failure: { readonly error: unknown } | undefined;
  gaveUp: VaultError | undefined;
  readonly end: (batch: Batch) => void;
}

/** One input of a batch that is begun. */
interface Begun {
  readonly batch: Batch;
  readonly index: number;
  /** Failures up to now. */
  failures: number;
  firstFailureAt: number;
}

/**
 * Runs tasks at a width that follows what the service bears. One pool is shared by everything in a process that works
 * against one account.
 *
 * - A task that fails for a reason that passes is tried again after a back-off with full jitter. That alone costs nobody
 *   else anything.
 * - Refusals (`storage/throttled`) narrow the pool by their share; single faults (`storage/unavailable`) do not, unless
 *   nearly all answers are faults (`pool-width.ts`).
 * - While a service that is pressed asks to be left alone (`retryAfterMs`), nothing begins. One that is well and says so
 *   now and then holds back that input only.
 * - While a service is away, one try at a time asks whether it is back, at most every {@link MAX_BACKOFF_MS}.
 * - Begun tasks that wait for their next try keep their places: no input is begun in their stead.
 *
 * @see https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
 */
export class AdaptivePool {
  readonly #settings: Required<PoolSettings>;
  readonly #environment: PoolEnvironment;
  /** Batches with inputs to begin. */
  readonly #batches = new Fifo<Batch>();
  /** Begun inputs whose back-off is over. */
  readonly #ready = new Fifo<Begun>();
  /** Batches that may be stopped by their time. */
  readonly #timed = new Set<Batch>();
  #isLooking = false;
  readonly #width: PoolWidth;
  #running = 0;
  /** Begun inputs that are not running: in their back-off, or ready. */
  #waiting = 0;
  /** Periods in which nothing begins that have not ended. */
  #pauses = 0;
  /** Failures in a row of a service that is away. */
  #askedInVain = 0;
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
   * Runs one task over many inputs. Several calls at once take turns, input by input.
   *
   * After the first error that lasts no further input is begun and none is tried again; those under way are waited for,
   * so that nothing still writes when the error is seen.
   *
   * @returns results in input order
   * @throws whatever the task throws; what passes only when the time for retries is over
   */
  async map<In, Out>(inputs: readonly In[], task: (input: In) => Promise<Out>): Promise<Out[]> {
    const { results, gaveUp } = await this.#map(inputs, task);
    if (gaveUp !== undefined) throw gaveUp;
    return results as Out[];
  }

  /**
   * The same while there is time: it is asked for before each try, also before each further try of an input, and while
   * inputs wait. When it is over no further input is begun and none is tried again; those under way are waited for. The
   * first input is begun in any case, when there is room for it. When the time for retries of an input is over it ends in the same way.
   *
   * @param giveUp - asked for a result first when the time for retries of an input is over; what it throws counts like the task's
   * @throws what lasts
   */
  mapWhile<In, Out>(
    inputs: readonly In[],
    shouldContinue: () => boolean,
    task: (input: In) => Promise<Out>,
    giveUp?: (input: In, error: VaultError) => Promise<Out>,
  ): Promise<MappedWhile<Out>> {
    return this.#map(inputs, task, shouldContinue, giveUp);
  }

  /** Runs one task under the limit, with the same retries. */
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
        if (!this.#isLooking) void this.#look();
      }
      this.#fill();
    });
  }

  /** Begins as much as there is room for. */
  #fill(): void {
    while (this.#pauses === 0 && this.#running < this.#width.now) {
      const begun = this.#nextReady() ?? this.#nextInput();
      if (begun === undefined) return;
      // It never rejects: whatever the task throws is kept for the batch.
      void this.#try(begun);
    }
  }

  #nextReady(): Begun | undefined {
    for (;;) {
      const begun = this.#ready.shift();
      if (begun === undefined) return undefined;
      // A batch that is stopped gave up its waiting inputs then.
      if (begun.batch.isStopped || this.#stopWhenOver(begun.batch)) continue;
      begun.batch.waiting -= 1;
      this.#waiting -= 1;
      return begun;
    }
  }

  #nextInput(): Begun | undefined {
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

  async #try(begun: Begun): Promise<void> {
    const { batch, index } = begun;
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
        const backoffMs = this.#failed(error, round, begun);
        if (backoffMs === undefined) await this.#giveUp(begun, error);
        else if (!batch.isStopped) this.#tryAgain(begun, backoffMs);
      }
    }
    this.#running -= 1;
    batch.running -= 1;
    this.#endWhenDone(batch);
    this.#fill();
  }

  /**
   * Counts a failure that passes.
   *
   * @param round - when the try began
   * @returns how long the input waits for its next try, ms; undefined when the time for its retries is over
   */
  #failed(error: VaultError, round: number, begun: Begun): number | undefined {
    const now = this.#environment.clock();
    const { retryForMs } = this.#settings;
    const { code, message, retryAfterMs = 0 } = error;
    this.#last = { code, message, at: now.toISOString() };
    this.#width.count(round, code === "storage/throttled" ? "throttled" : "failed");
    this.#askedInVain = this.#width.isAway ? this.#askedInVain + 1 : 0;
    if (retryAfterMs > 0 && this.#width.isPressed) this.#pause(retryAfterMs);
    else if (this.#width.isAway && this.#width.now === 1) this.#pause(this.#backoffMs(this.#askedInVain));

    if (begun.failures === 0) begun.firstFailureAt = now.getTime();
    const leftMs = begun.firstFailureAt + retryForMs - now.getTime();
    if (leftMs <= 0 || retryAfterMs > leftMs) return undefined;
    return Math.max(retryAfterMs, Math.min(leftMs, this.#backoffMs(begun.failures++)));
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

  #tryAgain(begun: Begun, backoffMs: number): void {
    begun.batch.waiting += 1;
    this.#waiting += 1;
    void this.#environment.sleep(backoffMs).then(() => {
      this.#ready.push(begun);
      this.#fill();
    });
  }

  /** Looks from time to time after batches whose inputs all wait, or have not had their turn. */
  async #look(): Promise<void> {
    this.#isLooking = true;
    while (this.#timed.size > 0) {
      await this.#environment.sleep(LOOK_EVERY_MS);
      for (const batch of this.#timed) {
        if (this.#stopWhenOver(batch)) this.#fill();
      }
    }
    this.#isLooking = false;
  }

  #stopWhenOver(batch: Batch): boolean {
    if (batch.shouldContinue?.() !== false) return false;
    this.#stop(batch);
    this.#endWhenDone(batch);
    return true;
  }

  async #giveUp({ batch, index }: Begun, error: VaultError): Promise<void> {
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

/** Tells whether a failure is one that a pool retries. */
export function isTransient(error: unknown): error is VaultError {
  return error instanceof VaultError && TRANSIENT_CODES.has(error.code);
}
