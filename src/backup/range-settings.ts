import type { AdaptivePool } from "../foundation/adaptive-pool.ts";
import type { Clock } from "../foundation/clock.ts";
import type { RecordTable } from "../foundation/records.ts";
import type { BackupInstance } from "../instances/backup-instance.ts";
import type { Job } from "../jobs/job.ts";
import { NOTE_EVERY_MS } from "../jobs/progress-note.ts";
import type { WorkRecord } from "../jobs/work.ts";
import type { ManifestCache } from "../vault/manifest-cache.ts";
import type { BackupVault } from "./backup-vault.ts";
import type { Datasource } from "./datasource.ts";
import { SEGMENT_SIZES, type SegmentSizes } from "./manifest-writer.ts";

export interface RangeSettings {
  /**
   * A piece begins no copy after this, and none a second time. Why that is soon enough for the host, which ends functions
   * after 10 minutes, is said in `src/azure/function-time.ts`.
   */
  readonly budgetMs: number;
  /** How long a piece whose budget is over looks for a place to split its rest. */
  readonly splitMs: number;
  /** Names that a piece lists at most; twice what a range is planned to have. */
  readonly maxNames: number;
  /** Between two slices of a page a piece looks at its time and whether it is still wanted: bytes of a slice. */
  readonly sliceBytes: number;
  readonly segmentSizes: SegmentSizes;
  /** A piece stops after this many segments, so that its result fits a table row of 1 MiB. */
  readonly maxSegments: number;
  /** Time between two notes of how far a piece is. */
  readonly noteEveryMs: number;
}

export const RANGE_SETTINGS: RangeSettings = {
  budgetMs: 4 * 60_000,
  splitMs: 15_000,
  maxNames: 100_000,
  sliceBytes: 4 * 2 ** 30,
  segmentSizes: SEGMENT_SIZES,
  maxSegments: 20,
  noteEveryMs: NOTE_EVERY_MS,
};

export interface RangeDeps {
  readonly jobs: RecordTable<Job>;
  readonly instances: RecordTable<BackupInstance>;
  readonly work: RecordTable<WorkRecord>;
  readonly datasource: (instance: BackupInstance) => Datasource;
  readonly vault: (instance: BackupInstance) => BackupVault;
  /** Shared by all pieces in this process that copy from the same account. */
  readonly pool: (account: string) => AdaptivePool;
  readonly manifests: ManifestCache;
  readonly clock: Clock;
  /** Whether the host is about to end this process: what is left of a piece goes to the next one then. */
  readonly isStopping: () => boolean;
  readonly settings: RangeSettings;
}
