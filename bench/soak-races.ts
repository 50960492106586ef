/**
 * @module
 * Runs random races of two executions, far more than the tests do: `--runs` of them from `--seed` on. A race that loses
 * anything is reported on stderr with its seed and its trace, and the others continue.
 */
import { parseArgs } from "node:util";
import { addOutcomes, noOutcome, runLakeRace } from "../test/support/blob-service/lake-races.ts";

const PROGRESS_EVERY_MS = 60_000;

const { values } = parseArgs({
  options: { runs: { type: "string", default: "2000" }, seed: { type: "string", default: "1" } },
});

function countOf(name: "runs" | "seed"): number {
  const count = Number(values[name]);
  if (Number.isInteger(count) && count > 0) return count;
  console.error(`--${name} is not a positive whole number`);
  process.exit(2);
}

const [runs, first] = [countOf("runs"), countOf("seed")];
let sum = noOutcome();
let lost = 0;
let toldAt = performance.now();
for (let seed = first; seed < first + runs; seed++) {
  try {
    sum = addOutcomes(sum, await runLakeRace(seed));
  } catch (error) {
    lost += 1;
    console.error(error instanceof Error ? error.message : error);
  }
  if (performance.now() - toldAt < PROGRESS_EVERY_MS) continue;
  toldAt = performance.now();
  console.error(`${seed - first + 1} of ${runs} races, ${lost} lost`);
}
console.log(JSON.stringify({ runs, lost, ...sum }));
// Timers of requests that the races gave up would keep the process alive.
process.exit(lost > 0 ? 1 : 0);
