import { decideAccess } from "../access/decide-access.ts";
import { FAILURES, VaultError } from "../foundation/errors.ts";
import { present } from "../foundation/present.ts";
import type { ApiCall, ApiDeps, ApiRequest, ApiResponse } from "./api-call.ts";
import { errorDetail, failureForCaller, httpStatus } from "./error-body.ts";
import { queryOption } from "./lists.ts";
import { matchPath, readParams } from "./path-template.ts";
import { HEALTH_PATH, type Method, OWN_ROOT, ROUTES, type Route } from "./routes.ts";

/** Accepted versions; all have the same members. */
const API_VERSIONS: ReadonlySet<string> = new Set([
  "2022-12-01",
  "2023-01-01",
  "2023-05-01",
  "2023-11-01",
  "2023-12-01",
  "2024-03-01",
  "2024-04-01",
  "2025-01-01",
  "2025-02-01",
  "2025-07-01",
  "2025-08-01",
  "2025-09-01",
  "2026-03-01",
  "2026-04-01-preview",
  "2026-06-01",
]);

const NEWEST_API_VERSION = "2026-06-01";

/** Max body, in bytes of UTF-8. */
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * Handles one HTTP request of the API, for any path and method; errors have ARM's shape.
 *
 * Never throws. A failure that the caller cannot fix is logged with the request id of the response.
 */
export async function handleArmRequest(deps: ApiDeps, request: ApiRequest): Promise<ApiResponse> {
  const requestId = deps.newId();
  const response = await answer(deps, request).catch((error: unknown) => refuse(deps, request, requestId, error));
  return { ...response, headers: { ...tracingHeaders(request, requestId), ...response.headers } };
}

async function answer(deps: ApiDeps, request: ApiRequest): Promise<ApiResponse> {
  const { pathname: path, searchParams: query } = request.url;
  const found = findRoute(path);
  const isOpen = found?.route.template === HEALTH_PATH;
  if (!isOpen) requireAccess(deps, request);
  if (found === undefined) throw new VaultError("request/path-unknown", `path '${path}' was not found`);
  const { template, methods } = found.route;
  const handler = methods[request.method.toUpperCase() as Method];
  if (handler === undefined) throw new MethodNotAllowed(request.method, template, Object.keys(methods));

  const call: ApiCall = {
    deps,
    apiVersion: isOpen ? "" : readApiVersion(query, template.startsWith(`${OWN_ROOT}/`)),
    params: readParams(found.raw),
    query,
    headers: request.headers,
    baseUrl: publicBaseUrl(request),
    path,
    json: (whenEmpty) => readJson(request, whenEmpty),
  };
  return await handler(call as ApiCall<never>);
}

function requireAccess(deps: ApiDeps, { url, headers }: ApiRequest): void {
  const forwarded = (headers["x-forwarded-host"] ?? "").split(",").map((host) => host.trim());
  const { origin } = headers;
  const decision = decideAccess(deps.settings.access, {
    hosts: [url.host, ...forwarded.filter((host) => host !== "")],
    ...present({ origin }),
  });
  if (!decision.allowed) throw VaultError.of(decision.failure);
}

function findRoute(path: string): { readonly route: Route; readonly raw: ReadonlyMap<string, string> } | undefined {
  for (const route of ROUTES) {
    const raw = matchPath(route.template, path);
    if (raw !== undefined) return { route, raw };
  }
  return undefined;
}

class MethodNotAllowed extends VaultError {
  readonly allowed: readonly string[];

  constructor(method: string, template: string, allowed: readonly string[]) {
    super("request/method-not-allowed", `'${method}' is not allowed on '${template}'`, {
      hint: `use ${allowed.join(" or ")}`,
    });
    this.allowed = allowed;
  }
}

/** @param isOwn - whether Azure does not have the path: then the version may be omitted */
function readApiVersion(query: URLSearchParams, isOwn: boolean): string {
  const version = queryOption(query, "api-version") ?? (isOwn ? NEWEST_API_VERSION : undefined);
  if (version === undefined || version === "") {
    throw new VaultError("request/api-version-missing", "the query parameter api-version is missing", {
      hint: `send one of ${[...API_VERSIONS].join(", ")}`,
    });
  }
  if (!API_VERSIONS.has(version.toLowerCase())) {
    throw new VaultError("request/api-version-unknown", `api-version '${version}' is not supported`, {
      hint: `send one of ${[...API_VERSIONS].join(", ")}`,
    });
  }
  return version;
}

async function readJson(request: ApiRequest, whenEmpty: unknown): Promise<unknown> {
  // A body whose declared length is too large is not read.
  if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES) throw bodyTooLarge(MAX_BODY_BYTES);
  const text = await request.body(MAX_BODY_BYTES);
  if (Buffer.byteLength(text) > MAX_BODY_BYTES) throw bodyTooLarge(MAX_BODY_BYTES);
  if (text.trim() === "" && whenEmpty !== undefined) return whenEmpty;
  if (text.trim() === "") throw new VaultError("request/invalid", "the request has no body");
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new VaultError("request/invalid", "the request body is not JSON", { cause });
  }
}

export function bodyTooLarge(maxBytes: number): VaultError {
  return new VaultError("request/too-large", `the request body is larger than ${maxBytes} bytes`);
}

/** Origin of the caller's request: as forwarded by the first proxy, else as received by the host. */
function publicBaseUrl({ url, headers }: ApiRequest): string {
  const first = (name: string): string => (headers[name] ?? "").split(",")[0]?.trim() ?? "";
  const scheme = first("x-forwarded-proto").toLowerCase();
  const host = first("x-forwarded-host");
  const isHost = /^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/.test(host);
  return `${scheme === "https" || scheme === "http" ? scheme : url.protocol.slice(0, -1)}://${isHost ? host : url.host}`;
}

function tracingHeaders({ headers }: ApiRequest, requestId: string): Record<string, string> {
  const echoed = (name: string): string | undefined => {
    const value = headers[name];
    return value !== undefined && /^[\x21-\x7e]{1,128}$/.test(value) ? value : undefined;
  };
  const clientRequestId = echoed("x-ms-client-request-id");
  return {
    "x-ms-request-id": requestId,
    "x-ms-correlation-request-id": echoed("x-ms-correlation-request-id") ?? requestId,
    ...(clientRequestId === undefined ? {} : { "x-ms-client-request-id": clientRequestId }),
  };
}

function refuse(deps: ApiDeps, request: ApiRequest, requestId: string, error: unknown): ApiResponse {
  const failure = failureForCaller(error, requestId);
  if (FAILURES[failure.code].fixedBy !== "caller") {
    deps.logFailure({ requestId, method: request.method, path: request.url.pathname, error });
  }
  return {
    status: httpStatus(failure.code),
    headers: error instanceof MethodNotAllowed ? { allow: error.allowed.join(", ") } : {},
    body: { error: errorDetail(failure) },
  };
}
