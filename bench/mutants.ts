/**
 * @module Mutation testing of the files that protect data: Stryker changes one operator, condition or call at a time
 *   and runs the unit tests that reach it. A mutant that no test notices is an untested guard.
 *
 * `npm run mutants`, or `npm run mutants -- src/backup/join-pieces.ts` for some files; the last line is JSON. Code
 * without a change since the last run is skipped: its results are in `.mutants/`.
 *
 * Texts are not mutated: a message is not a guard, and the compiler refuses unknown error codes. Survivors
 * that no test can notice are listed with their reasons in `docs/testing.md`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const REPORT = new URL("../.mutants/report.json", import.meta.url);

const Report = z.object({
  files: z.record(
    z.string(),
    z.object({
      source: z.string(),
      mutants: z.array(
        z.object({
          mutatorName: z.string(),
          replacement: z.string().optional(),
          status: z.string(),
          location: z.object({ start: z.object({ line: z.int() }) }),
        }),
      ),
    }),
  ),
});

const files = process.argv.slice(2);
const stryker = spawn(
  "stryker",
  ["run", "bench/mutants/stryker.config.json", ...(files.length === 0 ? [] : ["--mutate", files.join(",")])],
  { cwd: ROOT, stdio: "inherit" },
);
const [code] = (await once(stryker, "exit")) as [number | null];
if (code !== 0) throw new Error(`stryker ended with code ${code}`);

const NOTICED = new Set(["Killed", "Timeout"]);
const MISSED = new Set(["Survived", "NoCoverage"]);

const report = Report.parse(JSON.parse(await readFile(REPORT, "utf8")));
let noticed = 0;
let missed = 0;
for (const [file, { source, mutants }] of Object.entries(report.files)) {
  const lines = source.split("\n");
  for (const { status, mutatorName, replacement = "", location } of mutants) {
    if (NOTICED.has(status)) noticed += 1;
    if (!MISSED.has(status)) continue;
    missed += 1;
    const { line } = location.start;
    console.log(
      `${file}:${line} ${status} ${mutatorName}: ${lines[line - 1]?.trim()}  =>  ${replacement.split("\n")[0]}`,
    );
  }
}
console.log(
  JSON.stringify({
    mutation_score: Number((noticed / Math.max(1, noticed + missed)).toFixed(4)),
    mutants: noticed + missed,
    missed,
  }),
);
