import { mapBounded } from "../foundation/bounded-pool.ts";
import { present } from "../foundation/present.ts";
import { MAX_REMOVALS, type Removal } from "../vault/vault-files.ts";
import type { PurgePosition } from "./activities.ts";
import { FILES_PER_PAUSE, type PurgeStep } from "./walk-purge.ts";

export interface PurgeCounts {
  readonly objects: number;
  readonly objectBytes: number;
  readonly segments: number;
  readonly segmentsRead: number;
  /** Delete requests. */
  readonly deleteRequests: number;
  /** Objects and whole segments that may be needed: a damaged manifest hides it. They are kept. */
  readonly undecided: number;
  /**
   * Files written again since the purge began. They are kept and not counted above; those that nothing needs are
   * debris.
   */
  readonly changed: number;
}

export const NO_PURGE_COUNTS: PurgeCounts = {
  objects: 0,
  objectBytes: 0,
  segments: 0,
  segmentsRead: 0,
  deleteRequests: 0,
  undecided: 0,
  changed: 0,
};

/** Adds up the counts of several executions. */
export function addCounts(a: PurgeCounts, b: PurgeCounts): PurgeCounts {
  return {
    objects: a.objects + b.objects,
    objectBytes: a.objectBytes + b.objectBytes,
    segments: a.segments + b.segments,
    segmentsRead: a.segmentsRead + b.segmentsRead,
    deleteRequests: a.deleteRequests + b.deleteRequests,
    undecided: a.undecided + b.undecided,
    changed: a.changed + b.changed,
  };
}

/** Concurrent requests; each takes the service tenths of a second. */
const REMOVING_WIDTH = FILES_PER_PAUSE / MAX_REMOVALS;

type FileStep = Extract<PurgeStep, { step: "file" }>;

/** Follows the walk of a purge, and deletes its files in full batches. */
export class RemovalBatches {
  readonly #remove: (files: readonly Removal[]) => Promise<readonly string[]>;
  readonly #writtenUntil: Date;
  #pending: FileStep[] = [];
  #counts = NO_PURGE_COUNTS;

  /**
   * @param remove - deletes at most {@link MAX_REMOVALS} files and returns the paths that were changed meanwhile; a dry
   *   run deletes nothing
   * @param writtenUntil - a file that only a manifest names is deleted if it was written up to then
   */
  constructor(remove: (files: readonly Removal[]) => Promise<readonly string[]>, writtenUntil: Date) {
    this.#remove = remove;
    this.#writtenUntil = writtenUntil;
  }

  get counts(): PurgeCounts {
    return this.#counts;
  }

  /** @returns where the next walk begins, if the time ends before the walk does */
  async follow(
    walk: AsyncIterable<PurgeStep>,
    hasTime: () => boolean,
  ): Promise<{ readonly from: PurgePosition | undefined } | undefined> {
    for await (const step of walk) {
      if (step.step === "file") {
        this.#pending.push(step);
        if (this.#pending.length === FILES_PER_PAUSE) await this.#flush();
      } else if (step.step === "barrier") await this.#flush();
      else if (step.step === "count") this.#count(step);
      else if (!hasTime()) {
        await this.#flush();
        return { from: step.from };
      }
    }
    await this.#flush();
    return undefined;
  }

  async #flush(): Promise<void> {
    const requests: FileStep[][] = [];
    const pending = this.#pending;
    this.#pending = [];
    for (let from = 0; from < pending.length; from += MAX_REMOVALS)
      requests.push(pending.slice(from, from + MAX_REMOVALS));
    await mapBounded(requests, REMOVING_WIDTH, async (files) => {
      const changed = new Set(await this.#remove(files.map((file) => this.#removal(file))));
      this.#count({ deleteRequests: 1 });
      for (const { path, kind, size } of files) {
        if (changed.has(path)) this.#count({ changed: 1 });
        else if (kind === "object") this.#count({ objects: 1, objectBytes: size });
        else if (kind === "segment") this.#count({ segments: 1 });
      }
    });
  }

  #removal({ path, etag }: FileStep): Removal {
    return etag === undefined ? { path, writtenUntil: this.#writtenUntil } : { path, etag };
  }

  #count({
    objects,
    objectBytes,
    segments,
    segmentsRead,
    deleteRequests,
    undecided,
    changed,
  }: Partial<PurgeCounts>): void {
    const counted = present({ objects, objectBytes, segments, segmentsRead, deleteRequests, undecided, changed });
    this.#counts = addCounts(this.#counts, { ...NO_PURGE_COUNTS, ...counted });
  }
}

/** What a purge would delete, and whether there was time to count everything. */
export interface PurgePreview extends PurgeCounts {
  readonly isComplete: boolean;
}

/** Follows the same walk as the purge, and deletes nothing. */
export async function previewPurge(walk: AsyncIterable<PurgeStep>, hasTime: () => boolean): Promise<PurgePreview> {
  const removals = new RemovalBatches(async () => [], new Date(0));
  const stopped = await removals.follow(walk, hasTime);
  return { ...removals.counts, isComplete: stopped === undefined };
}
