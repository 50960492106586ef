/**
 * @module
 * Runs the host as a process of its own, for tests that kill it.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { MovableTime } from "./movable-time.ts";

/** How long a host may take to be ready on a busy machine; alone it takes less than a second. */
const START_TIMEOUT_MS = 60_000;

const STOP_TIMEOUT_MS = 30_000;

/** How long a line of the log may keep a test waiting. */
const LINE_TIMEOUT_MS = 60_000;

export interface TestHostOptions {
  /** Folder of the app. */
  readonly app: string;
  /** App settings; of this process's environment, the host gets no other than PATH and HOME. */
  readonly settings: Readonly<Record<string, string>>;
  /** Further arguments of `local/host/main.ts`. */
  readonly arguments?: readonly string[];
  /** Folder for keys, to be shared by several hosts; otherwise one that ends with the host. */
  readonly stateFolder?: string;
  /**
   * The time that host and app follow; the machine's by default. Timers that a move made due run once, as after a
   * sleep.
   */
  readonly time?: MovableTime;
}

export interface TestHost {
  /** `http://127.0.0.1:PORT`, without a slash. */
  readonly baseUrl: string;
  readonly pid: number;
  /** Timeout from the start of the process to the line with its address. */
  readonly startedInMs: number;
  /** All that host and app have printed, line by line. */
  readonly output: readonly string[];
  /** Waits for the next line that is printed and matches. @throws Error with the last lines, when none comes in time */
  nextLine(pattern: RegExp): Promise<string>;
  /** The process id of the worker that runs the app now. */
  workerPid(): number;
  /** Kills host and worker at once, as a power failure would. */
  kill(): Promise<void>;
  /** Interrupts the host, which ends in its own order; answers its exit status. */
  stop(): Promise<number | null>;
}

/** A host that ended before it was ready; the message is what it printed. */
export class TestHostEnded extends Error {
  override readonly name = "TestHostEnded";
  readonly status: number | null;

  constructor(status: number | null, output: readonly string[]) {
    super(output.join("\n"));
    this.status = status;
  }
}

/**
 * Starts a host on a free port, and waits until all its triggers are live.
 *
 * @throws TestHostEnded when it refuses to start
 */
export async function startTestHost(options: TestHostOptions): Promise<TestHost> {
  const stateFolder = options.stateFolder ?? (await mkdtemp(join(tmpdir(), "test-host-")));
  const begunAt = performance.now();
  const { time } = options;
  const main = fileURLToPath(new URL(time === undefined ? "../main.ts" : "movable-host.ts", import.meta.url));
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(
    process.execPath,
    [
      ...["--disable-warning=ExperimentalWarning", ...(time === undefined ? [] : [time.nodeArgument])],
      ...[main, "--port", "0"],
      ...["--script-root", options.app, "--state", stateFolder, ...(options.arguments ?? [])],
    ],
    {
      env: {
        ...{ PATH, HOME },
        ...(time === undefined ? {} : { languageWorkers__node__arguments: time.nodeArgument }),
        ...options.settings,
      },
      stdio: ["ignore", "pipe", "pipe", ...(time === undefined ? [] : (["ipc"] as const))],
    },
  );
  const forgetTime = time?.onMove((moment) => tellOfMove(child, moment));
  const output: string[] = [];
  const lines: Lines = new EventEmitter();
  lines.on("line", (line) => output.push(line));
  const ended = new Promise<number | null>((resolve) => {
    child.once("exit", async (status) => {
      forgetTime?.();
      if (options.stateFolder === undefined) await rm(stateFolder, { recursive: true, force: true });
      resolve(status);
    });
  });

  let baseUrl: string;
  try {
    baseUrl = await waitForAddress(child, lines, output, ended);
  } catch (error) {
    child.kill("SIGKILL");
    await ended;
    throw error;
  }
  const startedInMs = performance.now() - begunAt;

  const workerPid = (): number => {
    const ready = output.findLast((line) => /worker process \d+ is ready/.test(line));
    const pid = Number(/worker process (\d+)/.exec(ready ?? "")?.[1]);
    if (!(pid > 0)) throw new Error("the host has not told of a worker");
    return pid;
  };
  return {
    baseUrl,
    pid: child.pid ?? 0,
    startedInMs,
    output,
    nextLine: (pattern) => nextLine(lines, output, pattern),
    workerPid,
    kill: async () => {
      const worker = workerPid();
      child.kill("SIGKILL");
      killIfThere(worker);
      await ended;
    },
    stop: async () => {
      child.kill("SIGINT");
      const impatience = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      const status = await ended;
      clearTimeout(impatience);
      return status;
    },
  };
}

/** Waits until the host has come to rest; one that is gone is at rest. */
async function tellOfMove(child: ChildProcess, moment: "moving" | "moved"): Promise<void> {
  if (!child.connected) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      child.off("message", done).off("exit", done);
      resolve();
    };
    child.on("message", done).on("exit", done);
    child.send(moment, () => undefined);
  });
}

type Lines = EventEmitter<{ line: [string] }>;

async function nextLine(lines: Lines, output: readonly string[], pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const look = (line: string): void => {
      if (!pattern.test(line)) return;
      end();
      resolve(line);
    };
    const impatience = setTimeout(() => {
      end();
      reject(new Error(`no line came that matches ${pattern}; the last were:\n${output.slice(-20).join("\n")}`));
    }, LINE_TIMEOUT_MS);
    const end = (): void => {
      clearTimeout(impatience);
      lines.off("line", look);
    };
    lines.on("line", look);
  });
}

async function waitForAddress(
  child: ChildProcess,
  lines: Lines,
  output: readonly string[],
  ended: Promise<number | null>,
): Promise<string> {
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error("the host was started without pipes");
  return new Promise((resolve, reject) => {
    const impatience = setTimeout(
      () => reject(new Error(`the host was not ready in time:\n${output.join("\n")}`)),
      START_TIMEOUT_MS,
    );
    for (const stream of [stdout, stderr]) {
      createInterface(stream).on("line", (line) => {
        lines.emit("line", line);
        const address = /^listening on (\S+)$/.exec(line)?.[1];
        if (address === undefined) return;
        clearTimeout(impatience);
        resolve(address);
      });
    }
    // "close" and not "exit", for the last lines to be there.
    child.once("close", () => {
      clearTimeout(impatience);
      void ended.then((status) => reject(new TestHostEnded(status, output)));
    });
  });
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
