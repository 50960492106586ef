/**
 * @module
 * Connects the durable engine to the host: its functions, its store, and the private address that the app's durable
 * client calls.
 */

import { randomBytes } from "node:crypto";
import { openDurableHost } from "../durable/engine.ts";
import type { DurableHost, FunctionDefinition, HostClock } from "../protocol.ts";
import { resolveConnection } from "./connections.ts";
import type { Executions } from "./executions.ts";
import type { HostConfig } from "./host-config.ts";
import { openHttpServer } from "./http-server.ts";
import { end } from "./http-trigger.ts";
import type { LogBook } from "./log.ts";
import { isType } from "./prepare-functions.ts";
import { runDurable } from "./router.ts";
import type { Settings } from "./settings.ts";

export interface DurableOptions {
  readonly functions: readonly FunctionDefinition[];
  readonly config: HostConfig;
  readonly settings: Settings;
  readonly executions: Executions;
  readonly baseUrl: string;
  readonly systemKey: string;
  readonly clock: HostClock;
  readonly log: LogBook;
}

export interface DurableSide {
  readonly host: DurableHost;
  readonly clientBinding: () => string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Ends the private address. */
  close(): Promise<void>;
}

/** Whether an app needs the durable side. */
export function isDurable({ trigger, inputs }: FunctionDefinition): boolean {
  return (
    isType(trigger, "orchestrationTrigger") ||
    isType(trigger, "activityTrigger") ||
    inputs.some((input) => isType(input, "durableClient"))
  );
}

export async function openDurable(options: DurableOptions): Promise<DurableSide> {
  const { hubName, connection, concurrentActivities, concurrentOrchestrations } = options.config.durableTask;
  const host = openDurableHost({
    functions: options.functions,
    invoker: options.executions,
    connectionString: resolveConnection(options.settings, connection, "the durable task hub"),
    taskHubName: hubName,
    baseUrl: () => options.baseUrl,
    systemKey: () => options.systemKey,
    clock: options.clock,
    log: options.log.category("Host.Triggers.DurableTask"),
    limits: { concurrentActivities, concurrentOrchestrations },
  });

  // The app's client shows no key, and may not trust the certificate of the public address. So it gets an address of
  // its own, which nobody else can guess.
  const log = options.log.category("Host.Triggers.DurableTask");
  const server = await openHttpServer(0, undefined, { ...log, info: log.debug });
  const prefix = `/${randomBytes(16).toString("hex")}/durabletask/`;
  server.serve(async (request, response, url) => {
    if (url.pathname.startsWith(prefix)) await runDurable(host, prefix, request, response, url);
    else end(response, 404);
  });
  const rpcBaseUrl = `${server.baseUrl}${prefix}`;

  return {
    host,
    clientBinding: () => JSON.stringify({ ...JSON.parse(host.clientBinding()), rpcBaseUrl }),
    start: host.start.bind(host),
    stop: host.stop.bind(host),
    close: server.close,
  };
}
