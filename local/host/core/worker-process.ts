/**
 * @module
 * Keeps a worker process alive: starts it, hands it executions, kills it when one overstays, and starts the next.
 */

import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type {
  ErrorText,
  FromWorker,
  LoadedApp,
  ToWorker,
  WorkerInvocation,
  WorkerLogLine,
  WorkerOutcome,
} from "../worker/messages.ts";
import { HostStartError } from "./start-error.ts";

/** How long an app may take to load. */
const LOAD_TIMEOUT_MS = 60_000;

/** A worker that lived this long has proved itself: its end does not delay the next one. */
const HEALTHY_AFTER_MS = 10_000;

const FIRST_RESTART_DELAY_MS = 250;
const MAX_RESTART_DELAY_MS = 30_000;

/** How long a worker may take for its `appTerminate` hooks. */
const STOP_TIMEOUT_MS = 5_000;

export interface WorkerProcessOptions {
  readonly scriptRoot: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Arguments for Node, such as `--inspect`. */
  readonly nodeArguments: readonly string[];
  readonly onLog: (line: WorkerLogLine) => void;
  /** Called when a worker exits unexpectedly, and when the next one is ready. */
  readonly onEvent: (level: "warning" | "error" | "information", message: string) => void;
}

export interface WorkerProcess {
  readonly pid: number | undefined;
  readonly httpStreamUri: string | undefined;
  /** Starts the first worker. Fails when the app does not load. */
  start(): Promise<LoadedApp>;
  /**
   * Runs one function. Waits for a worker that is being restarted; never throws. An execution that takes longer than
   * `timeoutMs` ends its worker, and with it every other execution there.
   */
  invoke(invocation: WorkerInvocation, timeoutMs: number | undefined): Promise<WorkerOutcome>;
  /** Runs the app's `appTerminate` hooks, while executions go on. */
  announceStop(): void;
  /** Runs the app's `appTerminate` hooks, unless they have run, and ends the worker. */
  stop(): Promise<void>;
}

interface Running {
  settle(outcome: WorkerOutcome): void;
}

/** One life of the worker. */
interface Life {
  readonly child: ChildProcess;
  readonly running: Map<string, Running>;
  readonly ended: Promise<void>;
  readonly begunAt: number;
  /** Why the host itself ends it. */
  killedBecause?: string;
  /** Whether executions go to another worker already. */
  isReplaced?: boolean;
}

export function openWorkerProcess(options: WorkerProcessOptions): WorkerProcess {
  let life: Life | undefined;
  /** The worker to send executions to, once it has loaded. */
  let loaded: Promise<Life> = new Promise(() => undefined);
  let httpStreamUri: string | undefined;
  let quickEnds = 0;
  let isStopping = false;
  let restartTimer: NodeJS.Timeout | undefined;

  const begin = (): { life: Life; app: Promise<LoadedApp> } => {
    const child = fork(fileURLToPath(new URL("../worker/main.ts", import.meta.url)), [], {
      cwd: options.scriptRoot,
      env: options.environment,
      execArgv: ["--disable-warning=ExperimentalWarning", ...options.nodeArguments],
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      // An interrupt at the terminal is for the host, which ends the worker when its executions are done.
      detached: true,
    });
    forwardOutput(child, options.onLog);
    const running = new Map<string, Running>();
    let markEnded: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      markEnded = resolve;
    });
    const current: Life = { child, running, ended, begunAt: performance.now() };
    life = current;
    let hasLoaded = false;

    const app = new Promise<LoadedApp>((resolve, reject) => {
      const fail = (error: Error): void => {
        clearTimeout(impatience);
        reject(error);
      };
      const impatience = setTimeout(() => {
        fail(new HostStartError(`the app did not load within ${LOAD_TIMEOUT_MS / 1000} s`));
        child.kill("SIGKILL");
      }, LOAD_TIMEOUT_MS);

      child.on("message", (message: FromWorker) => {
        switch (message.kind) {
          case "loaded":
            hasLoaded = true;
            clearTimeout(impatience);
            httpStreamUri = message.app.httpStreamUri;
            resolve(message.app);
            return;
          case "load-failed":
            fail(new HostStartError(`the app did not load: ${message.error.stack || message.error.message}`));
            child.kill("SIGKILL");
            return;
          case "outcome":
            running.get(message.invocationId)?.settle(message.outcome);
            return;
          case "log":
            options.onLog(message.line);
            return;
        }
      });
      child.on("error", (error) => fail(error));
      child.once("exit", (code, signal) => {
        const how = current.killedBecause ?? `it ended with ${signal ?? `status ${code}`}`;
        fail(new HostStartError(`the app did not load: ${how}`));
        for (const execution of running.values()) {
          execution.settle({ ok: false, error: workerError(`the worker process is gone: ${how}`) });
        }
        markEnded();
        if (!isStopping && hasLoaded) replace(current, how);
      });
    });
    send(child, { kind: "load", scriptRoot: options.scriptRoot });
    return { life: current, app };
  };

  /** Sends executions to a new worker from now on, which starts when the old one is gone. */
  const replace = (old: Life, because: string): void => {
    if (old.isReplaced) return;
    old.isReplaced = true;
    quickEnds = performance.now() - old.begunAt > HEALTHY_AFTER_MS ? 0 : quickEnds + 1;
    options.onEvent("error", `worker process ${old.child.pid} ends (${because}); another is started`);
    loaded = old.ended.then(restart);
    // Waiting callers see the failure; there may be none.
    loaded.catch(() => undefined);
  };

  const restart = async (): Promise<Life> => {
    let delayMs = quickEnds <= 1 ? 0 : FIRST_RESTART_DELAY_MS * 2 ** (quickEnds - 2);
    for (;;) {
      await new Promise<void>((resolve) => {
        restartTimer = setTimeout(resolve, Math.min(delayMs, MAX_RESTART_DELAY_MS));
      });
      if (isStopping) throw new Error("the host is stopping");
      const { life: next, app } = begin();
      try {
        await app;
        options.onEvent("information", `worker process ${next.child.pid} is ready`);
        return next;
      } catch (error) {
        options.onEvent("error", error instanceof Error ? error.message : String(error));
        await next.ended;
        delayMs = Math.max(delayMs * 2, FIRST_RESTART_DELAY_MS);
      }
    }
  };

  return {
    get pid() {
      return life?.child.pid;
    },
    get httpStreamUri() {
      return httpStreamUri;
    },
    start: async () => {
      const begun = begin();
      loaded = begun.app.then(() => begun.life);
      loaded.catch(() => undefined);
      const app = await begun.app;
      options.onEvent("information", `worker process ${begun.life.child.pid} is ready`);
      return app;
    },
    invoke: async (invocation, timeoutMs) => {
      let current: Life;
      try {
        current = await loaded;
      } catch (error) {
        return { ok: false, error: workerError(error instanceof Error ? error.message : String(error)) };
      }
      return new Promise((resolve) => {
        let limit: NodeJS.Timeout | undefined;
        current.running.set(invocation.invocationId, {
          settle: (outcome) => {
            clearTimeout(limit);
            current.running.delete(invocation.invocationId);
            resolve(outcome);
          },
        });
        if (timeoutMs !== undefined) {
          limit = setTimeout(
            () => {
              const because = `function '${invocation.functionName}' took longer than functionTimeout, ${timeoutMs} ms`;
              current.running.get(invocation.invocationId)?.settle({
                ok: false,
                error: { name: "FunctionTimeoutError", message: because, stack: "" },
              });
              current.killedBecause = because;
              replace(current, because);
              current.child.kill("SIGKILL");
            },
            Math.min(timeoutMs, 2 ** 31 - 1),
          );
        }
        send(current.child, { kind: "invoke", invocation });
      });
    },
    announceStop: () => {
      if (life !== undefined) send(life.child, { kind: "terminating" });
    },
    stop: async () => {
      isStopping = true;
      clearTimeout(restartTimer);
      if (life === undefined) return;
      const { child, ended } = life;
      send(child, { kind: "stop" });
      const impatience = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      if (child.exitCode === null && child.signalCode === null) await ended;
      clearTimeout(impatience);
    },
  };
}

function send(child: ChildProcess, message: ToWorker): void {
  // A message to a worker that is about to go needs no answer of its own: "exit" ends what runs there.
  if (child.connected) child.send(message, () => undefined);
}

function workerError(message: string): ErrorText {
  return { name: "WorkerError", message, stack: "" };
}

/** Takes what the app prints by itself, line by line, into the log. */
function forwardOutput(child: ChildProcess, onLog: (line: WorkerLogLine) => void): void {
  const forward = (stream: NodeJS.ReadableStream | null, level: WorkerLogLine["level"]): void => {
    if (stream === null) return;
    createInterface(stream).on("line", (message) => onLog({ level, category: "user", message }));
  };
  forward(child.stdout, "information");
  forward(child.stderr, "error");
}
