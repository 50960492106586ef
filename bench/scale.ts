/**
 * @module Entries per second, and memory, of the merge, the segment writer and the segment reader:
 *   `npm run bench:scale [-- --entries N]`. The production code for ranges backs up a synthetic listing, with tables in
 *   memory, manifests in files of a temporary folder, and copies that are answered at once; so there is no network, and
 *   only the app's own work is measured. The last line is JSON.
 */
import { execFile, fork } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import type { ScaleResult } from "./scale-run.ts";
import { formatTable } from "./table.ts";

const ENTRIES = 20_000_000;

function options(): { readonly entries: number } {
  const { values } = parseArgs({ options: { entries: { type: "string", default: String(ENTRIES) } } });
  const entries = Number(values.entries);
  if (!Number.isSafeInteger(entries) || entries < 20_000) {
    throw new Error("--entries takes a whole number from 20,000 up");
  }
  return { entries };
}

/** A folder with access to packages that is not deployed. */
const COMPILED = new URL("../node_modules/.cache/lakevault-scale/", import.meta.url);

/** Compiles a run like the app is compiled: Node's own TypeScript support takes 35 MiB of memory. */
async function compile(): Promise<void> {
  const compiler = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
  const project = fileURLToPath(new URL("./scale-tsconfig.json", import.meta.url));
  await promisify(execFile)(process.execPath, [compiler, "-p", project]);
  await writeFile(new URL("package.json", COMPILED), '{ "type": "module" }');
}

async function measure(entries: number): Promise<ScaleResult> {
  const child = fork(new URL("bench/scale-run.js", COMPILED), [String(entries)], { execArgv: [] });
  const results: ScaleResult[] = [];
  child.on("message", (result) => results.push(result as ScaleResult));
  const [code] = await once(child, "exit");
  const [result] = results;
  if (code !== 0 || result === undefined) throw new Error(`the run of ${entries} entries ended with code ${code}`);
  return result;
}

/** What each backup does beyond the merge and the manifest, as measured by itself. */
const STEPS = [
  { title: "first backup, every entry new", key: "first", beside: "copies" },
  { title: "second, nothing changed", key: "unchanged", beside: "listing" },
  { title: "third, one directory of a thousand changed", key: "directory", beside: "listing" },
  { title: "fourth, every entry changed", key: "changed", beside: "copies" },
] as const;

type Measured = "listing" | "copies" | (typeof STEPS)[number]["key"];

/** Entries per second of CPU time, minus the time of another step alone. */
function perSecond(result: ScaleResult, step: Measured, beside: "listing" | "copies"): number {
  return Math.round(result.entries / (result[step].cpuSeconds - result[beside].cpuSeconds));
}

function print(result: ScaleResult): void {
  const { entries, segments, rewrittenSegments, manifestBytes, rssMib } = result;
  const row = (title: string, step: Measured, ...rates: readonly string[]): string[] => {
    const { cpuSeconds, seconds } = result[step];
    return [title, cpuSeconds.toFixed(1), seconds.toFixed(1), ((cpuSeconds / entries) * 1e6).toFixed(2), ...rates];
  };
  const rate = (step: Measured, beside: "listing" | "copies"): string =>
    perSecond(result, step, beside).toLocaleString("en-US");
  const rows = STEPS.map(({ title, key, beside }) => row(title, key, rate(key, "listing"), rate(key, beside)));
  console.log(`\n${entries.toLocaleString("en-US")} entries\n`);
  console.log(
    formatTable({
      head: ["", "CPU s", "wall s", "CPU µs/entry", "less listing, 1/s", "less copies, 1/s"],
      rows: [row("making the listing", "listing"), row("the same, and asking for a copy of each", "copies"), ...rows],
    }),
  );
  console.log(
    `\npeak resident memory ${rssMib.toFixed(0)} MiB; ${(manifestBytes / entries).toFixed(1)} bytes an entry; ` +
      `the changed directory cost ${rewrittenSegments} of ${segments} segments`,
  );
}

const { entries } = options();
console.log(
  "Entries a second a core: entries / CPU seconds of all threads, less the CPU seconds of making the synthetic",
);
console.log(
  "listing (first row), and, in the last column, of asking for the copies (second row; they are answered at once).",
);
console.log("All else is counted: planning, merge, segments, rows, sealing. The keys are those of the last column.");
await compile();
const results: ScaleResult[] = [];
for (const share of [1 / 20, 1 / 4, 1]) {
  const result = await measure(Math.round(entries * share));
  print(result);
  results.push(result);
}
const [small, medium, large] = results;
if (small === undefined || medium === undefined || large === undefined) throw new Error("a run is missing");
if (entries !== ENTRIES)
  console.log(`\nA run of ${entries} entries: 1m, 5m and 20m below are a twentieth, a quarter and all.`);
console.log(
  JSON.stringify({
    unchanged_per_second: perSecond(large, "unchanged", "listing"),
    changed_per_second: perSecond(large, "changed", "copies"),
    rss_mib_1m: Math.round(small.rssMib),
    rss_mib_5m: Math.round(medium.rssMib),
    rss_mib_20m: Math.round(large.rssMib),
    manifest_bytes_per_entry: Math.round((large.manifestBytes / large.entries) * 10) / 10,
    rewritten_segment_share: Math.round((large.rewrittenSegments / large.segments) * 10_000) / 10_000,
  }),
);
