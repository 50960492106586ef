import { createServer, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * What goes wrong with a request.
 *
 * - `busy`: 503 with a Retry-After; the request does not arrive
 * - `error`: 500; the request does not arrive
 * - `reset`: the connection breaks before the request arrives
 * - `lost`: the request is carried out, and the connection breaks before the answer arrives
 * - `hang`: nothing ever comes back
 */
export type Fault = "busy" | "error" | "reset" | "lost" | "hang";

export interface FaultyProxy {
  /** Where to send requests instead of the target, without a slash at the end. */
  readonly origin: string;
  /** Decides about each request as it comes in; undefined: nothing goes wrong. */
  fault: (method: string, url: URL) => Fault | undefined;
  /** Headers of a `busy` answer. */
  busyHeaders: Readonly<Record<string, string>>;
  /** How often each fault happened. */
  readonly faults: Map<Fault, number>;
  stop(): Promise<void>;
}

/** Stands between an SDK and Azurite, and lets a test break what comes by. */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  const server = createServer((incoming, outgoing) => {
    const { method = "GET", url = "/" } = incoming;
    const fault = proxy.fault(method, new URL(url, target));
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
      case undefined:
        break;
    }
    const forwarded = request({ hostname, port, method, path: url, headers: incoming.rawHeaders }, (answer) => {
      if (fault === "lost") {
        answer.resume().once("end", () => incoming.socket.resetAndDestroy());
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    forwarded.on("error", () => outgoing.destroy());
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: FaultyProxy = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: () => undefined,
    busyHeaders: {},
    faults: new Map(),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
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
