/**
 * @module
 * How long tests took, from the JSON report of vitest.
 */
import { z } from "zod";
import type { Table } from "../table.ts";

export interface TestTimes {
  /** Seconds from the start of a file's first test to the end of its last. Vitest does not report earlier work. */
  readonly files: ReadonlyMap<string, number>;
  /** Seconds by `path: name`; tests of one name are summed up. */
  readonly tests: ReadonlyMap<string, number>;
  /** From the start of the first test of all to the end of the last. */
  readonly wallSeconds: number;
}

export interface TestRun {
  readonly name: string;
  readonly times: TestTimes;
}

const SLOWEST = 10;

/** Start of a path in the project, wherever the run was. */
const PROJECT_FOLDER = /^.*\/(?=(?:src|functions|test|local|bench)\/)/;

const Report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      startTime: z.number(),
      endTime: z.number(),
      assertionResults: z.array(z.object({ fullName: z.string(), duration: z.number().nullish() })),
    }),
  ),
});

/**
 * Reads a report of `vitest --reporter=json`.
 *
 * @param report - its JSON, parsed
 * @throws ZodError when it is not a report
 */
export function readTestTimes(report: unknown): TestTimes {
  const files = new Map<string, number>();
  const tests = new Map<string, number>();
  const add = (times: Map<string, number>, name: string, ms: number): void => {
    times.set(name, (times.get(name) ?? 0) + ms / 1_000);
  };
  let [begun, ended] = [Number.POSITIVE_INFINITY, 0];
  for (const { name, startTime, endTime, assertionResults } of Report.parse(report).testResults) {
    const path = name.replaceAll("\\", "/").replace(PROJECT_FOLDER, "");
    add(files, path, endTime - startTime);
    for (const { fullName, duration } of assertionResults) add(tests, `${path}: ${fullName}`, duration ?? 0);
    [begun, ended] = [Math.min(begun, startTime), Math.max(ended, endTime)];
  }
  return { files, tests, wallSeconds: Math.max(0, ended - begun) / 1_000 };
}

/** Seconds by file, the slowest of the last run first; then their sum, and the elapsed time. */
export function tabulateFileTimes(runs: readonly TestRun[]): Table {
  const total = (times: TestTimes): number => [...times.files.values()].reduce((sum, seconds) => sum + seconds, 0);
  return {
    head: ["seconds by file", ...runs.map(({ name }) => name)],
    rows: [
      ...slowestFirst(runs, "files"),
      ["total", ...runs.map(({ times }) => formatSeconds(total(times)))],
      ["from start to end", ...runs.map(({ times }) => formatSeconds(times.wallSeconds))],
    ],
  };
}

/** Seconds of the ten slowest tests of the last run, and of the same tests in the other run. */
export function tabulateSlowest(runs: readonly TestRun[]): Table {
  return {
    head: ["slowest tests", ...runs.map(({ name }) => name)],
    rows: slowestFirst(runs, "tests").slice(0, SLOWEST),
  };
}

function slowestFirst(runs: readonly TestRun[], kind: "files" | "tests"): string[][] {
  const last = runs.at(-1)?.times[kind];
  const names = new Set(runs.flatMap(({ times }) => [...times[kind].keys()]));
  return [...names]
    .sort((a, b) => (last?.get(b) ?? 0) - (last?.get(a) ?? 0))
    .map((name) => [name, ...runs.map(({ times }) => formatSeconds(times[kind].get(name)))]);
}

function formatSeconds(seconds: number | undefined): string {
  return seconds?.toFixed(1) ?? "";
}
