/**
 * @module
 * Several concurrent executions over one in-memory storage service. Each has at most one pending request; dice decide
 * which is carried out next, which answers are lost, which requests are late or lost, which execution crashes, when and
 * how copies end, and when others write to the source. The same seed reproduces the same race.
 */
import { RestError } from "@azure/storage-blob";
import { type AccountAccess, BlobAccount } from "../../../src/azure/blob-account.ts";
import { COPY_LIMITS, type CopyLimits } from "../../../src/azure/copy-request.ts";
import type { Dice } from "../retention-dice.ts";
import { serve, transport, type WireAnswer, type WireRequest } from "./blob-wire.ts";
import type { StoredBlobs } from "./stored-blobs.ts";

const KEY = Buffer.alloc(64, 7).toString("base64");

/** An account of the service, as seen by one execution. */
export function openAccount(
  name: string,
  send: (request: WireRequest) => Promise<WireAnswer>,
  now: () => Date,
  access: AccountAccess = { kind: "key", connectionString: connectionStringOf(name) },
): BlobAccount {
  return new BlobAccount(access, now, { retryForMs: 0, blockRetryForMs: 0, transport: transport(send) });
}

function connectionStringOf(name: string): string {
  const endpoint = `http://127.0.0.1:1/${name}`;
  return `DefaultEndpointsProtocol=http;AccountName=${name};AccountKey=${KEY};BlobEndpoint=${endpoint}`;
}

/** Events of a race, so that a test can check that it covered its subject. */
export interface RaceCounts {
  requests: number;
  lostAnswers: number;
  late: number;
  deaths: number;
  copiesFailed: number;
  refusedRemovals: number;
}

export const noRace = (): RaceCounts => ({
  requests: 0,
  lostAnswers: 0,
  late: 0,
  deaths: 0,
  copiesFailed: 0,
  refusedRemovals: 0,
});

interface Waiting {
  /** Absent: a pause between two polls. */
  readonly request?: WireRequest;
  readonly answer: (answer: WireAnswer) => void;
  readonly fail: (error: Error) => void;
}

/** One execution: its pending request, and whether it has ended. */
class Runner {
  readonly name: string;
  waiting: Waiting | undefined;
  end: "running" | "done" | "failed" | "dead" = "running";
  error: unknown;

  constructor(name: string) {
    this.name = name;
  }

  send = (request: WireRequest): Promise<WireAnswer> => this.#wait(request);

  pause = async (): Promise<void> => {
    await this.#wait(undefined);
  };

  #wait(request: WireRequest | undefined): Promise<WireAnswer> {
    if (this.waiting !== undefined) throw new Error(`${this.name} has two pending requests`);
    return new Promise((answer, fail) => {
      this.waiting = { answer, fail, ...(request === undefined ? {} : { request }) };
    });
  }
}

const NO_ANSWER: WireAnswer = { status: 0, headers: {} };

export interface RaceOptions {
  readonly dice: Dice;
  readonly blobs: StoredBlobs;
  /** An action of others. */
  readonly meanwhile: () => void;
  /** An action of others just before a request is carried out. */
  readonly before: (request: WireRequest) => void;
}

export interface Execution {
  readonly account: (name: string) => BlobAccount;
  readonly limits: CopyLimits;
}

const MAX_STEPS = 20_000;

/** Turns of the event loop until an execution is at its next request; only compression takes several. */
const MAX_TURNS = 1_000_000;

export class Race {
  readonly counts = noRace();
  readonly trace: string[] = [];
  readonly #options: RaceOptions;
  readonly #runners: Runner[] = [];
  /** Abandoned requests that may still arrive. */
  readonly #late: WireRequest[] = [];
  /** Off: all requests are carried out in order. */
  faults = true;

  constructor(options: RaceOptions) {
    this.#options = options;
  }

  /** Starts an execution; {@link run} continues it. */
  begin(name: string, work: (execution: Execution) => Promise<void>): Runner {
    const runner = new Runner(name);
    const accounts = new Map<string, BlobAccount>();
    const account = (of: string): BlobAccount => {
      const known = accounts.get(of) ?? openAccount(of, runner.send, () => this.#options.blobs.now);
      accounts.set(of, known);
      return known;
    };
    const limits = { ...COPY_LIMITS, wholeBytes: 20, blockBytes: 10, blockWidth: 1, pollMs: 0, pause: runner.pause };
    this.#runners.push(runner);
    work({ account, limits }).then(
      () => {
        if (runner.end === "running") runner.end = "done";
      },
      (error: unknown) => {
        if (runner.end === "running") runner.end = "failed";
        runner.error = error;
      },
    );
    return runner;
  }

  /** Runs until every execution has ended or crashed. */
  async run(): Promise<void> {
    for (let steps = 0; ; steps++) {
      const running = await this.#settled();
      if (running.length === 0) return;
      if (steps > MAX_STEPS) throw new Error("the race does not come to an end");
      this.#step(running);
    }
  }

  /** Late requests arrive, all or some. */
  async runLate(share = 1): Promise<void> {
    for (let left = Math.ceil(this.#late.length * share); left > 0; left--) this.#arrive();
    await turn();
  }

  /** Waits until each running execution has a pending request. */
  async #settled(): Promise<readonly Runner[]> {
    for (let turns = 0; turns < MAX_TURNS; turns++) {
      const running = this.#runners.filter(({ end }) => end === "running");
      if (running.every(({ waiting }) => waiting !== undefined)) return running;
      await turn();
    }
    throw new Error("an execution waits for something other than a request");
  }

  #step(running: readonly Runner[]): void {
    const { dice, blobs, meanwhile } = this.#options;
    const chance = this.faults ? dice.below(24) : 23;
    if (chance === 0) meanwhile();
    else if (chance === 1 && this.#late.length > 0) this.#arrive();
    else if ((chance === 2 || !this.faults || dice.oneIn(3)) && blobs.pendingCopies > 0) this.#endCopy();
    else this.#answer(dice.pick(running), chance);
  }

  #answer(runner: Runner | undefined, chance: number): void {
    const { dice, blobs } = this.#options;
    const waiting = runner?.waiting;
    if (runner === undefined || waiting === undefined) return;
    runner.waiting = undefined;
    if (waiting.request === undefined) {
      // Time passes while somebody waits, and copies end.
      if (blobs.pendingCopies > 0 && dice.oneIn(2)) this.#endCopy();
      waiting.answer(NO_ANSWER);
      return;
    }
    this.#carryOut(runner, waiting, waiting.request, chance);
  }

  #carryOut(runner: Runner, waiting: Waiting, request: WireRequest, chance: number): void {
    const { blobs } = this.#options;
    this.counts.requests += 1;
    const what = `${runner.name} ${request.method} ${request.url.pathname}${request.url.search.slice(0, 40)}`;
    if (chance === 3) {
      this.counts.deaths += 1;
      this.trace.push(`${what}: dies`);
      runner.end = "dead";
      // Its last request may still arrive.
      if (this.#options.dice.oneIn(2)) this.#late.push(request);
      return;
    }
    if (chance === 4 || (chance <= 8 && request.method === "DELETE")) {
      this.counts.late += 1;
      this.trace.push(`${what}: is late`);
      this.#late.push(request);
      waiting.fail(new RestError("no answer", { code: "ETIMEDOUT" }));
      return;
    }
    this.#options.before(request);
    const answer = serve(blobs, request);
    this.trace.push(`${what}: ${answer.status}`);
    if (request.method === "DELETE" && answer.status === 412) this.counts.refusedRemovals += 1;
    if (chance === 9) {
      this.counts.lostAnswers += 1;
      waiting.fail(new RestError("broken", { code: "ECONNRESET" }));
      return;
    }
    waiting.answer(answer);
  }

  #arrive(): void {
    const [request] = this.#late.splice(this.#options.dice.below(this.#late.length), 1);
    if (request === undefined) return;
    const { status } = serve(this.#options.blobs, request);
    if (request.method === "DELETE" && status === 412) this.counts.refusedRemovals += 1;
    this.trace.push(`late ${request.method} ${request.url.pathname}${request.url.search.slice(0, 40)}: ${status}`);
  }

  #endCopy(): void {
    const { dice, blobs } = this.#options;
    const end = this.faults
      ? (dice.pick(["success", "success", "success", "failed", "aborted"] as const) ?? "success")
      : "success";
    if (end !== "success") this.counts.copiesFailed += 1;
    this.trace.push(`a copy ends: ${end}`);
    blobs.endCopy(dice.below(blobs.pendingCopies), end);
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
