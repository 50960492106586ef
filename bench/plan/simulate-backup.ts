/**
 * @module One backup of one datasource as a discrete-event simulation: containers are planned, ranges wait on the
 *   queue, instances fetch them, each page of a listing is requested, parsed and copied, and long ranges continue in
 *   pieces. The unit is the page of 5,000 names, so that billions of blobs can be simulated; each shared resource (an
 *   account, a processor, a partition of a table) is a {@link RateServer}.
 */
import type { Assumptions } from "./assumptions.ts";
import { EventQueue } from "./event-queue.ts";
import { Random } from "./random.ts";
import { RateServer } from "./rate-server.ts";

export interface Scenario {
  readonly kind: "first" | "second";
  readonly blobs: number;
  /** Maximum instances of the function that copies. */
  readonly workers: number;
  /** Share of an account's limit that the pools of all instances together reach when they reach it at all. */
  readonly poolShare: number;
  readonly assumptions: Assumptions;
  /** Pages per event of a range: 1, or more where billions of blobs would take too long. */
  readonly pagesAtOnce: number;
  readonly seed: number;
}

/** Calls by what they cost. */
export interface Calls {
  sourceLists: number;
  sourceReads: number;
  vaultWrites: number;
  vaultReads: number;
  tableOperations: number;
  queueOperations: number;
}

export interface Outcome {
  /** From the start of the job to its end. */
  readonly seconds: number;
  readonly phases: {
    /** Until the last container has been planned; ranges of others are copied meanwhile. */
    readonly planned: number;
    /** Until the last container is replicated. */
    readonly replicated: number;
    readonly sealed: number;
    readonly ended: number;
  };
  readonly listed: number;
  readonly copied: number;
  readonly copiedBytes: number;
  readonly ranges: number;
  readonly pieces: number;
  readonly executions: number;
  readonly calls: Calls;
  readonly gigabyteSeconds: number;
  /** Events in the orchestration's history. */
  readonly historyEvents: number;
  /** Messages on the queue of ranges, those being worked on among them. */
  readonly deepestQueue: number;
  /** The same at the ends of the tenths of the time until all was copied. */
  readonly queueDepths: readonly number[];
  /** Rows of the job's work when it ends. */
  readonly workRows: number;
  /** Busy share of each shared thing while ranges were worked on, the busiest first. */
  readonly busy: readonly { readonly name: string; readonly share: number }[];
  readonly bottleneck: string;
  readonly simulatedEvents: number;
}

/** A range of names of one container; only their number matters here. */
interface Range {
  readonly container: Container;
  readonly group: number;
  /** Its place in the plan; absent for a split-off range. */
  readonly ordinal: number | undefined;
  remaining: number;
}

interface Container {
  readonly blobs: number;
  readonly indexLines: number;
  sizes: readonly number[];
  /** Ranges that are not done, those that wait for their turn in a lane among them. */
  open: number;
  /** Tallies by group. */
  readonly tallies: Map<number, number>;
}

interface Instance {
  readonly cpu: RateServer;
  readonly pool: RateServer;
  running: number;
  isFetching: boolean;
  pollingSeconds: number;
  busySince: number;
  busySeconds: number;
  /** Those whose index it has read. */
  readonly indexes: Set<Container>;
}

const FIRST_POLLING_SECONDS = 0.1;

/** Messages that the host sends at once when a function has ended. */
const SENDS_AT_ONCE = 16;

/** A busy share from which on something is what the others wait for. */
const BUSY = 0.85;

/** Runs one backup from its start to its end. */
export function simulateBackup(scenario: Scenario): Outcome {
  return new BackupRun(scenario).run();
}

class BackupRun {
  readonly #scenario: Scenario;
  readonly #a: Assumptions;
  readonly #random: Random;
  readonly #events = new EventQueue();
  readonly #source: RateServer;
  readonly #sourceOut: RateServer;
  readonly #vault: RateServer;
  readonly #vaultIn: RateServer;
  readonly #jobRows: RateServer;
  readonly #workRows: RateServer;
  readonly #queueCalls: RateServer;
  readonly #shared: readonly RateServer[];
  readonly #instances: Instance[] = [];
  readonly #waiting: Range[] = [];
  #firstWaiting = 0;
  readonly #calls: Calls = {
    sourceLists: 0,
    sourceReads: 0,
    vaultWrites: 0,
    vaultReads: 0,
    tableOperations: 0,
    queueOperations: 0,
  };
  readonly #depths: { at: number; depth: number }[] = [];
  /** Time of a copy in its slot of a pool. */
  readonly #copySeconds: number;

  #onQueue = 0;
  #deepest = 0;
  #ranges = 0;
  #pieces = 0;
  #executions = 0;
  #listed = 0;
  #copied = 0;
  #changedSoFar = 0;
  #rows = 0;
  #planned = 0;
  #toReplicate = 0;
  #replicated = 0;
  #copyingSince = 0;

  constructor(scenario: Scenario) {
    const { assumptions: a, poolShare } = scenario;
    this.#scenario = scenario;
    this.#a = a;
    this.#random = new Random(scenario.seed);
    this.#source = new RateServer("requests to the source", a.account.requestsPerSecond);
    this.#sourceOut = new RateServer("bytes of listings", a.account.egressBytesPerSecond);
    this.#vault = new RateServer("requests to the vault", a.account.requestsPerSecond * poolShare);
    this.#vaultIn = new RateServer("bytes into the vault", a.account.ingressBytesPerSecond * poolShare);
    this.#jobRows = new RateServer("the job's row", a.partitionPerSecond);
    this.#workRows = new RateServer("rows of work", a.partitionPerSecond);
    this.#queueCalls = new RateServer("the queue", a.queuePerSecond);
    this.#shared = [
      this.#source,
      this.#sourceOut,
      this.#vault,
      this.#vaultIn,
      this.#jobRows,
      this.#workRows,
      this.#queueCalls,
    ];
    this.#copySeconds = a.latency.copy.mean + a.blobBytes.mean / a.latency.copyBytesPerSecond;
  }

  run(): Outcome {
    const containers = this.#containers();
    this.#toReplicate = containers.length;
    // beginBackup, writeMarkers, planRanges.
    const begun = 3 * this.#a.latency.durableStep + Math.ceil(containers.length / this.#a.engine.rowWidth) * 0.05;
    this.#calls.tableOperations += 20;
    this.#calls.vaultWrites += containers.length;
    this.#startInstances(begun);
    this.#planAll(containers, begun);
    this.#events.run();
    const copied = this.#replicated;
    const busy = this.#busyShares(copied - this.#copyingSince);
    const sealed = this.#seal(containers, copied);
    const ended = this.#end(containers, sealed);
    return {
      seconds: ended,
      phases: { planned: this.#planned, replicated: copied, sealed, ended },
      listed: this.#listed,
      copied: this.#copied,
      copiedBytes: this.#copied * this.#a.blobBytes.mean,
      ranges: this.#ranges,
      pieces: this.#pieces,
      executions: this.#executions,
      calls: this.#calls,
      gigabyteSeconds:
        this.#a.instanceGigabytes * this.#instances.reduce((sum, { busySeconds }) => sum + busySeconds, 0),
      historyEvents: historyEvents(containers.length),
      deepestQueue: this.#deepest,
      queueDepths: this.#depthsByTenths(copied),
      workRows: this.#rows,
      busy,
      bottleneck: this.#bottleneck(busy, copied, ended),
      simulatedEvents: this.#events.handled,
    };
  }

  /** The largest container has about a fifth of the blobs: sizes go by rank, as those of cities do. */
  #containers(): Container[] {
    const { blobs } = this.#scenario;
    const { containers: count, engine } = this.#a;
    const ranks = Array.from({ length: count }, (_, i) => 1 / (i + 1));
    const all = ranks.reduce((sum, share) => sum + share, 0);
    let left = blobs;
    return ranks.map((share, i) => {
      const own = i === count - 1 ? left : Math.min(left, Math.round((blobs * share) / all));
      left -= own;
      const indexLines = Math.ceil(own / engine.segmentEntries);
      return { blobs: own, indexLines, sizes: [], open: 0, tallies: new Map() };
    });
  }

  #startInstances(begun: number): void {
    const { coldStartSeconds, instancesPerWave, waveSeconds, engine } = this.#a;
    for (let i = 0; i < this.#scenario.workers; i++) {
      const instance: Instance = {
        cpu: new RateServer("processors", 1),
        pool: new RateServer("copies in flight", engine.poolWidth),
        running: 0,
        isFetching: false,
        pollingSeconds: FIRST_POLLING_SECONDS,
        busySince: 0,
        busySeconds: 0,
        indexes: new Set(),
      };
      this.#instances.push(instance);
      const wave = Math.floor(i / instancesPerWave) * waveSeconds;
      this.#events.at(begun + coldStartSeconds + wave, () => this.#fetch(instance));
    }
  }

  /** Plans run on instances of their own; as many at once as one instance takes, on each of them. */
  #planAll(containers: readonly Container[], begun: number): void {
    const { engine, coldStartSeconds } = this.#a;
    const width = Math.min(this.#scenario.workers * (engine.batchSize + engine.newBatchThreshold), containers.length);
    let next = 0;
    const planNext = (): void => {
      const container = containers[next++];
      if (container !== undefined) this.#plan(container, planNext);
    };
    for (let i = 0; i < width; i++) this.#events.at(begun + coldStartSeconds, planNext);
  }

  #plan(container: Container, done: () => void): void {
    const isFirst = this.#scenario.kind === "first";
    container.sizes = isFirst ? this.#unevenSizes(container.blobs) : this.#evenSizes(container.blobs);
    const count = container.sizes.length;
    container.open = count;
    this.#ranges += count;
    if (container.blobs === 0) this.#checkMarker(container, 0);
    const cutSeconds = isFirst ? this.#probe(count) : this.#readIndex(container, undefined);
    this.#executions += 1;
    this.#calls.tableOperations += 4;
    this.#rows += 1;
    const written = this.#workRows.serve(this.#events.now, 4) + cutSeconds + 4 * this.#a.latency.tableRow.mean;
    const lanes = Math.min(count, this.#a.engine.maxLanes);
    this.#events.at(written + (lanes / SENDS_AT_ONCE) * this.#a.latency.queueCall.mean, () => {
      for (let lane = 0; lane < lanes; lane++) this.#sendPlanned(container, lane);
      this.#planned = this.#events.now;
      done();
    });
  }

  /** Probing halves the key space, not the names, so ranges come out uneven. */
  #unevenSizes(blobs: number): number[] {
    const { rangeNames, maxFirstRanges } = this.#a.engine;
    const count = Math.min(maxFirstRanges, Math.ceil(blobs / rangeNames));
    const weights = Array.from({ length: count }, () => -Math.log(1 - this.#random.next()));
    const all = weights.reduce((sum, weight) => sum + weight, 0);
    let before = 0;
    let weight = 0;
    return weights.map((own, i) => {
      weight += own;
      const until = i === count - 1 ? blobs : Math.round((blobs * weight) / all);
      const size = until - before;
      before = until;
      return size;
    });
  }

  #evenSizes(blobs: number): number[] {
    const { rangeNames, maxRanges } = this.#a.engine;
    const size = Math.max(rangeNames, Math.ceil(blobs / maxRanges));
    const count = Math.ceil(blobs / size);
    return Array.from({ length: count }, (_, i) => (i < count - 1 ? size : blobs - size * (count - 1)));
  }

  #probe(ranges: number): number {
    const { latency, engine } = this.#a;
    const rounds = Math.ceil(Math.log2(Math.max(2, ranges)));
    const calls = Math.max(2, 3 * ranges);
    this.#calls.sourceLists += calls;
    this.#source.serve(this.#events.now, calls);
    return rounds * 3 * Math.ceil(ranges / 2 / engine.rowWidth) * latency.probe.mean + 3 * latency.listPage.mean;
  }

  /** Reads the seal and the container's index of the recovery point before. @returns seconds */
  #readIndex(container: Container, cpu: RateServer | undefined): number {
    const { client, latency, indexLineBytes } = this.#a;
    this.#calls.vaultReads += 2;
    this.#vault.serve(this.#events.now, 2);
    const bytes = container.indexLines * indexLineBytes;
    const parse = container.indexLines * client.indexLine;
    const parsed = cpu === undefined ? parse : cpu.serve(this.#events.now, parse) - this.#events.now;
    return 2 * latency.segment.mean + bytes / latency.copyBytesPerSecond + parsed;
  }

  #sendPlanned(container: Container, ordinal: number): void {
    const remaining = container.sizes[ordinal];
    if (remaining === undefined) return;
    const group = Math.floor(ordinal / this.#a.engine.groupRanges);
    this.#send({ container, group, ordinal, remaining });
  }

  #send(range: Range): void {
    this.#waiting.push(range);
    this.#calls.queueOperations += 1;
    this.#queueCalls.serve(this.#events.now, 1);
    this.#countQueue(1);
  }

  #countQueue(change: number): void {
    this.#onQueue += change;
    this.#deepest = Math.max(this.#deepest, this.#onQueue);
    const last = this.#depths.at(-1);
    if (last !== undefined && last.at === this.#events.now) last.depth = this.#onQueue;
    else this.#depths.push({ at: this.#events.now, depth: this.#onQueue });
  }

  #take(): Range | undefined {
    const range = this.#waiting[this.#firstWaiting];
    if (range === undefined) return undefined;
    this.#firstWaiting += 1;
    if (this.#firstWaiting > 10_000 && this.#firstWaiting * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#firstWaiting);
      this.#firstWaiting = 0;
    }
    return range;
  }

  /** Polls the queue for messages like the Functions host. */
  #fetch(instance: Instance): void {
    const { engine, latency } = this.#a;
    if (instance.isFetching || instance.running > engine.newBatchThreshold || this.#toReplicate === 0) return;
    instance.isFetching = true;
    this.#calls.queueOperations += 1;
    const served = this.#queueCalls.serve(this.#events.now, 1);
    this.#events.at(served + latency.queueCall.sample(this.#random), () => {
      instance.isFetching = false;
      let got = 0;
      for (; got < engine.batchSize; got++) {
        const range = this.#take();
        if (range === undefined) break;
        this.#begin(instance, range);
      }
      if (got > 0) {
        instance.pollingSeconds = FIRST_POLLING_SECONDS;
        this.#fetch(instance);
        return;
      }
      // The queue was empty: the poll interval grows.
      instance.isFetching = true;
      const wait = instance.pollingSeconds * (0.8 + 0.4 * this.#random.next());
      instance.pollingSeconds = Math.min(engine.maxPollingSeconds, 2 * instance.pollingSeconds);
      this.#events.at(this.#events.now + wait, () => {
        instance.isFetching = false;
        this.#fetch(instance);
      });
    });
  }

  #begin(instance: Instance, range: Range): void {
    if (instance.running === 0) instance.busySince = this.#events.now;
    instance.running += 1;
    if (this.#pieces === 0) this.#copyingSince = this.#events.now;
    this.#pieces += 1;
    this.#executions += 1;
    new Piece(this, instance, range).begin();
  }

  // The requests of a piece.

  get namesAtOnce(): number {
    return this.#scenario.pagesAtOnce * this.#a.engine.pageNames;
  }

  get events(): EventQueue {
    return this.#events;
  }

  get assumptions(): Assumptions {
    return this.#a;
  }

  /**
   * Reads what the message names, and what the recovery point before has. @returns when the first page can be requested
   */
  openPiece(instance: Instance, range: Range): number {
    const now = this.#events.now;
    this.#calls.tableOperations += 5;
    this.#rows += 1;
    const served = Math.max(this.#jobRows.serve(now, 1), this.#workRows.serve(now, 4));
    const read = served + 5 * this.#a.latency.tableRow.sample(this.#random);
    if (this.#scenario.kind === "first" || instance.indexes.has(range.container)) return read;
    instance.indexes.add(range.container);
    return read + this.#readIndex(range.container, instance.cpu);
  }

  /** Requests a page. @returns when it has arrived */
  list(names: number): number {
    const now = this.#events.now;
    const pages = Math.ceil(names / this.#a.engine.pageNames);
    this.#calls.sourceLists += pages;
    this.#listed += names;
    const asked = this.#source.serve(now, pages);
    const sent = this.#sourceOut.serve(now, names * this.#a.client.listedNameBytes);
    return Math.max(asked, sent) + pages * this.#a.latency.listPage.sample(this.#random);
  }

  /** Parses a page and compares it. @returns when that is done */
  compare(instance: Instance, names: number): number {
    const { client } = this.#a;
    const entry = this.#scenario.kind === "first" ? client.changedEntry : client.unchangedEntry;
    return instance.cpu.serve(this.#events.now, names * (client.listedName + entry));
  }

  /** Copies what changed of a page and writes its share of segments. @returns when all of it is done */
  copy(instance: Instance, names: number, secondsSinceBegun: number): number {
    const { client, latency, blobBytes, engine, changedBlobs, changedSegments } = this.#a;
    const now = this.#events.now;
    const isFirst = this.#scenario.kind === "first";
    this.#changedSoFar += isFirst ? names : names * changedBlobs;
    const count = Math.min(names, Math.round(this.#changedSoFar));
    this.#changedSoFar -= count;
    this.#copied += count;

    let done = now;
    if (count > 0) {
      this.#calls.sourceReads += count;
      this.#calls.vaultWrites += count;
      done = Math.max(
        instance.cpu.serve(now, count * client.copyCall),
        instance.pool.serve(now, count * this.#copySeconds),
        this.#source.serve(now, count),
        this.#vault.serve(now, count),
        this.#vaultIn.serve(now, count * blobBytes.mean),
      );
      // The page is done with its last copy; the largest blobs are copied in blocks, side by side.
      const pages = Math.ceil(names / engine.pageNames);
      const slowest = latency.copy.sampleLargest(this.#random, count / pages);
      const largest = Math.min(MAX_SINGLE_COPY_BYTES, blobBytes.sampleLargest(this.#random, count / pages));
      done += pages * (slowest + largest / latency.copyBytesPerSecond);
    }

    const segments = names / engine.segmentEntries;
    const written = segments * (isFirst ? 1 : changedSegments);
    const read = isFirst ? 0 : segments;
    this.#calls.vaultWrites += written;
    this.#calls.vaultReads += read;
    this.#vault.serve(now, written + read);
    done += (written + read) * latency.segment.mean;

    const notes = Math.min(1, secondsSinceBegun / engine.noteSeconds) + (done - now) / engine.noteSeconds;
    const looks = Math.ceil(names / engine.pageNames);
    this.#calls.tableOperations += looks + notes;
    const looked = Math.max(this.#jobRows.serve(now, looks), this.#workRows.serve(now, notes));
    return Math.max(done, looked) + looks * latency.tableRow.sample(this.#random);
  }

  /** Writes a piece's result, and sends what is left of its range. */
  closePiece(instance: Instance, range: Range): void {
    const { engine, latency, scannedRowsPerUnit } = this.#a;
    const now = this.#events.now;
    const { container, group, ordinal } = range;
    const isDone = range.remaining === 0;
    const splits =
      !isDone && range.remaining > 1 && container.open < engine.maxOpenRanges && this.#onQueue < engine.maxQueued;
    const probes = splits && this.#scenario.kind === "first" ? 3 : 0;
    this.#calls.sourceLists += probes;
    const rows = splits ? 4 : 3;
    this.#calls.tableOperations += rows;
    // The progress row is deleted; the result, its tally and the split-off range are kept.
    this.#rows += rows - 2;
    this.#calls.queueOperations += 1;
    const tallies = (container.tallies.get(group) ?? 0) + 1;
    container.tallies.set(group, tallies);
    const served = Math.max(this.#workRows.serve(now, rows), this.#queueCalls.serve(now, 1));
    const closed = served + 3 * latency.tableRow.sample(this.#random) + probes * latency.probe.mean;

    this.#events.at(closed, () => {
      this.#countQueue(-1);
      instance.running -= 1;
      if (instance.running === 0) instance.busySeconds += this.#events.now - instance.busySince;
      if (splits) {
        // The middle of the names' texts is not the middle of the names.
        const given = Math.max(1, Math.min(range.remaining - 1, Math.round(range.remaining * this.#splitShare())));
        this.#ranges += 1;
        container.open += 1;
        range.remaining -= given;
        this.#send({ container, group, ordinal: undefined, remaining: given });
      }
      if (!isDone) this.#send(range);
      else {
        if (ordinal !== undefined) this.#sendPlanned(container, ordinal + engine.maxLanes);
        container.open -= 1;
        // A check reads the tallies of its group.
        this.#executions += 1;
        this.#calls.tableOperations += 2 + Math.ceil(tallies / 1_000);
        this.#calls.queueOperations += 3;
        const checked = this.#workRows.serve(this.#events.now, 2 + tallies / scannedRowsPerUnit);
        if (container.open === 0) this.#checkMarker(container, checked);
      }
      this.#fetch(instance);
    });
  }

  #splitShare(): number {
    return this.#scenario.kind === "second" ? 0.5 : 0.25 + 0.5 * this.#random.next();
  }

  #checkMarker(container: Container, checked: number): void {
    const { latency } = this.#a;
    const rows = [...container.tallies.values()].reduce((sum, count) => Math.max(sum, count), 0);
    const seconds = Math.ceil(rows / 1_000) * 0.1 + 4 * latency.segment.mean + latency.durableStep;
    this.#calls.vaultWrites += 1;
    this.#calls.vaultReads += 1;
    this.#events.at(checked + seconds, () => {
      this.#toReplicate -= 1;
      this.#replicated = this.#events.now;
    });
  }

  /** Reads the results, and writes indexes and the seal. @returns when the recovery point exists */
  #seal(containers: readonly Container[], from: number): number {
    const { latency, client, indexLineBytes } = this.#a;
    const lines = containers.reduce((sum, { indexLines }) => sum + indexLines, 0);
    const queries = Math.ceil(this.#pieces / 1_000) + containers.length;
    this.#calls.tableOperations += queries;
    this.#calls.vaultWrites += containers.length + 1;
    const reading = (queries * 0.1) / 8 + this.#pieces / this.#a.scannedRowsPerUnit / this.#a.partitionPerSecond;
    const writing = (lines * indexLineBytes) / latency.copyBytesPerSecond + containers.length * latency.segment.mean;
    return from + latency.durableStep + reading + 2 * lines * client.indexLine + writing;
  }

  /** Deletes markers and work rows. @returns when the job has ended */
  #end(containers: readonly Container[], from: number): number {
    const { latency, engine, partitionPerSecond } = this.#a;
    const calls = Math.ceil(this.#rows / engine.rowsPerRemoval);
    this.#calls.tableOperations += calls + Math.ceil(this.#rows / 1_000);
    const markers = Math.ceil(containers.length / engine.rowWidth) * latency.probe.mean;
    const byCalls = (calls / engine.rowWidth) * latency.tableRow.mean;
    const byPartition = this.#rows / partitionPerSecond;
    return from + 2 * latency.durableStep + markers + Math.max(byCalls, byPartition);
  }

  #depthsByTenths(until: number): number[] {
    let next = 0;
    return Array.from({ length: 10 }, (_, tenth) => {
      const at = this.#copyingSince + ((until - this.#copyingSince) * (tenth + 0.5)) / 10;
      while ((this.#depths[next + 1]?.at ?? Number.POSITIVE_INFINITY) <= at) next += 1;
      return this.#depths[next]?.depth ?? 0;
    });
  }

  #busyShares(seconds: number): { name: string; share: number }[] {
    const of = (servers: readonly RateServer[]): number =>
      servers.reduce((sum, { busySeconds }) => sum + busySeconds, 0) / servers.length / seconds;
    return [
      ...this.#shared.map((server) => ({ name: server.name, share: of([server]) })),
      { name: "processors", share: of(this.#instances.map(({ cpu }) => cpu)) },
      { name: "copies in flight", share: of(this.#instances.map(({ pool }) => pool)) },
    ].sort((a, b) => b.share - a.share);
  }

  #bottleneck(busy: readonly { name: string; share: number }[], copied: number, ended: number): string {
    if ((copied - this.#copyingSince) * 2 < ended) return "fixed steps";
    const [busiest, other] = busy;
    if (busiest !== undefined && busiest.share >= BUSY) {
      const areBoth = other !== undefined && busiest.share - other.share < 0.02 && other.name.startsWith("requests");
      return areBoth && busiest.name.startsWith("requests") ? "requests to both accounts" : busiest.name;
    }
    const slots = this.#instances.length * (copied - this.#copyingSince);
    const worked = this.#instances.reduce((sum, { busySeconds }) => sum + busySeconds, 0);
    return worked / slots < 0.6 ? "too few ranges" : "round trips";
  }
}

/** Longer blobs are copied in blocks. */
const MAX_SINGLE_COPY_BYTES = 256 * 2 ** 20;

/** One execution of the queue function: pages of one range, until it is done or the time is over. */
class Piece {
  readonly #run: BackupRun;
  readonly #instance: Instance;
  readonly #range: Range;
  #begunAt = 0;
  #names = 0;
  #page = 0;

  constructor(run: BackupRun, instance: Instance, range: Range) {
    this.#run = run;
    this.#instance = instance;
    this.#range = range;
  }

  begin(): void {
    this.#begunAt = this.#run.events.now;
    this.#run.events.at(this.#run.openPiece(this.#instance, this.#range), this.#list);
  }

  readonly #list = (): void => {
    this.#page = Math.min(this.#run.namesAtOnce, this.#range.remaining);
    this.#run.events.at(this.#run.list(this.#page), this.#compare);
  };

  readonly #compare = (): void => {
    this.#run.events.at(this.#run.compare(this.#instance, this.#page), this.#copy);
  };

  readonly #copy = (): void => {
    const since = this.#run.events.now - this.#begunAt;
    this.#run.events.at(this.#run.copy(this.#instance, this.#page, since), this.#goOn);
  };

  readonly #goOn = (): void => {
    const { pieceSeconds, pieceNames } = this.#run.assumptions.engine;
    this.#range.remaining -= this.#page;
    this.#names += this.#page;
    const mustStop = this.#run.events.now - this.#begunAt >= pieceSeconds || this.#names >= pieceNames;
    if (this.#range.remaining > 0 && !mustStop) this.#list();
    else this.#run.closePiece(this.#instance, this.#range);
  };
}

/**
 * Maximum number of events in the history of a backup's orchestration: each activity is scheduled and completed, each
 * container's event is raised, and each time the orchestrator runs adds two. Blobs do not come into it.
 */
function historyEvents(containers: number): number {
  const activities = 6;
  return 4 + 4 * activities + 3 * containers;
}
