/**
 * @module
 * The host's HTTP server: on loopback only, answering 503 until the host is ready.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { BodyTooLarge, CallerGone } from "./http-body.ts";
import { end } from "./http-trigger.ts";
import type { CategoryLog } from "./log.ts";
import { HostStartError } from "./start-error.ts";

/** How long the rest of a refused body is read, so that the sender gets to read the answer. */
const DISCARD_MS = 5_000;

export interface TlsFiles {
  /** PEM, with `key`. */
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** PKCS #12, instead of `cert` and `key`. */
  readonly pfx?: Buffer;
  readonly passphrase?: string;
}

export type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<void>;

export interface HttpServer {
  readonly port: number;
  /** `http://127.0.0.1:7071`, without a slash. */
  readonly baseUrl: string;
  /** From now on, requests go to this handler. */
  serve(handler: Handler): void;
  /** Answers 503 to new requests, and waits for running ones. */
  suspend(): Promise<void>;
  /** Closes all connections. */
  close(): Promise<void>;
}

/**
 * Listens on a port of the loopback interface.
 *
 * @param port - 0 for any that is free
 * @throws HostStartError when the port is taken
 */
export async function openHttpServer(port: number, tls: TlsFiles | undefined, log: CategoryLog): Promise<HttpServer> {
  let handler: Handler | undefined;
  const underWay = new Set<Promise<void>>();
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const work = answer(handler, request, response, baseUrl, log).finally(() => underWay.delete(work));
    underWay.add(work);
  };
  const server: Server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  // Longer than clients keep idle connections, so that none is closed under a request on its way.
  server.keepAliveTimeout = 75_000;
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === "EADDRINUSE" || error.code === "EACCES";
      reject(isTaken ? new HostStartError(`port ${port} is not free: choose another with --port`) : error);
    });
    server.listen(port, "127.0.0.1", () => resolve());
  });
  const actualPort = (server.address() as AddressInfo).port;
  const baseUrl = `${tls === undefined ? "http" : "https"}://127.0.0.1:${actualPort}`;
  return {
    port: actualPort,
    baseUrl,
    serve: (next) => {
      handler = next;
    },
    suspend: async () => {
      handler = undefined;
      while (underWay.size > 0) await Promise.all(underWay);
    },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  handler: Handler | undefined,
  request: IncomingMessage,
  response: ServerResponse,
  baseUrl: string,
  log: CategoryLog,
): Promise<void> {
  const begunAt = performance.now();
  const address = `${new URL(baseUrl).protocol}//${request.headers.host ?? new URL(baseUrl).host}${request.url ?? "/"}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  try {
    if (url === undefined) end(response, 400);
    else if (handler === undefined) response.writeHead(503, { "content-length": "0", "retry-after": "1" }).end();
    else await handler(request, response, url);
  } catch (error) {
    if (error instanceof BodyTooLarge) {
      refuseBody(request, response);
    } else if (error instanceof CallerGone) {
      log.debug(`${request.method} ${url?.pathname}: the caller hung up`);
      return;
    } else {
      log.error(`${request.method} ${url?.pathname}: ${error instanceof Error ? error.stack : String(error)}`);
      end(response, 500);
    }
  }
  const took = `${Math.round(performance.now() - begunAt)} ms`;
  const line = `${request.method} ${url?.pathname ?? "?"} ${response.statusCode} in ${took}`;
  // While the host starts, a client may poll it several times a second.
  if (handler === undefined) log.debug(line);
  else log.info(line);
}

function refuseBody(request: IncomingMessage, response: ServerResponse): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(413, { "content-length": "0", connection: "close" }).end();
  request.resume();
  const impatience = setTimeout(() => request.destroy(), DISCARD_MS);
  request.once("close", () => clearTimeout(impatience));
}
