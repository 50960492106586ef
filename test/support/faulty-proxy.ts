import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * Fault of a request.
 *
 * - `busy`: 503 with a Retry-After; the request does not arrive
 * - `error`: 500; the request does not arrive
 * - `reset`: the connection breaks before the request arrives
 * - `lost`: the request is carried out, and the connection breaks before the answer arrives
 * - `cut`: the request is carried out, and the connection breaks in the middle of the answer's body, or before the
 *   answer when it has none
 * - `truncated`: the request is carried out, and the first half of the answer's body arrives as if it were complete
 * - `hang`: no answer ever arrives
 */
export type Fault = "busy" | "error" | "reset" | "lost" | "cut" | "truncated" | "hang";

export interface FaultyProxy {
  /** Where to send requests instead of the target, without a slash at the end. */
  readonly origin: string;
  /** Decides about each request when it arrives; undefined: no fault. */
  fault: (method: string, url: URL) => Fault | undefined;
  /** Additional delay of a request, ms. */
  delay: (method: string, url: URL) => number;
  /** Headers of a `busy` answer. */
  busyHeaders: Readonly<Record<string, string>>;
  /** How often each fault happened. */
  readonly faults: Map<Fault, number>;
  stop(): Promise<void>;
}

/** A proxy between an SDK and Azurite that injects faults. */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  // Like the SDKs' own agent, so that new connections do not cost more than all faults together.
  const agent = new Agent({ keepAlive: true });
  const server = createServer((incoming, outgoing) => {
    const { method = "GET", url = "/" } = incoming;
    const asked = new URL(url, target);
    const ms = proxy.delay(method, asked);
    if (ms > 0) setTimeout(() => serve(incoming, outgoing, proxy.fault(method, asked)), ms);
    else serve(incoming, outgoing, proxy.fault(method, asked));
  });
  const serve = (incoming: IncomingMessage, outgoing: ServerResponse, fault: Fault | undefined): void => {
    const { method = "GET", url = "/" } = incoming;
    if (fault !== undefined) proxy.faults.set(fault, (proxy.faults.get(fault) ?? 0) + 1);
    switch (fault) {
      case "busy":
        refuse(outgoing, 503, "ServerBusy", proxy.busyHeaders);
        return;
      case "error":
        refuse(outgoing, 500, "InternalError", {});
        return;
      case "reset":
        incoming.socket.resetAndDestroy();
        return;
      case "hang":
        return;
      case "lost":
      case "cut":
      case "truncated":
      case undefined:
        break;
    }
    const forwarded = request({ hostname, port, method, path: url, headers: incoming.rawHeaders, agent }, (answer) => {
      switch (fault) {
        case "lost":
          answer.resume().once("end", () => incoming.socket.resetAndDestroy());
          return;
        case "cut":
        case "truncated":
          void buffered(answer).then((body) => sendHalf(answer, body, incoming, outgoing, fault));
          return;
        default:
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(outgoing);
      }
    });
    forwarded.on("error", () => outgoing.destroy());
    incoming.pipe(forwarded);
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: FaultyProxy = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: () => undefined,
    delay: () => 0,
    busyHeaders: {},
    faults: new Map(),
    stop: async () => {
      server.closeAllConnections();
      agent.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

async function buffered(answer: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of answer) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** Even without a length, a cut body must not look complete. */
function sendHalf(
  answer: IncomingMessage,
  body: Buffer,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  fault: "cut" | "truncated",
): void {
  const half = body.subarray(0, Math.floor(body.length / 2));
  const { "content-length": length, "transfer-encoding": _, ...headers } = answer.headers;
  if (fault === "truncated") {
    outgoing.writeHead(answer.statusCode ?? 502, headers);
    outgoing.end(half);
  } else if (body.length === 0) {
    incoming.socket.resetAndDestroy();
  } else {
    outgoing.writeHead(answer.statusCode ?? 502, length === undefined ? headers : answer.headers);
    // Written data must be sent before the connection breaks.
    outgoing.write(half, () => setImmediate(() => incoming.socket.destroy()));
  }
}

function refuse(
  outgoing: ServerResponse,
  status: number,
  code: string,
  headers: Readonly<Record<string, string>>,
): void {
  outgoing.writeHead(status, { ...headers, "content-type": "application/xml", "x-ms-error-code": code });
  outgoing.end(`<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>not now</Message></Error>`);
}
