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
   * A piece starts and retries no copy after this time. The host ends functions after 10 minutes;
   * `src/azure/function-time.ts` explains why this is early enough.
   */
  readonly budgetMs: number;
  /** Time to find a place to split the rest of a piece, after its budget is over. */
  readonly splitMs: number;
  /** Maximum names that a piece lists; twice the planned size of a range. */
  readonly maxNames: number;
  /** Bytes of a slice. Between two slices of a page a piece checks its time and whether its job still runs. */
  readonly sliceBytes: number;
  readonly segmentSizes: SegmentSizes;
  /** A piece stops after this many segments, so that its result fits a table row of 1 MiB. */
  readonly maxSegments: number;
  /** Time between two progress rows of a piece. */
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
  /** Whether the host is about to stop this process: the next piece then takes the rest. */
  readonly isStopping: () => boolean;
  readonly settings: RangeSettings;
}
