/**
 * @module Metrics of the sources: number and length of files, lines and functions, circular imports, and duplicated
 *   code. For the product (`src`, `functions`), the tests (`*.test.ts`, `test`) and `local`.
 *
 * `npm run metrics -- [--before COMMIT] [--tests REPORT [--before-tests REPORT]]`; a report is what
 * `vitest run --reporter=json --outputFile=REPORT` writes.
 */
import { execFileSync } from "node:child_process";
import { glob, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Group, groupOf, measure } from "./metrics/measure.ts";
import { readSource, type Source } from "./metrics/read-source.ts";
import { listFindings, type Snapshot, tabulateMost, tabulateNumbers } from "./metrics/report.ts";
import { readTestTimes, type TestRun, tabulateFileTimes, tabulateSlowest } from "./metrics/test-times.ts";
import { formatTable } from "./table.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FILES = "{src,functions,test,local,bench}/**/*.ts";
const LARGEST_ARCHIVE = 1 << 30;

async function takeSnapshot(name: string, folder: string): Promise<Snapshot> {
  const sources: Source[] = [];
  for await (const path of glob(FILES, { cwd: folder }))
    sources.push(readSource(path.replaceAll("\\", "/"), await readFile(join(folder, path), "utf8")));
  sources.sort((a, b) => (a.path < b.path ? -1 : 1));
  const of = (group: Group) => measure(sources.filter(({ path }) => groupOf(path) === group));
  return { name, measures: { product: of("product"), tests: of("tests"), local: of("local") } };
}

async function takeSnapshotOf(commit: string): Promise<Snapshot> {
  const folder = await mkdtemp(join(tmpdir(), "lakevault-metrics-"));
  try {
    const archive = execFileSync("git", ["archive", commit], { cwd: ROOT, maxBuffer: LARGEST_ARCHIVE });
    execFileSync("tar", ["-x"], { cwd: folder, input: archive });
    return await takeSnapshot(commit, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readRun(name: string, report: string): Promise<TestRun> {
  return { name, times: readTestTimes(JSON.parse(await readFile(report, "utf8"))) };
}

const { values } = parseArgs({
  options: { before: { type: "string" }, tests: { type: "string" }, "before-tests": { type: "string" } },
});

const snapshots = [await takeSnapshot("now", ROOT)];
if (values.before !== undefined) snapshots.unshift(await takeSnapshotOf(values.before));
console.log(`${formatTable(tabulateNumbers(snapshots))}\n`);
console.log(`${formatTable(tabulateMost(snapshots))}\n`);
for (const finding of listFindings(snapshots)) console.log(finding);

const runs: TestRun[] = [];
if (values["before-tests"] !== undefined) runs.push(await readRun("before", values["before-tests"]));
if (values.tests !== undefined) runs.push(await readRun("now", values.tests));
if (runs.length > 0) {
  console.log(`\n${formatTable(tabulateFileTimes(runs))}\n`);
  console.log(formatTable(tabulateSlowest(runs)));
}
