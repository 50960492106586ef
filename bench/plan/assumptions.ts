/**
 * @module All assumptions of the simulation, each with its source. Values that could not be looked up or measured are
 *   marked. Times are in seconds, sizes in bytes, prices in US dollars.
 */
import host from "../../host.json" with { type: "json" };
import { parseTimeSpan } from "../../local/host/index.ts";
import { PLAN_SETTINGS } from "../../src/backup/cut-container.ts";
import { RANGE_SETTINGS } from "../../src/backup/range-settings.ts";
import { GROUP_RANGES } from "../../src/backup/range-tallies.ts";
import { SEGMENT_ENTRIES } from "../../src/vault/segment.ts";
import { LogNormal } from "./random.ts";

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GBPS = 1e9 / 8;

/**
 * Limits of one storage account.
 *
 * @see https://learn.microsoft.com/azure/storage/common/scalability-targets-standard-account
 */
export interface AccountLimits {
  readonly requestsPerSecond: number;
  readonly ingressBytesPerSecond: number;
  readonly egressBytesPerSecond: number;
}

/** Limits in every region. */
export const SMALLER_ACCOUNT: AccountLimits = {
  requestsPerSecond: 20_000,
  ingressBytesPerSecond: 25 * GBPS,
  egressBytesPerSecond: 50 * GBPS,
};

/** Limits in the larger regions. */
export const LARGER_ACCOUNT: AccountLimits = {
  requestsPerSecond: 40_000,
  ingressBytesPerSecond: 60 * GBPS,
  egressBytesPerSecond: 120 * GBPS,
};

/** Time of the client's own work on one core, measured by `bench/plan/measure-client.ts`. */
export interface ClientCosts {
  /** Receiving and parsing one listed name. */
  readonly listedName: number;
  readonly listedNameBytes: number;
  /** One call that copies a blob: building, signing, sending, reading the answer. */
  readonly copyCall: number;
  /** Comparing one name that has not changed, with its share of reading the segment before. */
  readonly unchangedEntry: number;
  /** Comparing and rewriting one entry. */
  readonly changedEntry: number;
  /** Parsing and checking one segment's line in an index. */
  readonly indexLine: number;
}

/**
 * How a page of a listing is requested and read: by our own reader, which needs a sixth of what `@azure/storage-blob`
 * 12.34 does (270 µs on the machine that the other constants are of), or by that SDK in Apache Arrow.
 */
export const LISTING_FORMATS = {
  xml: { listedName: 45e-6, listedNameBytes: 715 },
  arrow: { listedName: 22e-6, listedNameBytes: 200 },
} as const;

/** Settings of the engine. */
export interface Engine {
  readonly pageNames: number;
  readonly segmentEntries: number;
  readonly rangeNames: number;
  readonly maxRanges: number;
  readonly maxFirstRanges: number;
  readonly pieceSeconds: number;
  readonly pieceNames: number;
  /** Planned ranges of a container whose tallies are counted together. */
  readonly groupRanges: number;
  /** Concurrent copies in one process. */
  readonly poolWidth: number;
  /** Messages that an instance fetches at once. */
  readonly batchSize: number;
  /** It fetches again when this many or fewer are being processed. */
  readonly newBatchThreshold: number;
  /** Planned ranges of a container that are on the queue at once; each is followed by another when it is done. */
  readonly maxLanes: number;
  /** While so many ranges of a container are not done, no rest is split; infinite: each rest is. */
  readonly maxOpenRanges: number;
  /** While so many messages are on the queue of ranges, no rest is split. */
  readonly maxQueued: number;
  /** Maximum poll interval of an empty queue. */
  readonly maxPollingSeconds: number;
  readonly noteSeconds: number;
  /** Rows or messages written at once by one execution. */
  readonly rowWidth: number;
  /** Rows deleted by one call when a job ends. */
  readonly rowsPerRemoval: number;
}

export interface Assumptions {
  readonly account: AccountLimits;
  readonly engine: Engine;
  readonly client: ClientCosts;
  readonly blobBytes: LogNormal;
  readonly containers: number;
  /** Share of the blobs that are new or changed at a second backup, and share of the segments that hold them. */
  readonly changedBlobs: number;
  readonly changedSegments: number;
  readonly latency: {
    /** One page of 5,000 names. */
    readonly listPage: LogNormal;
    /** One page of one name. */
    readonly probe: LogNormal;
    /** One copy, without the time that its bytes take. */
    readonly copy: LogNormal;
    /** How fast the service copies one blob. */
    readonly copyBytesPerSecond: number;
    /** One segment or index read or written. */
    readonly segment: LogNormal;
    readonly tableRow: LogNormal;
    readonly queueCall: LogNormal;
    /** From one step of an orchestration to the next. */
    readonly durableStep: number;
  };
  /** What one partition of a table, and one queue, bears a second. */
  readonly partitionPerSecond: number;
  readonly queuePerSecond: number;
  /** Rows that one query reads for the price of one row by itself. */
  readonly scannedRowsPerUnit: number;
  /** A new instance is there after this, and so many come at once, one wave after another. */
  readonly coldStartSeconds: number;
  readonly instancesPerWave: number;
  readonly waveSeconds: number;
  readonly instanceGigabytes: number;
  readonly indexLineBytes: number;
}

/** The defaults of `src/` and `host.json`; values without an export are repeated here. */
export const ENGINE: Engine = {
  pageNames: 5_000,
  segmentEntries: SEGMENT_ENTRIES,
  rangeNames: PLAN_SETTINGS.rangeNames,
  maxRanges: PLAN_SETTINGS.maxRanges,
  maxFirstRanges: PLAN_SETTINGS.maxFirstRanges,
  pieceSeconds: RANGE_SETTINGS.budgetMs / 1_000,
  pieceNames: RANGE_SETTINGS.maxNames,
  groupRanges: GROUP_RANGES,
  poolWidth: 64,
  batchSize: host.extensions.queues.batchSize,
  newBatchThreshold: host.extensions.queues.newBatchThreshold,
  maxLanes: 256,
  maxOpenRanges: GROUP_RANGES,
  maxQueued: Number.POSITIVE_INFINITY,
  maxPollingSeconds: (parseTimeSpan(host.extensions.queues.maxPollingInterval) ?? 60_000) / 1_000,
  noteSeconds: RANGE_SETTINGS.noteEveryMs / 1_000,
  rowWidth: 16,
  rowsPerRemoval: 1,
};

export const ASSUMPTIONS: Assumptions = {
  account: SMALLER_ACCOUNT,
  engine: ENGINE,
  client: {
    ...LISTING_FORMATS.xml,
    copyCall: 340e-6,
    unchangedEntry: 1 / 400_000,
    changedEntry: 1 / 150_000,
    indexLine: 3.1e-6,
  },
  blobBytes: LogNormal.ofMedianAndMean(16 * KIB, 128 * KIB),
  containers: 100,
  changedBlobs: 0.01,
  changedSegments: 0.1,
  latency: {
    listPage: LogNormal.ofMedianAndP99(0.2, 0.6),
    probe: LogNormal.ofMedianAndP99(0.02, 0.1),
    copy: LogNormal.ofMedianAndP99(0.02, 0.1),
    copyBytesPerSecond: 80 * MIB,
    segment: LogNormal.ofMedianAndP99(0.03, 0.15),
    tableRow: LogNormal.ofMedianAndP99(0.008, 0.05),
    queueCall: LogNormal.ofMedianAndP99(0.008, 0.05),
    durableStep: 1,
  },
  partitionPerSecond: 2_000,
  queuePerSecond: 2_000,
  scannedRowsPerUnit: 100,
  coldStartSeconds: 5,
  instancesPerWave: 4,
  waveSeconds: 5,
  instanceGigabytes: 2,
  indexLineBytes: 307,
};

/**
 * Prices of 10,000 operations, and of the app's own time. Operations: the sample prices of Microsoft's cost guides for
 * locally redundant accounts (blob endpoint, 2024), close to East US list prices; check yours. Queue and table
 * operations and functions: East US list prices as remembered in 2026, to be checked.
 *
 * @see https://learn.microsoft.com/azure/storage/blobs/azcopy-cost-estimation#sample-prices
 * @see https://azure.microsoft.com/pricing/details/functions/
 */
export const PRICES = {
  hotRead: 0.0044,
  hotList: 0.055,
  coolWrite: 0.1,
  coolRead: 0.01,
  tableOperation: 0.00036,
  queueOperation: 0.004,
  functionGigabyteSecond: 0.000026,
  functionMillionExecutions: 0.4,
} as const;
