/**
 * @module
 * The embedded Functions host: puts its parts together, in the order in which they need each other.
 */

import { join, resolve } from "node:path";
import { isCutAnswer } from "../durable/cut-answers.ts";
import type { FunctionDefinition, HostClock, HostLog } from "../protocol.ts";
import type { WorkerLogLine } from "../worker/messages.ts";
import { openAdminApi } from "./admin.ts";
import {
  connectionId,
  DEFAULT_CONNECTION,
  describeConnection,
  findConnection,
  resolveConnection,
} from "./connections.ts";
import type { DurableSide } from "./durable.ts";
import { takeExclusiveLock } from "./exclusive-lock.ts";
import { openExecutions } from "./executions.ts";
import { type HostConfig, readHostConfig } from "./host-config.ts";
import { type HttpServer, openHttpServer, type TlsFiles } from "./http-server.ts";
import { type Keys, openKeys } from "./keys.ts";
import { type LogBook, openLog } from "./log.ts";
import { openOutputs } from "./outputs.ts";
import { connectionOf, isType, prepareFunctions } from "./prepare-functions.ts";
import { type HttpRoute, listHttpRoutes, openRouter } from "./router.ts";
import { readLocalSettings, type Settings } from "./settings.ts";
import { HostStartError, USE_CORE_TOOLS } from "./start-error.ts";
import { systemClock } from "./system-clock.ts";
import { openTriggers, type Triggers } from "./triggers.ts";
import { openWorkerProcess } from "./worker-process.ts";

/** The port of `func start`. */
export const DEFAULT_PORT = 7071;

/** Timeout of running executions when the host stops, before their worker is ended. */
const STOP_PATIENCE_MS = 10_000;

export interface HostOptions {
  /** Folder of the app: `host.json`, `package.json`, `local.settings.json`. */
  readonly scriptRoot: string;
  /** 0 for any that is free; without it `Host.LocalHttpPort` of the settings, or {@link DEFAULT_PORT}. */
  readonly port?: number;
  /** Serves https with these. */
  readonly tls?: TlsFiles;
  /** Requires keys of callers; without it access is open, like `func start`. */
  readonly enableAuth?: boolean;
  /** Behaves as in Azure where that slows down development: polling, leases, keys. See `README.md`. */
  readonly production?: boolean;
  /** Where keys are kept; `.lakevault` in the app's folder by default. */
  readonly stateFolder?: string;
  /** App settings that win over `local.settings.json`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock?: HostClock;
  /** Takes each line of the log. */
  readonly writeLine: (line: string) => void;
}

/** A function as the host shows it. */
export interface HostedFunction {
  readonly name: string;
  /** The type of its trigger, such as `httpTrigger`. */
  readonly trigger: string;
  /** For HTTP functions: methods and address. */
  readonly methods?: readonly string[];
  readonly url?: string;
}

export interface Host {
  /** `http://127.0.0.1:7071`, without a slash. */
  readonly baseUrl: string;
  readonly functions: readonly HostedFunction[];
  /** Undefined when callers need none. */
  readonly keys: Keys | undefined;
  readonly workerPid: number | undefined;
  /** Starts nothing new, waits for running executions up to a timeout, and ends the worker. */
  stop(): Promise<void>;
}

/**
 * Starts the host; when it returns, all triggers are live.
 *
 * @throws HostStartError when the app or its settings do not allow it; nothing is left running then
 */
export async function startHost(options: HostOptions): Promise<Host> {
  for (let tried = 1; ; tried++) {
    const undo: (() => Promise<unknown>)[] = [];
    try {
      return await start(options, undo);
    } catch (error) {
      for (const step of undo.reverse()) await step();
      if (!isCutAnswer(error) || tried === MAX_STARTS) throw error;
    }
  }
}

/** Retries a start in which an answer of the storage account was cut. */
const MAX_STARTS = 3;

async function start(options: HostOptions, undo: (() => Promise<unknown>)[]): Promise<Host> {
  const scriptRoot = resolve(options.scriptRoot);
  const book = openLog(options.writeLine);
  const log = book.category("Host");

  const local = await readLocalSettings(scriptRoot, options.environment);
  const { settings } = local;
  const config = await readHostConfig(scriptRoot, settings);
  book.filterBy(config.logLevels);
  for (const warning of [...local.warnings, ...config.warnings]) log.warn(warning);

  const runtime = settings.get("FUNCTIONS_WORKER_RUNTIME") ?? "node";
  if (runtime !== "node") {
    throw new HostStartError(
      `FUNCTIONS_WORKER_RUNTIME is '${runtime}', and this host runs node only: ${USE_CORE_TOOLS}`,
    );
  }

  const { hubName } = config.durableTask;
  const hubStorage = findConnection(settings, config.durableTask.connection);
  const hostId = hubStorage === undefined ? hubName : `${connectionId(hubStorage)}-${hubName}`;
  if (hubStorage !== undefined) {
    const what = `${describeConnection(hubStorage)} and task hub '${hubName}'`;
    undo.push((await takeExclusiveLock(hostId, what, scriptRoot)).release);
  }

  const port = options.port ?? local.port ?? DEFAULT_PORT;
  const server = await openHttpServer(port, options.tls, book.category("Host.Http"));
  undo.push(server.close);

  let triggers: Triggers | undefined;
  // Executions that end with the worker still have a message to give back.
  undo.push(async () => within(STOP_PATIENCE_MS, triggers?.drain()));
  const worker = openWorkerProcess({
    scriptRoot,
    environment: workerEnvironment(settings, server, options.production ?? false),
    nodeArguments: (settings.get("languageWorkers__node__arguments") ?? "").split(/\s+/).filter((word) => word !== ""),
    onLog: (line) => logOfWorker(book, line),
    onEvent: (level, message) => log.at(level, message),
  });
  undo.push(worker.stop);
  // The storage packages take a third of a second to load, about as long as the worker needs for the app.
  const [app, { openStorage }, { openDurable, isDurable }] = await Promise.all([
    worker.start(),
    import("./storage.ts"),
    import("./durable.ts"),
  ]);

  const functions = prepareFunctions(app.functions, config, settings);
  const routes = listHttpRoutes(functions, config.routePrefix);
  warnOfRetries(functions, log);
  const keyFile = join(options.stateFolder ?? join(scriptRoot, ".lakevault"), "host-keys.json");
  const keys = await openKeys(
    keyFile,
    functions.map(({ name }) => name),
  );

  const storage = openStorage();
  const needsDurable = functions.some(isDurable);
  await Promise.all(
    connectionsInUse(functions, config, settings, needsDurable).map((connection) => storage.check(connection)),
  );

  let durable: DurableSide | undefined;
  const executions = openExecutions({
    functions,
    worker,
    writeOutputs: openOutputs({
      storage,
      connect: (binding) => resolveConnection(settings, connectionOf(binding), `a ${binding.type} binding`),
      messageEncoding: config.queues.messageEncoding,
      onQueued: (connectionString, queueName) => triggers?.wake(connectionString, queueName),
    }),
    clientBinding: () => durable?.clientBinding() ?? "{}",
    ...(config.functionTimeoutMs !== undefined && { timeoutMs: config.functionTimeoutMs }),
    log: book,
  });
  const clock = options.clock ?? systemClock;
  if (needsDurable) {
    const { baseUrl } = server;
    durable = await openDurable({
      functions,
      config,
      settings,
      executions,
      baseUrl,
      systemKey: keys.durable,
      clock,
      log: book,
    });
    const { close, stop } = durable;
    undo.push(close, async () => within(STOP_PATIENCE_MS, stop()));
    await durable.start();
  }
  triggers = await openTriggers({
    ...{ functions, config, settings, executions, storage, clock, log: book },
    isProduction: options.production ?? false,
  });
  undo.push(triggers.stop);
  await triggers.start();

  const shownKeys = (options.enableAuth ?? options.production) ? keys : undefined;
  const routeOf = (name: string): HttpRoute | undefined => routes.find(({ functionName }) => functionName === name);
  server.serve(
    openRouter({
      routes,
      admin: openAdminApi({
        hostId,
        baseUrl: server.baseUrl,
        functions,
        routeOf: (name) => routeOf(name)?.route.template,
        keys,
        runTimer: triggers.runTimer,
        invoke: executions.invoke,
      }),
      durable: durable?.host,
      executions,
      keys: shownKeys,
      httpStreamUri: () => worker.httpStreamUri,
      log: book,
    }),
  );

  return {
    baseUrl: server.baseUrl,
    keys: shownKeys,
    functions: functions.map(({ name, trigger }) => {
      const http = routeOf(name);
      const url = http && `${server.baseUrl}/${http.route.template}`;
      return { name, trigger: trigger.type, ...(url !== undefined && { methods: http?.methods ?? [], url }) };
    }),
    get workerPid() {
      return worker.pid;
    },
    stop: async () => {
      const requests = server.suspend();
      await triggers.stop();
      // Nothing new starts, so running executions may leave their rest to the next host.
      worker.announceStop();
      await within(STOP_PATIENCE_MS, Promise.all([requests, triggers.drain()]));
      for (const step of undo.reverse()) await step();
    },
  };
}

/** Waits for work, but not longer than `ms`. */
async function within(ms: number, work: Promise<unknown> | undefined): Promise<void> {
  let impatience: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    impatience = setTimeout(resolve, ms);
  });
  await Promise.race([work, patience]);
  clearTimeout(impatience);
}

function workerEnvironment(settings: Settings, server: HttpServer, isProduction: boolean): Record<string, string> {
  return {
    FUNCTIONS_WORKER_RUNTIME: "node",
    AZURE_FUNCTIONS_ENVIRONMENT: isProduction ? "Production" : "Development",
    ...settings.toEnvironment(),
    // Without it, the durable client takes its URLs to be those of port 7071.
    WEBSITE_HOSTNAME: `127.0.0.1:${server.port}`,
  };
}

function logOfWorker(book: LogBook, line: WorkerLogLine): void {
  const { functionName, level, message } = line;
  if (functionName === undefined) book.category("Worker").at(level, message);
  else book.category(`Function.${functionName}.User`).at(level, `[${functionName}] ${message}`);
}

/** The real host obeys retry policies of timers only, among the triggers that this host has. */
function warnOfRetries(functions: readonly FunctionDefinition[], log: HostLog): void {
  for (const { name, trigger, retryOptions } of functions) {
    if (retryOptions !== undefined && !isType(trigger, "timerTrigger")) {
      log.warn(`function '${name}': a retry policy has no effect on a ${trigger.type}`);
    }
  }
}

/** The storage accounts without which the app's triggers cannot work. */
function connectionsInUse(
  functions: readonly FunctionDefinition[],
  config: HostConfig,
  settings: Settings,
  needsDurable: boolean,
): string[] {
  const names = functions.flatMap(({ trigger }) => {
    if (isType(trigger, "timerTrigger")) return [DEFAULT_CONNECTION];
    return isType(trigger, "queueTrigger") ? [connectionOf(trigger)] : [];
  });
  if (needsDurable) names.push(config.durableTask.connection);
  // Those of triggers have been found once already, so that the hub's is the only one that can be missing.
  return [...new Set(names.map((name) => resolveConnection(settings, name, "the durable task hub")))];
}
