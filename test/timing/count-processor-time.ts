/**
 * @module
 * Runs in the process of each test file and notes the processor time that the file took, its child processes included.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, inject } from "vitest";
import type { FileTime } from "./report-processor-time.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Linux counts the times of processes in hundredths of a second. */
const TICKS_PER_SECOND = 100;

/**
 * Seconds of this process and of the children that have ended.
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html fields 14 to 17
 */
function processorSeconds(): number {
  try {
    const [, rest = ""] = readFileSync("/proc/self/stat", "utf8").split(") ");
    const ticks = rest.split(" ").slice(11, 15).map(Number);
    return ticks.reduce((sum, one) => sum + one, 0) / TICKS_PER_SECOND;
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }
}

// Hooks run in the reverse order of their registration: this is the last, and the file's own hosts have ended.
afterAll(() => {
  const file = relative(ROOT, expect.getState().testPath ?? "");
  const time: FileTime = { file, pid: process.pid, seconds: processorSeconds() };
  appendFileSync(inject("processorTimes"), `${JSON.stringify(time)}\n`);
});
