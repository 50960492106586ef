import type { Clock } from "../foundation/clock.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { JobTotals } from "./contract.ts";
import type { WorkRecord } from "./work.ts";

/** Time between two notes of one part of a job. */
export const NOTE_EVERY_MS = 1_000;

/** Notes from time to time how far a part of a job is, for those who look at the job; nothing depends on it. */
export class ProgressNote {
  readonly #work: RecordTable<WorkRecord>;
  readonly #jobId: string;
  readonly #row: string;
  readonly #clock: Clock;
  readonly #everyMs: number;
  #notedAt: number;

  constructor(work: RecordTable<WorkRecord>, jobId: string, row: string, clock: Clock, everyMs = NOTE_EVERY_MS) {
    this.#work = work;
    this.#jobId = jobId;
    this.#row = row;
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#notedAt = clock().getTime();
  }

  /** Notes the totals when the last note is old enough. */
  async note(totals: JobTotals): Promise<void> {
    const now = this.#clock().getTime();
    if (now - this.#notedAt < this.#everyMs) return;
    this.#notedAt = now;
    await this.#work.put(this.#jobId, this.#row, { kind: "running", totals });
  }
}
