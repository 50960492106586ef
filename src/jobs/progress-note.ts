import type { Clock } from "../foundation/clock.ts";
import { present } from "../foundation/present.ts";
import { type RecordTable, updateRecord } from "../foundation/records.ts";
import { type JobTotals, NO_TOTALS } from "./job-totals.ts";
import type { PressureRecord, WorkRecord } from "./work.ts";

type RunningRecord = Extract<WorkRecord, { kind: "running" }>;

/** Min time between two notes of one part of a job. */
export const NOTE_EVERY_MS = 1_000;

/** Names that a part of a job has finished; those in `listed` may only have been read. */
export function settledNames({ copied, unchanged, warned }: JobTotals): number {
  return copied + unchanged + warned;
}

/**
 * Writes periodically how far a part of a job is, for display.
 *
 * The row exists while the part is worked on: once the part or the job has ended, the row is not created again. A note
 * that cannot be written is skipped, and nothing waits for one.
 */
export class ProgressNote {
  readonly #work: RecordTable<WorkRecord>;
  readonly #jobId: string;
  readonly #row: string;
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #since: Date;
  #begun = false;
  #isNoting = false;
  #noted: { readonly totals: JobTotals; readonly at: Date };

  /** @param row - `workRows.running` of the part */
  constructor(work: RecordTable<WorkRecord>, jobId: string, row: string, clock: Clock, everyMs = NOTE_EVERY_MS) {
    this.#work = work;
    this.#jobId = jobId;
    this.#row = row;
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#since = clock();
    this.#noted = { totals: NO_TOTALS, at: this.#since };
  }

  /** Records that the part has started. @returns false when an earlier attempt started it and did not end it */
  async begin(): Promise<boolean> {
    this.#begun = true;
    return this.#work.insert(this.#jobId, this.#row, this.#running(NO_TOTALS, this.#since));
  }

  /** The same when it does not matter which attempt was first. @returns like {@link note} */
  async announce(): Promise<void> {
    await this.begin().catch(() => undefined);
  }

  /** Whether the last note is old enough for another. */
  get isDue(): boolean {
    return !this.#isNoting && this.#clock().getTime() - this.#noted.at.getTime() >= this.#everyMs;
  }

  /**
   * Writes the totals when a note is due.
   *
   * @returns when the note is written or has failed, which is for tests; never rejects
   */
  async note(totals: JobTotals, pressure?: PressureRecord): Promise<void> {
    if (!this.isDue) return;
    const now = this.#clock();
    const running = this.#running(totals, now, pressure);
    this.#noted = { totals, at: now };
    this.#isNoting = true;
    try {
      if (!this.#begun) await this.begin();
      await updateRecord(this.#work, this.#jobId, this.#row, (before) => notLess(running, before));
    } catch {
      // The next note will have newer totals.
    } finally {
      this.#isNoting = false;
    }
  }

  /** Deletes the note, like {@link endNote}. */
  async end(): Promise<void> {
    await endNote(this.#work, this.#jobId, this.#row);
  }

  #running(totals: JobTotals, now: Date, pressure?: PressureRecord): RunningRecord {
    const { totals: before, at } = this.#noted;
    const seconds = (now.getTime() - at.getTime()) / 1_000;
    const perSecond = (count: number): number => (seconds > 0 ? Math.max(0, count) / seconds : 0);
    return {
      kind: "running",
      totals,
      since: this.#since.toISOString(),
      notedAt: now.toISOString(),
      objectsPerSecond: perSecond(settledNames(totals) - settledNames(before)),
      bytesPerSecond: perSecond(totals.copiedBytes - before.copiedBytes),
      ...present({ pressure }),
    };
  }
}

/**
 * Keeps totals from decreasing: objects that a crashed attempt copied are still in the vault, and the next attempt,
 * which counts from zero, finds them there. The result of the part, which replaces the note, has the exact totals.
 */
function notLess(running: RunningRecord, before: WorkRecord): RunningRecord {
  if (before.kind !== "running") return running;
  const shown = before.totals;
  const totals = Object.entries(running.totals).map(([what, count]) => [
    what,
    Math.max(count, shown[what as keyof JobTotals]),
  ]);
  return { ...running, totals: Object.fromEntries(totals) as JobTotals };
}

/**
 * Deletes the note of a part after its result is written. If that fails, it is deleted with the job's rows; until then
 * a part with a result does not count as running. Safe to run twice.
 *
 * @param row - `workRows.running` of the part
 */
export async function endNote(work: RecordTable<WorkRecord>, jobId: string, row: string): Promise<void> {
  try {
    await work.remove(jobId, row);
  } catch {
    // Notes are for display only.
  }
}
