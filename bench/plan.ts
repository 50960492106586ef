/**
 * @module Simulates backups of up to ten billion blobs: how long they take, what they wait for, and what they cost.
 *   `npm run bench:plan`; the assumptions are printed with the result, and the last line is JSON.
 */
import {
  ASSUMPTIONS,
  type Assumptions,
  ENGINE,
  type Engine,
  LARGER_ACCOUNT,
  LISTING_FORMATS,
  PRICES,
} from "./plan/assumptions.ts";
import { contendForAccount } from "./plan/contend-for-account.ts";
import { type Cost, costOf } from "./plan/cost-of.ts";
import { LogNormal } from "./plan/random.ts";
import { type Outcome, type Scenario, simulateBackup } from "./plan/simulate-backup.ts";
import { formatTable } from "./table.ts";

type Kind = Scenario["kind"];
type Run = Outcome & { readonly cost: Cost };

const KINDS: readonly Kind[] = ["first", "second"];
const SIZES = [
  { blobs: 1e6, key: "1m", title: "1 million" },
  { blobs: 1e8, key: "100m", title: "100 million" },
  { blobs: 1e9, key: "1b", title: "1 billion" },
  { blobs: 1e10, key: "10b", title: "10 billion" },
] as const;
const WORKERS = [1, 4, 16, 64, 100] as const;

/**
 * The default maximum of instances of a Flex Consumption app; it may be set to 1,000.
 *
 * @see https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan#considerations
 */
const DEFAULT_WORKERS = 100;

/**
 * From here on two pages are simulated at once, to keep the bench short: times and costs stay the same, pieces and the
 * queue of a first backup are about a quarter lower.
 */
const COARSE_FROM = 5e9;
const SEED = 20_260_301;

/** Objects per second of a first backup, as published. */
const PUBLISHED = { clumio: 20_833, aws: 13_889 } as const;

/** Timeout of one activity in `host.json`, seconds. */
const FUNCTION_TIMEOUT_SECONDS = 600;

const oneDecimal = (value: number): number => Math.round(value * 10) / 10;
const whole = (value: number): string => Math.round(value).toLocaleString("en-US");
const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
const dollars = (value: number): string => (value < 100 ? value.toFixed(2) : whole(value));

function duration(seconds: number): string {
  if (seconds < 7_200) return `${(seconds / 60).toFixed(1)} min`;
  return seconds < 259_200 ? `${(seconds / 3_600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} d`;
}

function print(title: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
  console.log(`\n${title}\n\n${formatTable({ head, rows })}`);
}

function simulate(kind: Kind, blobs: number, workers: number, poolShare: number, assumptions: Assumptions): Run {
  const pagesAtOnce = blobs >= COARSE_FROM ? 2 : 1;
  const outcome = simulateBackup({ kind, blobs, workers, poolShare, assumptions, pagesAtOnce, seed: SEED });
  return { ...outcome, cost: costOf(outcome) };
}

function printAssumptions(a: Assumptions): void {
  const { account, engine, client, latency, blobBytes } = a;
  const gbps = (bytes: number): string => `${(bytes * 8) / 1e9} Gbps`;
  const ms = (seconds: number): string => `${oneDecimal(seconds * 1_000)} ms`;
  const us = (seconds: number): string => `${oneDecimal(seconds * 1e6)} µs`;
  const lines = [
    `Account (source and vault alike): ${whole(account.requestsPerSecond)} requests/s, ${gbps(account.ingressBytesPerSecond)} in, ${gbps(account.egressBytesPerSecond)} out.`,
    `Partition of a table, and queue: ${whole(a.partitionPerSecond)} operations/s each (published targets). All of a job's rows are one partition.`,
    `Latency, median and 99th percentile, log-normal, assumed: page of 5,000 names ${ms(latency.listPage.median)} / ${ms(latency.listPage.quantile(0.99))}; copy ${ms(latency.copy.median)} / ${ms(latency.copy.quantile(0.99))} and its bytes at ${latency.copyBytesPerSecond / 2 ** 20} MiB/s; segment ${ms(latency.segment.median)} / ${ms(latency.segment.quantile(0.99))}; table row or queue call ${ms(latency.tableRow.median)} / ${ms(latency.tableRow.quantile(0.99))}; one step of an orchestration ${latency.durableStep} s.`,
    `One core an instance of ${a.instanceGigabytes} GB. Its work, measured once by bench/plan/measure-client.ts: a listed name ${us(client.listedName)} (XML; ${us(LISTING_FORMATS.arrow.listedName)} in Apache Arrow pages), a copy call ${us(client.copyCall)}, a line of an index ${us(client.indexLine)}. The aims of bench:scale: an unchanged entry ${us(client.unchangedEntry)}, a changed one ${us(client.changedEntry)}.`,
    `Blobs: median ${blobBytes.median / 1_024} KiB, mean ${whole(blobBytes.mean / 1_024)} KiB, log-normal, assumed; ten billion of 1 MiB would not fit into an account of 5 PiB. ${a.containers} containers, sizes by rank (the largest has a fifth). Second backup: ${percent(a.changedBlobs)} changed, in ${percent(a.changedSegments)} of the segments.`,
    `Engine: ranges of ${whole(engine.rangeNames)} names, at most ${whole(engine.maxRanges)} a container, ${engine.maxFirstRanges} at a first backup; pieces of ${engine.pieceSeconds / 60} minutes or ${whole(engine.pieceNames)} names; pool of ${engine.poolWidth}; batchSize ${engine.batchSize}, newBatchThreshold ${engine.newBatchThreshold}; ${engine.maxLanes} lanes a container, so that at most ${whole(engine.maxLanes * a.containers)} planned ranges are on the queue; parts split off come on top${Number.isFinite(engine.maxOpenRanges) ? ` while fewer than ${engine.maxOpenRanges} ranges of the container are open` : ""}.`,
    `Instances: ${a.instancesPerWave} more every ${a.waveSeconds} s, ${a.coldStartSeconds} s cold start (assumed). Flex Consumption: at most 100 unless set, up to 1,000; 250 cores a region and subscription (documented).`,
    `Prices, US dollars for 10,000: Hot read ${PRICES.hotRead}, list ${PRICES.hotList}; Cool write ${PRICES.coolWrite}, read ${PRICES.coolRead} (Microsoft's sample prices of 2024); table ${PRICES.tableOperation}, queue ${PRICES.queueOperation}; functions ${PRICES.functionGigabyteSecond} a GB-s. To be checked for your region. Refused calls are not paid for; storage by the month is not in it.`,
    "Left out: blobs over 256 MiB take a few more calls each; failures other than throttling; what others do on the accounts; how blob partitions split. At 10 billion two pages go by at once, so pieces and the queue of a first backup come out about a quarter too low.",
  ];
  console.log(`Assumptions\n\n${lines.map((line) => `- ${line}`).join("\n")}`);
}

/** Share of an account's limit that the pools of all instances reach, by number of instances. */
async function contention(): Promise<Map<number, number>> {
  const { listedName, changedEntry, copyCall } = ASSUMPTIONS.client;
  const shares = new Map<number, number>();
  const rows: string[][] = [];
  let perInstance = 0;
  for (const workers of WORKERS) {
    const result = await contendForAccount({
      workers,
      assumptions: ASSUMPTIONS,
      cpuPerCopy: listedName + changedEntry + copyCall,
      warmUpSeconds: 5,
      seconds: 5,
      seed: SEED,
    });
    shares.set(workers, result.limitShare);
    perInstance = Math.max(perInstance, result.copiesPerSecond / workers);
    rows.push([String(workers), whole(result.copiesPerSecond), percent(result.refused), whole(result.underWay)]);
  }
  print(
    "Copies a second that the adaptive pools of all instances get through one account (each copy simulated)",
    ["instances", "copies/s", "refused", "in flight"],
    rows,
  );
  const full = Math.ceil(ASSUMPTIONS.account.requestsPerSecond / perInstance);
  console.log(`\n${full} instances fill the account with copies of new blobs; more only wait and cost.`);
  return shares;
}

const CHANGES: readonly { readonly title: string; readonly change: Partial<Assumptions> }[] = [
  { title: "as it is", change: {} },
  { title: "listing in Apache Arrow pages", change: { client: { ...ASSUMPTIONS.client, ...LISTING_FORMATS.arrow } } },
  { title: "account of 40,000 requests/s, 60 Gbps", change: { account: LARGER_ACCOUNT } },
  {
    title: "blobs of 1 MiB (median 100 KiB)",
    change: { blobBytes: LogNormal.ofMedianAndMean(100 * 2 ** 10, 2 ** 20) },
  },
  { title: "pool of 16", change: engineWith({ poolWidth: 16 }) },
  { title: "ranges of 200,000 names", change: engineWith({ rangeNames: 200_000 }) },
  { title: "batchSize 1, newBatchThreshold 5", change: engineWith({ batchSize: 1, newBatchThreshold: 5 }) },
  {
    title: "every rest is split, however many ranges are open",
    change: engineWith({ maxOpenRanges: Number.POSITIVE_INFINITY }),
  },
  {
    title: "no rest is split while 1,000 are queued",
    change: engineWith({ maxQueued: 1_000 }),
  },
  { title: "rows removed 100 a call", change: engineWith({ rowsPerRemoval: 100 }) },
];

function engineWith(change: Partial<Engine>): Partial<Assumptions> {
  return { engine: { ...ENGINE, ...change } };
}

/** Effect of one change of settings or environment on a backup of a billion blobs. */
function printChanges(poolShare: number): void {
  const rows = CHANGES.map(({ title, change }) => {
    const [first, second] = KINDS.map((kind) =>
      simulate(kind, 1e9, DEFAULT_WORKERS, poolShare, { ...ASSUMPTIONS, ...change }),
    );
    if (first === undefined || second === undefined) throw new Error("there are two kinds");
    return [
      title,
      duration(first.seconds),
      first.bottleneck,
      duration(second.seconds),
      second.bottleneck,
      whole(Math.max(first.deepestQueue, second.deepestQueue)),
      whole(first.pieces),
      duration(first.phases.ended - first.phases.sealed),
    ];
  });
  print(
    `If it were otherwise: 1 billion blobs, ${DEFAULT_WORKERS} instances`,
    ["", "first", "waits for", "second", "waits for", "deepest queue", "first: pieces", "first: ending"],
    rows,
  );
}

const startedAt = performance.now();
printAssumptions(ASSUMPTIONS);
const shares = await contention();
const shareOf = (workers: number): number => shares.get(workers) ?? 1;

const runs = new Map<string, Run>();
for (const kind of KINDS) {
  for (const { blobs } of SIZES) {
    for (const workers of WORKERS) {
      runs.set(`${kind} ${blobs} ${workers}`, simulate(kind, blobs, workers, shareOf(workers), ASSUMPTIONS));
    }
  }
}
function runOf(kind: Kind, blobs: number, workers: number = DEFAULT_WORKERS): Run {
  const run = runs.get(`${kind} ${blobs} ${workers}`);
  if (run === undefined) throw new Error(`no run of ${kind} ${blobs} ${workers}`);
  return run;
}
const everyRow = <Cell>(cell: (kind: Kind, blobs: number) => readonly Cell[]): (string | Cell)[][] =>
  KINDS.flatMap((kind) => SIZES.map(({ blobs, title }) => [`${kind}, ${title}`, ...cell(kind, blobs)]));

const byWorkers = ["backup, blobs", ...WORKERS.map((workers) => `${workers} instance${workers === 1 ? "" : "s"}`)];
print(
  "Time from the start of the job to its end",
  byWorkers,
  everyRow((kind, blobs) => WORKERS.map((workers) => duration(runOf(kind, blobs, workers).seconds))),
);
print(
  "What it waits for",
  byWorkers,
  everyRow((kind, blobs) => WORKERS.map((workers) => runOf(kind, blobs, workers).bottleneck)),
);
print(
  `What it costs, US dollars, ${DEFAULT_WORKERS} instances`,
  ["backup, blobs", "listing", "copying", "manifests", "tables, queues", "functions", "in all", "16 instances"],
  everyRow((kind, blobs) => {
    const { listing, copying, manifests, state, functions, total } = runOf(kind, blobs).cost;
    return [listing, copying, manifests, state, functions, total, runOf(kind, blobs, 16).cost.total].map(dollars);
  }),
);
print(
  `What grows and what does not, ${DEFAULT_WORKERS} instances`,
  [
    "backup, blobs",
    "history events",
    "deepest queue",
    "queue at 5, 15, .. 95 % of the time",
    "pieces",
    "rows",
    "ending",
  ],
  everyRow((kind, blobs) => {
    const { historyEvents, deepestQueue, queueDepths, pieces, workRows, phases } = runOf(kind, blobs);
    const depths = queueDepths.map(whole).join(" ");
    const ending = duration(phases.ended - phases.sealed);
    return [whole(historyEvents), whole(deepestQueue), depths, whole(pieces), whole(workRows), ending];
  }),
);
printChanges(shareOf(DEFAULT_WORKERS));

const objectsPerSecond = (workers: number): number => 1e8 / runOf("first", 1e8, workers).seconds;
const bestPerSecond = objectsPerSecond(DEFAULT_WORKERS);
print(
  "First backup of 100 million blobs beside published figures, objects a second",
  ["", "objects/s"],
  [
    ...WORKERS.map((workers) => [`Lakevault, simulated, ${workers}`, whole(objectsPerSecond(workers))]),
    ["Clumio, published", whole(PUBLISHED.clumio)],
    ["AWS Backup for S3, published", whole(PUBLISHED.aws)],
  ],
);

const deepest = (blobs: number): number => Math.max(...KINDS.map((kind) => runOf(kind, blobs).deepestQueue));
const ending = (blobs: number): number =>
  Math.max(...KINDS.map((kind) => runOf(kind, blobs).phases.ended - runOf(kind, blobs).phases.sealed));
if (ending(1e10) > FUNCTION_TIMEOUT_SECONDS) {
  console.log(
    `\nThe end of a job of 10 billion blobs takes ${duration(ending(1e10))}: longer than one execution may, so it goes on in others.`,
  );
}
console.log(`\n${((performance.now() - startedAt) / 1_000).toFixed(0)} s\n`);
const perSize = (key: string, of: (kind: Kind, blobs: number) => number | string): Record<string, number | string> =>
  Object.fromEntries(
    KINDS.flatMap((kind) => SIZES.map((size) => [`${kind}_${size.key}_${key}`, of(kind, size.blobs)])),
  );
console.log(
  JSON.stringify({
    workers: DEFAULT_WORKERS,
    ...perSize("minutes", (kind, blobs) => oneDecimal(runOf(kind, blobs).seconds / 60)),
    ...perSize("bottleneck", (kind, blobs) => runOf(kind, blobs).bottleneck),
    ...perSize("queue_depth", (kind, blobs) => runOf(kind, blobs).deepestQueue),
    ...perSize("cost_usd", (kind, blobs) => Math.round(runOf(kind, blobs).cost.total * 100) / 100),
    history_events_1m: runOf("first", 1e6).historyEvents,
    history_events_10b: runOf("first", 1e10).historyEvents,
    queue_depth_1m: deepest(1e6),
    queue_depth_10b: deepest(1e10),
    objects_per_second: Math.round(bestPerSecond),
    vs_clumio: Math.round((bestPerSecond / PUBLISHED.clumio) * 100) / 100,
    vs_aws_backup: Math.round((bestPerSecond / PUBLISHED.aws) * 100) / 100,
    end_job_10b_seconds: Math.round(ending(1e10)),
  }),
);
