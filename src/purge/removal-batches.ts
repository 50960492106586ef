import { mapBounded } from "../foundation/bounded-pool.ts";
import { present } from "../foundation/present.ts";
import { MAX_REMOVALS, type Removal } from "../vault/vault-files.ts";
import type { PurgePosition } from "./activities.ts";
import type { PurgeStep } from "./walk-purge.ts";

export interface PurgeCounts {
  readonly objects: number;
  readonly objectBytes: number;
  readonly segments: number;
  readonly segmentsRead: number;
  /** Requests that removed files. */
  readonly deleteRequests: number;
  /** Objects and whole segments of which it is unknown whether they are needed, because a manifest is damaged. They stay. */
  readonly undecided: number;
  /** Files that were written again since the purge began. They stay, and are not counted above; what nothing needs of them is debris. */
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

/** Adds up what several executions came to. */
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

/** Requests in flight; each takes the service tenths of a second. */
const REMOVING_WIDTH = 8;

/** Files that wait to be removed. */
const MAX_PENDING_REMOVALS = REMOVING_WIDTH * MAX_REMOVALS;

type FileStep = Extract<PurgeStep, { step: "file" }>;

/** Follows the walk of a purge, and removes its files in full requests. */
export class RemovalBatches {
  readonly #remove: (files: readonly Removal[]) => Promise<readonly string[]>;
  readonly #writtenUntil: Date;
  #pending: FileStep[] = [];
  #counts = NO_PURGE_COUNTS;

  /**
   * @param remove - removes at most {@link MAX_REMOVALS} files and returns the paths that were changed meanwhile; a dry run
   *   removes nothing
   * @param writtenUntil - a file that only a manifest names goes when it was written up to then
   */
  constructor(remove: (files: readonly Removal[]) => Promise<readonly string[]>, writtenUntil: Date) {
    this.#remove = remove;
    this.#writtenUntil = writtenUntil;
  }

  get counts(): PurgeCounts {
    return this.#counts;
  }

  /** @returns where the next walk begins, when the time is over before the walk has ended */
  async follow(
    walk: AsyncIterable<PurgeStep>,
    hasTime: () => boolean,
  ): Promise<{ readonly from: PurgePosition | undefined } | undefined> {
    for await (const step of walk) {
      if (step.step === "file") {
        this.#pending.push(step);
        if (this.#pending.length === MAX_PENDING_REMOVALS) await this.#flush();
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

/** What a purge would come to, as {@link PurgeCounts} counts it, and whether there was time to count everything. */
export interface PurgePreview extends PurgeCounts {
  readonly isComplete: boolean;
}

/** Follows the same walk as the purge, and removes nothing. */
export async function previewPurge(walk: AsyncIterable<PurgeStep>, hasTime: () => boolean): Promise<PurgePreview> {
  const removals = new RemovalBatches(async () => [], new Date(0));
  const stopped = await removals.follow(walk, hasTime);
  return { ...removals.counts, isComplete: stopped === undefined };
}
