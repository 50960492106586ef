/**
 * @module
 * Routes a request to the host itself, the Durable webhook, or the function with the most specific route.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { DurableHost, FunctionDefinition } from "../protocol.ts";
import type { AdminApi } from "./admin.ts";
import type { Executions } from "./executions.ts";
import { plainHeaders, readBody } from "./http-body.ts";
import type { Handler } from "./http-server.ts";
import { end, runBuffered, runStreamed } from "./http-trigger.ts";
import type { AuthLevel, Keys } from "./keys.ts";
import type { LogBook } from "./log.ts";
import { isType } from "./prepare-functions.ts";
import { compareRoutes, parseRoute, type Route, splitPath } from "./routes.ts";
import { HostStartError } from "./start-error.ts";

const DURABLE_PREFIX = "/runtime/webhooks/durabletask/";

/** First segments that the host keeps for itself. */
const RESERVED = new Set(["admin", "runtime"]);

/** One function behind one route. */
export interface HttpRoute {
  readonly route: Route;
  readonly functionName: string;
  /** Upper case; empty means all. */
  readonly methods: readonly string[];
  readonly authLevel: AuthLevel;
}

export interface RouterOptions {
  readonly routes: readonly HttpRoute[];
  readonly admin: AdminApi;
  readonly durable: DurableHost | undefined;
  readonly executions: Executions;
  /** Undefined: no keys are required, like `func start`. */
  readonly keys: Keys | undefined;
  readonly httpStreamUri: () => string | undefined;
  readonly log: LogBook;
}

/**
 * Lists the routes of all HTTP functions, the most specific first.
 *
 * @throws HostStartError naming functions whose route is the host's own
 */
export function listHttpRoutes(functions: readonly FunctionDefinition[], routePrefix: string): HttpRoute[] {
  const routes = functions
    .filter((definition) => isType(definition.trigger, "httpTrigger"))
    .map(({ name, trigger }) => {
      const own = String(trigger["route"] ?? name).replaceAll(/^\/+|\/+$/g, "");
      const route = parseRoute([routePrefix, own].filter((part) => part !== "").join("/"));
      const methods = Array.isArray(trigger["methods"]) ? trigger["methods"].map(String) : [];
      const authLevel = String(trigger["authLevel"] ?? "function").toLowerCase();
      return {
        route,
        functionName: name,
        methods: methods.map((method) => method.toUpperCase()),
        authLevel: authLevel === "anonymous" || authLevel === "admin" ? authLevel : "function",
      } satisfies HttpRoute;
    });
  const reserved = routes.filter(({ route }) => RESERVED.has(splitPath(route.template)[0]?.toLowerCase() ?? ""));
  if (reserved.length > 0) {
    throw HostStartError.of(
      reserved.map(
        ({ functionName, route }) => `function '${functionName}': route '${route.template}' is the host's own`,
      ),
    );
  }
  return routes.sort((left, right) => compareRoutes(left.route, right.route));
}

export function openRouter(options: RouterOptions): Handler {
  const { keys } = options;

  const isLetIn = (level: AuthLevel, request: IncomingMessage, url: URL, functionName?: string): boolean => {
    if (keys === undefined) return true;
    const header = request.headers["x-functions-key"];
    const presented = (Array.isArray(header) ? header[0] : header) ?? url.searchParams.get("code") ?? undefined;
    return keys.opens(level, presented, functionName);
  };

  const runFunction = async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<boolean> => {
    const path = splitPath(url.pathname);
    for (const { route, methods, functionName, authLevel } of options.routes) {
      if (methods.length > 0 && !methods.includes(request.method ?? "")) continue;
      const parameters = route.match(path);
      if (parameters === undefined) continue;
      if (!isLetIn(authLevel, request, url, functionName)) {
        end(response, 401);
        return true;
      }
      const log = options.log.category(`Function.${functionName}`);
      const execution = { functionName, request, response, url, parameters, executions: options.executions, log };
      const streamUri = options.httpStreamUri();
      await (streamUri === undefined ? runBuffered(execution) : runStreamed(execution, streamUri));
      return true;
    }
    return false;
  };

  return async (request, response, url) => {
    if (url.pathname === "/admin" || url.pathname.startsWith("/admin/")) {
      if (!isLetIn("admin", request, url)) end(response, 401);
      else await options.admin(request, response, url);
    } else if (options.durable !== undefined && url.pathname.startsWith(DURABLE_PREFIX)) {
      if (!isLetIn("system", request, url)) end(response, 401);
      else await runDurable(options.durable, DURABLE_PREFIX, request, response, url);
    } else if (!(await runFunction(request, response, url))) {
      if (url.pathname === "/" && (request.method === "GET" || request.method === "HEAD")) {
        response.writeHead(200, { "content-type": "text/plain" }).end("The functions host is running.\n");
      } else {
        end(response, 404);
      }
    }
  };
}

/** Lets the durable side answer a request. */
export async function runDurable(
  durable: DurableHost,
  prefix: string,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const answer = await durable.handle(url.pathname.slice(prefix.length), {
    method: request.method ?? "GET",
    url,
    headers: plainHeaders(request),
    body: await readBody(request),
  });
  const body = Buffer.from(answer.body ?? "");
  response.writeHead(answer.status, { ...answer.headers, "content-length": body.length }).end(body);
}
