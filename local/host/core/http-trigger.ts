/**
 * @module
 * HTTP triggers: a request in, one execution, its response out; buffered, or streamed through the server that the
 * library opens when the app sets `enableHttpStream`.
 */

import { randomUUID } from "node:crypto";
import { type IncomingMessage, request as requestUpstream, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import type { HostLog, RpcHttp, TypedData } from "../protocol.ts";
import type { Executions } from "./executions.ts";
import { BodyTooLarge, CallerGone, MAX_BODY_BYTES, plainHeaders, readBody } from "./http-body.ts";

export interface HttpExecution {
  readonly functionName: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Absolute, as the caller used it. */
  readonly url: URL;
  readonly parameters: Readonly<Record<string, string>>;
  readonly executions: Executions;
  readonly log: HostLog;
}

/** Headers that belong to one connection, not to the message. */
const CONNECTION_HEADERS = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"]);

/** Runs a function for a request whose body is read first. */
export async function runBuffered(execution: HttpExecution): Promise<void> {
  const { request, response, url } = execution;
  const headers = plainHeaders(request);
  const body = await readBody(request);
  const hasLength = headers["content-length"] !== undefined;
  if (body.length > 0 && !hasLength) {
    execution.log.warn(
      `${request.method} ${url.pathname}: the body has no Content-Length and is dropped, as the real host does ` +
        "unless the app sets enableHttpStream",
    );
  }
  const http: RpcHttp = {
    url: url.href,
    method: request.method ?? "GET",
    nullableHeaders: nullable(headers),
    nullableQuery: nullable(joinQuery(url)),
    nullableParams: nullable(execution.parameters),
    ...(hasLength && body.length > 0 && { body: { bytes: body } }),
  };
  // The library does not use this, but expressions of output bindings may.
  const triggerMetadata = typed(execution.parameters);
  const { executions, functionName } = execution;
  const outcome = await executions.run(functionName, { triggerData: { http }, triggerMetadata }, randomUUID());
  if (!outcome.ok) return end(response, 500);
  const answer = outcome.returnValue?.http;
  if (answer === undefined) return end(response, 204);
  writeAnswer(request, response, answer);
}

/** Forwards a request to the library's server, which streams both bodies. */
export async function runStreamed(execution: HttpExecution, streamUri: string): Promise<void> {
  const { request, response, url, parameters } = execution;
  if (Number(request.headers["content-length"] ?? 0) > MAX_BODY_BYTES) throw new BodyTooLarge();
  const invocationId = randomUUID();
  const headers = plainHeaders(request);
  const upstream = requestUpstream(new URL(url.pathname + url.search, streamUri), {
    method: request.method ?? "GET",
    headers: {
      ...request.headers,
      "x-ms-invocation-id": invocationId,
      "x-forwarded-host": url.host,
      "x-forwarded-proto": url.protocol.slice(0, -1),
    },
  });
  const answered = new Promise<void>((resolve, reject) => {
    upstream.once("error", reject);
    upstream.once("response", (answer) => {
      const given = Object.entries(answer.headers).filter(
        ([name]) => !CONNECTION_HEADERS.has(name) && name !== "x-ms-invocation-id",
      );
      response.writeHead(answer.statusCode ?? 500, Object.fromEntries(given));
      pipeline(answer, response).then(resolve, reject);
    });
  });
  // Nobody waits for it when the handler gives no answer.
  answered.catch(() => undefined);

  let sentBytes = 0;
  let isTooLarge = false;
  request.on("data", (part: Buffer) => {
    sentBytes += part.length;
    isTooLarge = sentBytes > MAX_BODY_BYTES;
    if (isTooLarge) upstream.destroy(new BodyTooLarge());
  });
  request.pipe(upstream);
  response.once("close", () => {
    if (!response.writableFinished) upstream.destroy();
  });

  const triggerMetadata: Record<string, TypedData> = {
    ...typed(Object.fromEntries(url.searchParams)),
    ...typed(parameters),
    Headers: { json: JSON.stringify(headers) },
    Query: { json: JSON.stringify(joinQuery(url)) },
  };
  const triggerData = { http: { url: url.href, method: request.method ?? "GET" } };
  const outcome = await execution.executions.run(
    execution.functionName,
    { triggerData, triggerMetadata },
    invocationId,
  );
  if (isTooLarge) throw new BodyTooLarge();
  if (outcome.ok && outcome.hasResult) {
    await answered.catch((error: unknown) => {
      throw response.destroyed ? new CallerGone() : error;
    });
    return;
  }
  upstream.destroy();
  end(response, outcome.ok ? 204 : 500);
}

/** Ends a response without a body. */
export function end(response: ServerResponse, status: number): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(status, status === 204 ? {} : { "content-length": "0" }).end();
}

function writeAnswer(request: IncomingMessage, response: ServerResponse, answer: RpcHttp): void {
  const status = Number(answer.statusCode ?? 200);
  for (const [name, value] of Object.entries(answer.headers ?? {})) {
    if (!CONNECTION_HEADERS.has(name) && (name !== "content-length" || request.method === "HEAD")) {
      response.setHeader(name, value);
    }
  }
  const cookies = (answer.cookies ?? []).map((cookie) => formatCookie(cookie as RpcCookie));
  if (cookies.length > 0) response.appendHeader("set-cookie", cookies);
  const { body } = answer;
  const bytes = body?.bytes ?? Buffer.from(body?.string ?? body?.json ?? "");
  const isBodyless = status === 204 || status === 304;
  if (!isBodyless && request.method !== "HEAD") response.setHeader("content-length", bytes.length);
  response.writeHead(status).end(isBodyless || request.method === "HEAD" ? undefined : bytes);
}

interface RpcCookie {
  readonly name: string;
  readonly value: string;
  readonly domain?: { readonly value?: string };
  readonly path?: { readonly value?: string };
  readonly expires?: { readonly value?: { readonly seconds?: number } };
  readonly secure?: { readonly value?: boolean };
  readonly httpOnly?: { readonly value?: boolean };
  readonly sameSite?: string;
  readonly maxAge?: { readonly value?: number };
}

/** Writes a cookie the way the real host does: the value percent-encoded. */
export function formatCookie(cookie: RpcCookie): string {
  const parts = [`${cookie.name}=${encodeURIComponent(cookie.value)}`];
  if (cookie.expires?.value?.seconds !== undefined) {
    parts.push(`Expires=${new Date(cookie.expires.value.seconds * 1000).toUTCString()}`);
  }
  if (cookie.maxAge?.value !== undefined) parts.push(`Max-Age=${Math.floor(cookie.maxAge.value)}`);
  if (cookie.domain?.value !== undefined) parts.push(`Domain=${cookie.domain.value}`);
  parts.push(`Path=${cookie.path?.value ?? "/"}`);
  if (cookie.secure?.value) parts.push("Secure");
  if (cookie.sameSite === "lax" || cookie.sameSite === "strict") parts.push(`SameSite=${cookie.sameSite}`);
  if (cookie.sameSite === "explicitNone") parts.push("SameSite=none");
  if (cookie.httpOnly?.value) parts.push("HttpOnly");
  return parts.join("; ");
}

/** The query by name, the values of a repeated name joined with a comma. */
function joinQuery(url: URL): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [name, value] of url.searchParams) {
    const earlier = query[name];
    query[name] = earlier === undefined ? value : `${earlier},${value}`;
  }
  return query;
}

function typed(values: Readonly<Record<string, string>>): Record<string, TypedData> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { string: value }]));
}

function nullable(values: Readonly<Record<string, string>>): Record<string, { value: string }> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));
}
