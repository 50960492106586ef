import type { Clock } from "./clock.ts";
import { type FailureCode, VaultError } from "./errors.ts";

export interface PoolSettings {
  /** Most tasks at once. */
  readonly widest: number;
  /** Tasks at once before anything is known; absent: `widest`. */
  readonly start?: number;
  /** How long, from its first failure on, one task is tried again before its error is thrown, ms. */
  readonly patienceMs: number;
  /** Longest back-off after a first failure, ms; it doubles with each further one. */
  readonly firstBackOffMs?: number;
  /** Longest back-off of all, ms. */
  readonly longestBackOffMs?: number;
}

/** What a pool knows of the world. */
export interface PoolSurroundings {
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
  /** At least 0, less than 1. */
  readonly random: () => number;
}

/** How hard a pool is pressed. */
export interface Pressure {
  /** Tasks at once, now. */
  readonly width: number;
  readonly widest: number;
  /** Times that the width was halved. */
  readonly halvings: number;
  /** The failure that last halved the width, or would have, had it not been 1; `at` in ISO 8601. */
  readonly last?: { readonly code: FailureCode; readonly message: string; readonly at: string };
}

/** Failures by which a service says that it is asked for too much, or cannot be reached at all. */
const PRESSURE_CODES: ReadonlySet<FailureCode> = new Set(["storage/throttled", "storage/unavailable"]);

const FIRST_BACK_OFF_MS = 200;
const LONGEST_BACK_OFF_MS = 30_000;

/** One call of `map`; the pool takes turns between them. */
interface Batch {
  readonly inputs: readonly unknown[];
  readonly task: (input: unknown) => Promise<unknown>;
  readonly giveUp: ((input: unknown, error: VaultError) => Promise<unknown>) | undefined;
  readonly results: unknown[];
  /** Index of the next input to begin. */
  next: number;
  /** Inputs without a result. */
  open: number;
  running: number;
  /** Inputs that failed and wait for their next try. */
  waiting: number;
  failure: { readonly error: unknown } | undefined;
  readonly end: (failure: { readonly error: unknown } | undefined) => void;
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
 * Runs tasks at a width that follows what the service bears: additive increase, multiplicative decrease. One pool is
 * shared by everything in a process that works against one account.
 *
 * - A task that fails under pressure (`storage/throttled`, `storage/unavailable`) is tried again after a back-off with
 *   full jitter, and halves the width; failures of tries that began before the last halving do not halve it again.
 * - While a failure's `retryAfterMs` runs, nothing begins.
 * - As many successes as the pool is wide make it wider by one.
 * - Begun tasks that wait for their next try keep their places: no input is begun in their stead.
 *
 * @see https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
 */
export class AdaptivePool {
  readonly #settings: Required<PoolSettings>;
  readonly #surroundings: PoolSurroundings;
  /** Batches with inputs to begin. */
  readonly #batches = new Fifo<Batch>();
  /** Begun inputs whose back-off is over. */
  readonly #ready = new Fifo<Begun>();
  #width: number;
  #running = 0;
  /** Begun inputs that are not running: in their back-off, or ready. */
  #waiting = 0;
  /** Retry-After periods that have not ended. */
  #pauses = 0;
  #successes = 0;
  #halvings = 0;
  /** Grows with each failure that counts; tells the tries before it from those after. */
  #round = 0;
  #last: Pressure["last"];

  constructor(settings: PoolSettings, surroundings: PoolSurroundings) {
    this.#settings = {
      start: settings.widest,
      firstBackOffMs: FIRST_BACK_OFF_MS,
      longestBackOffMs: LONGEST_BACK_OFF_MS,
      ...settings,
    };
    this.#surroundings = surroundings;
    this.#width = Math.max(1, Math.min(this.#settings.start, settings.widest));
  }

  get pressure(): Pressure {
    return {
      width: this.#width,
      widest: this.#settings.widest,
      halvings: this.#halvings,
      ...(this.#last === undefined ? {} : { last: this.#last }),
    };
  }

  /**
   * Runs one task over many inputs. Several calls at once take turns, input by input.
   *
   * After the first error that lasts no further input is begun and none is tried again; those under way are waited for,
   * so that nothing still writes when the error is seen.
   *
   * @param giveUp - asked for a result when the pool's patience with an input is over; absent: its error is thrown
   * @returns results in input order
   * @throws whatever the task throws; pressure only when the pool's patience with the input is over
   */
  map<In, Out>(
    inputs: readonly In[],
    task: (input: In) => Promise<Out>,
    giveUp?: (input: In, error: VaultError) => Promise<Out>,
  ): Promise<Out[]> {
    const results = new Array<Out>(inputs.length);
    if (inputs.length === 0) return Promise.resolve(results);
    return new Promise((resolve, reject) => {
      this.#batches.push({
        inputs,
        task: task as Batch["task"],
        giveUp: giveUp as Batch["giveUp"],
        results,
        next: 0,
        open: inputs.length,
        running: 0,
        waiting: 0,
        failure: undefined,
        end: (failure) => (failure === undefined ? resolve(results) : reject(failure.error)),
      });
      this.#fill();
    });
  }

  /** Runs one task under the limit, with the same patience. */
  async run<Out>(task: () => Promise<Out>): Promise<Out> {
    const [result] = await this.map([task], (only) => only());
    return result as Out;
  }

  /** Begins as much as there is room for. */
  #fill(): void {
    while (this.#pauses === 0 && this.#running < this.#width) {
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
      // A batch that has failed gave up its waiting inputs then.
      if (begun.batch.failure !== undefined) continue;
      begun.batch.waiting -= 1;
      this.#waiting -= 1;
      return begun;
    }
  }

  #nextInput(): Begun | undefined {
    if (this.#running + this.#waiting >= this.#width) return undefined;
    for (;;) {
      const batch = this.#batches.shift();
      if (batch === undefined) return undefined;
      if (batch.failure !== undefined) continue;
      const index = batch.next++;
      if (batch.next < batch.inputs.length) this.#batches.push(batch);
      return { batch, index, failures: 0, firstFailureAt: 0 };
    }
  }

  async #try(begun: Begun): Promise<void> {
    const { batch, index } = begun;
    const round = this.#round;
    this.#running += 1;
    batch.running += 1;
    try {
      batch.results[index] = await batch.task(batch.inputs[index]);
      batch.open -= 1;
      this.#succeeded();
    } catch (error) {
      const backOffMs = isPressure(error) ? this.#pressed(error, round, begun) : undefined;
      if (batch.failure === undefined) {
        if (backOffMs === undefined) await this.#giveUp(begun, error);
        else this.#tryAgain(begun, backOffMs);
      }
    }
    this.#running -= 1;
    batch.running -= 1;
    if (batch.running === 0 && (batch.open === 0 || batch.failure !== undefined)) batch.end(batch.failure);
    this.#fill();
  }

  #succeeded(): void {
    this.#successes += 1;
    if (this.#successes < this.#width) return;
    this.#successes = 0;
    this.#width = Math.min(this.#settings.widest, this.#width + 1);
  }

  /**
   * Counts a failure under pressure.
   *
   * @param round - when the try began
   * @returns how long the input waits for its next try, ms; undefined when patience with it is over
   */
  #pressed(error: VaultError, round: number, begun: Begun): number | undefined {
    const now = this.#surroundings.clock();
    const { patienceMs, firstBackOffMs, longestBackOffMs } = this.#settings;
    if (round === this.#round) {
      this.#round += 1;
      this.#successes = 0;
      if (this.#width > 1) this.#halvings += 1;
      this.#width = Math.max(1, Math.floor(this.#width / 2));
      this.#last = { code: error.code, message: error.message, at: now.toISOString() };
    }
    const { retryAfterMs = 0 } = error;
    if (retryAfterMs > 0) this.#pause(retryAfterMs);

    if (begun.failures === 0) begun.firstFailureAt = now.getTime();
    const leftMs = begun.firstFailureAt + patienceMs - now.getTime();
    if (leftMs <= 0 || retryAfterMs > leftMs) return undefined;
    const longestMs = Math.min(longestBackOffMs, firstBackOffMs * 2 ** begun.failures);
    begun.failures += 1;
    return Math.max(retryAfterMs, Math.min(leftMs, Math.ceil(this.#surroundings.random() * longestMs)));
  }

  #pause(ms: number): void {
    this.#pauses += 1;
    void this.#surroundings.sleep(ms).then(() => {
      this.#pauses -= 1;
      this.#fill();
    });
  }

  #tryAgain(begun: Begun, backOffMs: number): void {
    begun.batch.waiting += 1;
    this.#waiting += 1;
    void this.#surroundings.sleep(backOffMs).then(() => {
      this.#ready.push(begun);
      this.#fill();
    });
  }

  async #giveUp({ batch, index }: Begun, error: unknown): Promise<void> {
    if (batch.giveUp === undefined || !isPressure(error)) return this.#fail(batch, error);
    try {
      batch.results[index] = await batch.giveUp(batch.inputs[index], error);
      batch.open -= 1;
    } catch (lasting) {
      this.#fail(batch, lasting);
    }
  }

  #fail(batch: Batch, error: unknown): void {
    batch.failure = { error };
    this.#waiting -= batch.waiting;
    batch.waiting = 0;
  }
}

/** Tells whether a failure is one that a pool tries again. */
export function isPressure(error: unknown): error is VaultError {
  return error instanceof VaultError && PRESSURE_CODES.has(error.code);
}

/** A queue whose two ends cost the same however long it is. */
class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head += 1;
    // What is taken is let go when it is half of the list, so that each item is moved about once.
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
