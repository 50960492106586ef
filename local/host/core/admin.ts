/**
 * @module
 * The host's own HTTP API below `/admin`: status, functions, running a function by hand, keys.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { FunctionDefinition, InvocationRequest } from "../protocol.ts";
import { EMULATED_HOST_VERSION } from "../worker/core-api.ts";
import { readBody } from "./http-body.ts";
import { end } from "./http-trigger.ts";
import type { Keys } from "./keys.ts";
import { isType } from "./prepare-functions.ts";
import { isObject } from "./settings.ts";

export interface AdminOptions {
  /** Names this host in its status. */
  readonly hostId: string;
  readonly baseUrl: string;
  readonly functions: readonly FunctionDefinition[];
  readonly routeOf: (functionName: string) => string | undefined;
  readonly keys: Keys;
  /** Runs a timer in its turn. */
  readonly runTimer: (functionName: string) => Promise<void>;
  readonly invoke: (functionName: string, request: InvocationRequest) => Promise<unknown>;
}

export type AdminApi = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void>;

export function openAdminApi(options: AdminOptions): AdminApi {
  const begunAt = performance.now();
  const functions = new Map(options.functions.map((definition) => [definition.name.toLowerCase(), definition]));

  const run = async (definition: FunctionDefinition, request: IncomingMessage, response: ServerResponse) => {
    const input = parseInput(await readBody(request));
    if (input === undefined) {
      answerJson(response, 400, { message: `the body must be JSON with a text 'input', for instance {"input":""}` });
      return;
    }
    const { name, trigger } = definition;
    if (isType(trigger, "timerTrigger")) {
      void options.runTimer(name);
    } else if (isType(trigger, "queueTrigger") || isType(trigger, "manualTrigger")) {
      const triggerMetadata = isType(trigger, "queueTrigger") ? { QueueTrigger: { string: input } } : {};
      void options.invoke(name, { triggerData: { string: input }, triggerMetadata });
    } else {
      const way = isType(trigger, "httpTrigger") ? "call its URL" : "start it through a durable client";
      answerJson(response, 400, { message: `function '${name}' has a ${trigger.type}: ${way}` });
      return;
    }
    end(response, 202);
  };

  return async (request, response, url) => {
    const [, area, name, part, ...more] = url.pathname.replace(/\/$/, "").slice(1).split("/").map(decodeName);
    const { method = "GET" } = request;
    const definition = functions.get(name?.toLowerCase() ?? "");
    if (more.length > 0) {
      end(response, 404);
    } else if (area === "host" && part === undefined && method === "GET") {
      answerHost(options, name, response, Math.round(performance.now() - begunAt));
    } else if (area === "functions" && name === undefined && method === "GET") {
      answerJson(
        response,
        200,
        options.functions.map((one) => describeFunction(options, one)),
      );
    } else if (area !== "functions" || definition === undefined) {
      end(response, 404);
    } else if (part === undefined && method === "POST") {
      await run(definition, request, response);
    } else if (part === undefined && method === "GET") {
      answerJson(response, 200, describeFunction(options, definition));
    } else if (part === "status" && method === "GET") {
      answerJson(response, 200, {});
    } else if (part === "keys" && method === "GET") {
      answerKeys(response, { default: options.keys.ofFunction(definition.name) });
    } else {
      end(response, 404);
    }
  };
}

function answerHost(options: AdminOptions, name: string | undefined, response: ServerResponse, uptimeMs: number): void {
  switch (name) {
    case "status":
      answerJson(response, 200, {
        id: options.hostId,
        state: "Running",
        version: EMULATED_HOST_VERSION,
        versionDetails: `${EMULATED_HOST_VERSION} (embedded host)`,
        processUptime: uptimeMs,
      });
      break;
    case "ping":
      answerJson(response, 200, {});
      break;
    case "keys":
      answerKeys(response, { default: options.keys.host });
      break;
    case "systemkeys":
      answerKeys(response, { durabletask_extension: options.keys.durable });
      break;
    default:
      end(response, 404);
  }
}

function describeFunction(options: AdminOptions, definition: FunctionDefinition): Record<string, unknown> {
  const { name, trigger, inputs, outputs } = definition;
  const route = options.routeOf(name);
  return {
    name,
    href: `${options.baseUrl}/admin/functions/${name}`,
    invoke_url_template: route === undefined ? null : `${options.baseUrl}/${route}`,
    language: "node",
    isDisabled: false,
    config: { name, bindings: [trigger, ...inputs, ...outputs] },
  };
}

function answerKeys(response: ServerResponse, keys: Readonly<Record<string, string>>): void {
  answerJson(response, 200, { keys: Object.entries(keys).map(([name, value]) => ({ name, value })) });
}

function answerJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length }).end(body);
}

function parseInput(body: Buffer): string | undefined {
  if (body.length === 0) return "";
  try {
    const value: unknown = JSON.parse(body.toString("utf8"));
    if (!isObject(value)) return undefined;
    const input = value["input"] ?? "";
    return typeof input === "string" ? input : undefined;
  } catch {
    return undefined;
  }
}

function decodeName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
