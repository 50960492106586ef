/**
 * @module
 * Prints at the end of a test run which files took the most processor time.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

const SHOWN_FILES = 10;

export interface FileTime {
  readonly file: string;
  readonly pid: number;
  /** Of the process since its start, at the end of the file. */
  readonly seconds: number;
}

declare module "vitest" {
  export interface ProvidedContext {
    /** File to which each test file adds a line. */
    processorTimes: string;
  }
}

/** Seconds by file, the costliest first. A process that ran several files has counted on from one to the next. */
export function costliestFiles(times: readonly FileTime[]): { readonly file: string; readonly seconds: number }[] {
  const before = new Map<number, number>();
  const byFile = new Map<string, number>();
  for (const { file, pid, seconds } of times) {
    byFile.set(file, (byFile.get(file) ?? 0) + seconds - (before.get(pid) ?? 0));
    before.set(pid, seconds);
  }
  return [...byFile].map(([file, seconds]) => ({ file, seconds })).sort((a, b) => b.seconds - a.seconds);
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "processor-times-"));
  const path = join(folder, "times.jsonl");
  await writeFile(path, "");
  project.provide("processorTimes", path);
  return async () => {
    const lines = (await readFile(path, "utf8")).split("\n").filter((line) => line !== "");
    await rm(folder, { recursive: true });
    const files = costliestFiles(lines.map((line) => JSON.parse(line) as FileTime));
    const total = files.reduce((sum, { seconds }) => sum + seconds, 0);
    console.log(`\nProcessor time of ${files.length} test files: ${total.toFixed(0)} s. The costliest:`);
    for (const { file, seconds } of files.slice(0, SHOWN_FILES))
      console.log(`${seconds.toFixed(1).padStart(7)} s  ${file}`);
  };
}
