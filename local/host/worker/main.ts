/**
 * @module
 * The worker process: loads the given app and runs functions until it is stopped or its host is gone.
 */

import "./compile-cache.ts";
import { flushCompileCache } from "node:module";
import { Worker } from "node:worker_threads";
import type { App } from "./app.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

// Not imported statically: those imports would be compiled before the cache is there.
const { loadApp } = await import("./app.ts");
const { errorText } = await import("./messages.ts");

/** Another parent means that the host is gone. */
const hostPid = process.ppid;

let app: App | undefined;

function send(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}

async function handle(message: ToWorker): Promise<void> {
  switch (message.kind) {
    case "load":
      try {
        const loaded = await loadApp(message.scriptRoot, (line) => send({ kind: "log", line }));
        app = loaded;
        const { functions, httpStreamUri } = loaded;
        send({ kind: "loaded", app: { functions, ...(httpStreamUri !== undefined && { httpStreamUri }) } });
        setImmediate(() => {
          guardAgainstLoops();
          flushCompileCache();
        });
      } catch (error) {
        send({ kind: "load-failed", error: errorText(error) });
      }
      return;
    case "invoke": {
      const { invocation } = message;
      if (app === undefined) throw new Error("the host asked for an execution before the app was loaded");
      send({ kind: "outcome", invocationId: invocation.invocationId, outcome: await app.invoke(invocation) });
      return;
    }
    case "terminating":
      await terminate();
      return;
    case "stop":
      await terminate();
      process.disconnect();
      return;
  }
}

let terminated: Promise<void> | undefined;

/** Runs the app's hooks once. */
function terminate(): Promise<void> {
  terminated ??= (app?.terminate() ?? Promise.resolve()).catch((error: unknown) => {
    send({ kind: "log", line: { level: "error", category: "system", message: errorText(error).message } });
  });
  return terminated;
}

process.on("message", (message: ToWorker) => void handle(message));
// Without its host a worker must not go on: what it still does would meet the executions of the next host.
process.on("disconnect", () => process.exit(0));

/** Ends this process with its host even while a function never yields, and so keeps "disconnect" from being seen. */
function guardAgainstLoops(): void {
  const guard = `const host = ${hostPid};
    setInterval(() => { if (process.ppid !== host) process.kill(process.pid, "SIGKILL"); }, 500);`;
  new Worker(guard, { eval: true }).unref();
}
