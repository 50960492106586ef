/**
 * @module
 * How many entries a second go through the merge, the segment writer and the segment reader, and in how much memory:
 * `npm run bench:scale [-- --entries N]`. A synthetic listing is backed up by the code that works ranges in production, with
 * tables in memory, manifests in files of a temporary folder, and copies that are answered at once; so there is no
 * network, and what is left is what the app itself does. The last line is JSON.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import type { Cost, ScaleResult } from "./scale-run.ts";
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

async function measure(entries: number): Promise<ScaleResult> {
  const child = fork(new URL("./scale-run.ts", import.meta.url), [String(entries)]);
  const results: ScaleResult[] = [];
  child.on("message", (result) => results.push(result as ScaleResult));
  const [code] = await once(child, "exit");
  const [result] = results;
  if (code !== 0 || result === undefined) throw new Error(`the run of ${entries} entries ended with code ${code}`);
  return result;
}

const STEPS = [
  ["first backup, every entry new", "first"],
  ["second, nothing changed", "unchanged"],
  ["third, one directory of a thousand changed", "directory"],
  ["fourth, every entry changed", "changed"],
] as const;

/** Entries a second of CPU time, without that which making the listing took. */
function perSecond({ entries, listing }: ScaleResult, cost: Cost): number {
  return Math.round(entries / (cost.cpuSeconds - listing.cpuSeconds));
}

function print(result: ScaleResult): void {
  const { entries, listing, segments, rewrittenSegments, manifestBytes, rssMib } = result;
  const row = (title: string, cost: Cost, rate: string): string[] => [
    title,
    cost.cpuSeconds.toFixed(1),
    cost.seconds.toFixed(1),
    ((cost.cpuSeconds / entries) * 1e6).toFixed(2),
    rate,
  ];
  const rows = STEPS.map(([title, key]) =>
    row(title, result[key], perSecond(result, result[key]).toLocaleString("en-US")),
  );
  console.log(`\n${entries.toLocaleString("en-US")} entries\n`);
  console.log(
    formatTable({
      head: ["", "CPU s", "wall s", "CPU µs/entry", "entries/s a core"],
      rows: [row("making the listing", listing, "-"), ...rows],
    }),
  );
  console.log(
    `\npeak resident memory ${rssMib.toFixed(0)} MiB; ${(manifestBytes / entries).toFixed(1)} bytes an entry; ` +
      `the changed directory cost ${rewrittenSegments} of ${segments} segments`,
  );
}

const { entries } = options();
console.log("Entries a second a core: entries / CPU seconds of all threads, less the CPU seconds that making the");
console.log("synthetic listing takes by itself (first row). All else is counted: planning, merge, segments, sealing.");
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
    unchanged_per_second: perSecond(large, large.unchanged),
    changed_per_second: perSecond(large, large.changed),
    rss_mib_1m: Math.round(small.rssMib),
    rss_mib_5m: Math.round(medium.rssMib),
    rss_mib_20m: Math.round(large.rssMib),
    manifest_bytes_per_entry: Math.round((large.manifestBytes / large.entries) * 10) / 10,
    rewritten_segment_share: Math.round((large.rewrittenSegments / large.segments) * 10_000) / 10_000,
  }),
);
