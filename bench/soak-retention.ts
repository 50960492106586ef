/**
 * @module
 * Runs random histories of a vault, far more than the tests do: `--histories` of them from `--seed` on, spread over
 * `--workers` processes. A wrong history is reported on stderr with its seed, and the others continue.
 *
 * With `--faults` they use the real engine: calls fail, and messages are duplicated, lost and late; a worker runs about
 * 50 per second.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { FaultyBackups } from "../test/support/faulty-backups.ts";
import { ModelBackups } from "../test/support/retention-model.ts";
import { addOutcome, type HistoryOutcome, nothingYet, runHistory } from "../test/support/retention-world.ts";

/** Histories that a worker runs between two messages. */
const BATCH = 1_000;

const PROGRESS_EVERY_MS = 60_000;

interface Batch {
  readonly histories: number;
  readonly wrong: number;
  readonly outcome: HistoryOutcome;
}

async function runBatch(seeds: Iterable<number>): Promise<Batch> {
  const outcome = nothingYet();
  let histories = 0;
  let wrong = 0;
  for (const seed of seeds) {
    histories += 1;
    try {
      addOutcome(outcome, await runHistory(seed, open));
    } catch (error) {
      wrong += 1;
      console.error(error instanceof Error ? error.message : error);
    }
  }
  return { histories, wrong, outcome };
}

function* every(step: number, first: number, until: number): Generator<number> {
  for (let seed = first; seed < until; seed += step) yield seed;
}

function take<T>(values: Iterator<T>, count: number): T[] {
  const taken: T[] = [];
  for (let next = values.next(); !next.done; next = values.next()) {
    taken.push(next.value);
    if (taken.length === count) break;
  }
  return taken;
}

/** Runs one in every few histories, and reports each batch. */
async function work(first: number, until: number, step: number, tell: (batch: Batch) => void): Promise<void> {
  const seeds = every(step, first, until);
  for (let some = take(seeds, BATCH); some.length > 0; some = take(seeds, BATCH)) tell(await runBatch(some));
}

const { values } = parseArgs({
  options: {
    histories: { type: "string", default: "20000" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: "1" },
    faults: { type: "boolean", default: false },
    /** Number of the worker in this process. */
    worker: { type: "string" },
  },
});

const open = values.faults ? FaultyBackups.open : async () => new ModelBackups();

function countOf(name: "histories" | "seed" | "workers"): number {
  const count = Number(values[name]);
  if (Number.isInteger(count) && count > 0) return count;
  console.error(`--${name} is not a positive whole number`);
  process.exit(2);
}

const seed = countOf("seed");
const until = seed + countOf("histories");
const workers = countOf("workers");

if (values.worker !== undefined) {
  await work(seed + Number(values.worker), until, workers, (batch) => process.send?.(batch));
  process.disconnect();
} else {
  const startedAt = performance.now();
  const sum = { histories: 0, wrong: 0, outcome: nothingYet() };
  let toldAt = startedAt;
  const add = (batch: Batch): void => {
    sum.histories += batch.histories;
    sum.wrong += batch.wrong;
    addOutcome(sum.outcome, batch.outcome);
    const now = performance.now();
    if (now - toldAt < PROGRESS_EVERY_MS) return;
    toldAt = now;
    const seconds = (now - startedAt) / 1_000;
    console.error(`${sum.histories} of ${until - seed} histories in ${seconds.toFixed(0)} s, ${sum.wrong} wrong`);
  };
  if (workers === 1) await work(seed, until, 1, add);
  else {
    const children = Array.from({ length: workers }, (_, worker) =>
      fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), "--worker", String(worker)]).on("message", add),
    );
    await Promise.all(children.map(ended));
  }
  const missing = until - seed - sum.histories;
  if (missing > 0) console.error(`${missing} histories were not run`);
  console.log(JSON.stringify(sum.outcome));
  console.log(`${sum.histories} histories, ${sum.wrong} wrong`);
  process.exitCode = sum.wrong + missing > 0 ? 1 : 0;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once("exit", () => resolve()));
}
