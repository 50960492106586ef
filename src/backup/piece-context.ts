import type { AdaptivePool } from "../foundation/adaptive-pool.ts";
import { deadline } from "../foundation/deadline.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import { addTotals, type JobTotals, NO_TOTALS } from "../jobs/job-totals.ts";
import { isStillWanted, type JobUnderWay } from "../jobs/job-under-way.ts";
import { ProgressNote } from "../jobs/progress-note.ts";
import { workRows } from "../jobs/work.ts";
import type { BackupVault } from "./backup-vault.ts";
import type { Datasource } from "./datasource.ts";
import type { RangeMessage } from "./messages.ts";
import type { RangeDeps } from "./range-settings.ts";

/** State that the steps of one piece share: its job and message, its totals, its time. */
export class PieceContext {
  readonly deps: RangeDeps;
  readonly job: JobUnderWay;
  readonly message: RangeMessage;
  readonly datasource: Datasource;
  readonly vault: BackupVault;
  readonly pool: AdaptivePool;
  readonly #isInTime: () => boolean;
  readonly #progress: ProgressNote;

  totals: JobTotals = NO_TOTALS;

  constructor(deps: RangeDeps, job: JobUnderWay, instance: BackupInstance, message: RangeMessage) {
    this.deps = deps;
    this.job = job;
    this.message = message;
    this.datasource = deps.datasource(instance);
    this.vault = deps.vault(instance);
    this.pool = deps.pool(instance.datasource.account);
    this.#isInTime = deadline(deps.clock, deps.settings.budgetMs);
    const row = workRows.running(message.container, message.range, message.piece);
    this.#progress = new ProgressNote(deps.work, job.id, row, deps.clock, deps.settings.noteEveryMs);
  }

  /** Records that the piece is running; an earlier attempt at it may have copied what no manifest will name. */
  async begin(): Promise<void> {
    if (!(await this.#progress.begin())) await this.noteRepeat();
  }

  /** Records that some of the piece's copies may be repeated, as another version. */
  async noteRepeat(): Promise<void> {
    const { container, range, piece } = this.message;
    await this.deps.work.insert(this.job.id, workRows.repeat(container, range, piece), { kind: "repeat", container });
  }

  /** Writes the progress of the piece, when it is due, including the running slice. */
  noteProgress(underWay: Partial<JobTotals>): void {
    if (!this.#progress.isDue) return;
    void this.#progress.note(addTotals(this.totals, { ...NO_TOTALS, ...underWay }), this.pool.pressure);
  }

  hasTime(): boolean {
    return !this.deps.isStopping() && this.#isInTime();
  }

  /** Checks the job between two steps. @returns whether the job still needs this piece */
  isWanted(): Promise<boolean> {
    void this.#progress.note(this.totals, this.pool.pressure);
    return isStillWanted(this.deps.jobs, this.message);
  }

  count(totals: Partial<JobTotals>): void {
    this.totals = addTotals(this.totals, { ...NO_TOTALS, ...totals });
  }
}
