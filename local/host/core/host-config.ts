/**
 * @module
 * `host.json`: allowed keys, those with an effect here, and the defaults of the real host.
 */

import { availableParallelism } from "node:os";
import { join } from "node:path";
import { isObject, readJsonObject, type Settings } from "./settings.ts";
import { HostStartError, USE_CORE_TOOLS } from "./start-error.ts";
import { parseTimeSpan } from "./time-span.ts";

export interface QueueConfig {
  /** Messages fetched at once, 1 to 32. */
  readonly batchSize: number;
  /** Number of running executions at or below which the next messages are fetched. */
  readonly newBatchThreshold: number;
  /** Deliveries after which a message goes to the poison queue. */
  readonly maxDequeueCount: number;
  /** How long a message stays invisible after a failure. */
  readonly visibilityTimeoutMs: number;
  readonly maxPollingIntervalMs: number;
  readonly messageEncoding: "base64" | "none";
}

export interface HostConfig {
  /** Undefined means no limit. */
  readonly functionTimeoutMs?: number;
  readonly routePrefix: string;
  readonly queues: QueueConfig;
  readonly durableTask: {
    readonly hubName: string;
    readonly connection: string;
    readonly concurrentActivities: number;
    readonly concurrentOrchestrations: number;
  };
  /** `logging.logLevel`: levels by category, `default` among them. */
  readonly logLevels: Readonly<Record<string, string>>;
  /** The only functions to run, when given. */
  readonly functions?: readonly string[];
  readonly warnings: readonly string[];
}

/** The real host's default outside the Consumption plan. */
const DEFAULT_FUNCTION_TIMEOUT_MS = 30 * 60_000;

/** The real host's default; this host polls faster, see `queue-listener.ts`. */
const DEFAULT_MAX_POLLING_INTERVAL_MS = 60_000;

/** Any value, without a look inside. */
const OPAQUE = "opaque";

interface Shape {
  readonly [key: string]: Shape | typeof OPAQUE;
}

/** Every key that the real host knows and that matters to an app of the supported kinds. */
const SHAPE: Shape = {
  $schema: OPAQUE,
  version: OPAQUE,
  functionTimeout: OPAQUE,
  functions: OPAQUE,
  telemetryMode: OPAQUE,
  logging: OPAQUE,
  extensionBundle: OPAQUE,
  healthMonitor: OPAQUE,
  singleton: OPAQUE,
  watchDirectories: OPAQUE,
  watchFiles: OPAQUE,
  concurrency: OPAQUE,
  customHandler: OPAQUE,
  retry: OPAQUE,
  extensions: {
    http: {
      routePrefix: OPAQUE,
      maxOutstandingRequests: OPAQUE,
      maxConcurrentRequests: OPAQUE,
      dynamicThrottlesEnabled: OPAQUE,
      hsts: OPAQUE,
      customHeaders: OPAQUE,
    },
    queues: {
      batchSize: OPAQUE,
      newBatchThreshold: OPAQUE,
      maxDequeueCount: OPAQUE,
      visibilityTimeout: OPAQUE,
      maxPollingInterval: OPAQUE,
      messageEncoding: OPAQUE,
    },
    blobs: OPAQUE,
    tables: OPAQUE,
    durableTask: OPAQUE,
  },
};

/** Prefix of app settings that override `host.json`, as in `AzureFunctionsJobHost__functionTimeout`. */
const OVERRIDE_PREFIX = "AzureFunctionsJobHost__";

/** What an app may count on in Azure and does not get here. */
const IGNORED: readonly string[] = [
  "retry",
  "concurrency",
  "extensions.http.maxOutstandingRequests",
  "extensions.http.maxConcurrentRequests",
  "extensions.http.dynamicThrottlesEnabled",
  "extensions.http.customHeaders",
  "extensions.http.hsts",
];

/**
 * Reads `host.json` with its overrides from app settings.
 *
 * @throws HostStartError naming every value that is out of range or not supported
 */
export async function readHostConfig(scriptRoot: string, settings: Settings): Promise<HostConfig> {
  const path = join(scriptRoot, "host.json");
  const file = await readJsonObject(path);
  if (file === undefined) throw new HostStartError(`${path} does not exist: a function app has one at its root`);
  return parseHostConfig(file, settings);
}

/** Makes sense of the content of `host.json`; see {@link readHostConfig}. */
export function parseHostConfig(file: Record<string, unknown>, settings: Settings): HostConfig {
  const warnings: string[] = [];
  const problems: string[] = [];
  const root = adopt(withOverrides(file, settings), SHAPE, "", warnings);
  const read = new Reader(root, problems);

  if (read.text("version", "") !== "2.0") problems.push(`host.json: 'version' must be "2.0"`);
  if (isObject(root["customHandler"])) {
    problems.push(`host.json: 'customHandler' is not supported by this host: ${USE_CORE_TOOLS}`);
  }
  const storage = read.object("extensions.durableTask.storageProvider");
  const storageType = String(storage["type"] ?? "AzureStorage");
  if (storageType.toLowerCase() !== "azurestorage") {
    problems.push(`host.json: the durable storage provider '${storageType}' is not supported: ${USE_CORE_TOOLS}`);
  }
  for (const ignored of IGNORED) {
    if (read.value(ignored) !== undefined) warnings.push(`host.json: '${ignored}' has no effect in this host`);
  }

  const hubName = settings.expand(read.text("extensions.durableTask.hubName", "TestHubName"), "host.json 'hubName'");
  if (!/^[A-Za-z][A-Za-z0-9]{2,44}$/.test(hubName)) {
    problems.push(`host.json: 'extensions.durableTask.hubName' must be 3 to 45 letters and digits, letter first`);
  }
  const encoding = read.text("extensions.queues.messageEncoding", "base64").toLowerCase();
  if (encoding !== "base64" && encoding !== "none") {
    problems.push(`host.json: 'extensions.queues.messageEncoding' must be base64 or none`);
  }
  const batchSize = read.integer("extensions.queues.batchSize", 16, 1, 32);
  const defaultLimit = 10 * availableParallelism();
  const functionTimeoutMs = read.functionTimeout();
  const functions = root["functions"];
  const config: HostConfig = {
    ...(functionTimeoutMs !== undefined && { functionTimeoutMs }),
    routePrefix: read.text("extensions.http.routePrefix", "api").replaceAll(/^\/+|\/+$/g, ""),
    queues: {
      batchSize,
      newBatchThreshold: read.integer("extensions.queues.newBatchThreshold", Math.floor(batchSize / 2), 0, 1000),
      maxDequeueCount: read.integer("extensions.queues.maxDequeueCount", 5, 1, 1_000_000),
      visibilityTimeoutMs: read.timeSpan("extensions.queues.visibilityTimeout", 0),
      maxPollingIntervalMs: read.timeSpan("extensions.queues.maxPollingInterval", DEFAULT_MAX_POLLING_INTERVAL_MS),
      messageEncoding: encoding === "none" ? "none" : "base64",
    },
    durableTask: {
      hubName,
      connection: String(storage["connectionName"] ?? storage["connectionStringName"] ?? "AzureWebJobsStorage"),
      concurrentActivities: read.integer(
        "extensions.durableTask.maxConcurrentActivityFunctions",
        defaultLimit,
        1,
        10_000,
      ),
      concurrentOrchestrations: read.integer(
        "extensions.durableTask.maxConcurrentOrchestratorFunctions",
        defaultLimit,
        1,
        10_000,
      ),
    },
    logLevels: Object.fromEntries(
      Object.entries(read.object("logging.logLevel")).map(([category, level]) => [category, String(level)]),
    ),
    ...(Array.isArray(functions) && { functions: functions.map(String) }),
    warnings,
  };
  if (problems.length > 0) throw HostStartError.of(problems);
  return config;
}

/** Lays `AzureFunctionsJobHost__a__b = value` over the file. */
function withOverrides(file: Record<string, unknown>, settings: Settings): Record<string, unknown> {
  const root = structuredClone(file);
  for (const { rest, value } of settings.below(OVERRIDE_PREFIX)) {
    const keys = rest.split(":");
    const last = keys.pop();
    if (last === undefined) continue;
    let at = root;
    for (const key of keys) {
      const known = findKey(at, key) ?? key;
      const next = at[known];
      const child = isObject(next) ? next : {};
      at[known] = child;
      at = child;
    }
    at[findKey(at, last) ?? last] = value;
  }
  return root;
}

function findKey(object: Readonly<Record<string, unknown>>, key: string): string | undefined {
  return Object.keys(object).find((candidate) => candidate.toLowerCase() === key.toLowerCase());
}

/** Gives every key the spelling of `shape`, and warns of keys that it does not have. */
function adopt(
  value: Record<string, unknown>,
  shape: Shape,
  path: string,
  warnings: string[],
): Record<string, unknown> {
  const adopted: Record<string, unknown> = {};
  for (const [key, child] of Object.entries(value)) {
    const known = findKey(shape, key);
    const inner = known === undefined ? undefined : shape[known];
    if (known === undefined || inner === undefined) {
      warnings.push(`host.json: '${path}${key}' is not known and has no effect`);
    } else {
      adopted[known] = inner !== OPAQUE && isObject(child) ? adopt(child, inner, `${path}${known}.`, warnings) : child;
    }
  }
  return adopted;
}

/** Reads values by dotted path, with defaults and ranges; what is wrong is added to `problems`. */
class Reader {
  readonly #root: Record<string, unknown>;
  readonly #problems: string[];

  constructor(root: Record<string, unknown>, problems: string[]) {
    this.#root = root;
    this.#problems = problems;
  }

  value(path: string): unknown {
    let at: unknown = this.#root;
    for (const key of path.split(".")) {
      if (!isObject(at)) return undefined;
      at = at[findKey(at, key) ?? key];
    }
    return at;
  }

  object(path: string): Record<string, unknown> {
    const value = this.value(path);
    return isObject(value) ? value : {};
  }

  text(path: string, fallback: string): string {
    const value = this.value(path);
    return value === undefined ? fallback : String(value);
  }

  integer(path: string, fallback: number, from: number, to: number): number {
    const value = this.value(path);
    if (value === undefined) return fallback;
    const number = Number(value);
    if (!Number.isInteger(number) || number < from || number > to) {
      this.#problems.push(`host.json: '${path}' must be a whole number from ${from} to ${to}`);
    }
    return number;
  }

  timeSpan(path: string, fallbackMs: number): number {
    const value = this.value(path);
    if (value === undefined) return fallbackMs;
    const ms = typeof value === "number" ? value : parseTimeSpan(String(value));
    if (ms === undefined) this.#problems.push(`host.json: '${path}' must be a time span like "00:00:30"`);
    return ms ?? fallbackMs;
  }

  functionTimeout(): number | undefined {
    const value = this.value("functionTimeout");
    if (value === "-1" || value === -1) return undefined;
    const ms = this.timeSpan("functionTimeout", DEFAULT_FUNCTION_TIMEOUT_MS);
    if (ms <= 0) this.#problems.push("host.json: 'functionTimeout' must be more than zero, or -1 for no limit");
    return ms;
  }
}
