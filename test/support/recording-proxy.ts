import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface RecordedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage["headers"];
  /** For a batch: its requests, after it was forwarded. */
  body: string;
}

/** A refusal. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RecordingProxy {
  /** Where to send requests instead of the target, without a slash at the end. */
  readonly origin: string;
  readonly requests: readonly RecordedRequest[];
  /** Called before a request is forwarded; it waits for the promise. */
  before: (request: RecordedRequest) => Promise<void>;
  /** Answers a request itself, like the service; undefined: forwards it. */
  refusing: (request: RecordedRequest) => Refusal | undefined;
  /** May change the response headers. */
  answering: (request: RecordedRequest, headers: IncomingMessage["headers"]) => void;
  stop(): Promise<void>;
}

/** A proxy between an SDK and Azurite: records requests, and lets a test act before they are forwarded. */
export async function startRecordingProxy(target: string): Promise<RecordingProxy> {
  const { hostname, port } = new URL(target);
  const requests: RecordedRequest[] = [];
  const server = createServer((incoming, outgoing) => {
    const { method = "GET", headers, url = "/" } = incoming;
    const recorded: RecordedRequest = { method, headers, url: new URL(url, target), body: "" };
    requests.push(recorded);
    if (recorded.url.searchParams.get("comp") === "batch") {
      incoming.on("data", (piece: Buffer) => {
        recorded.body += piece.toString();
      });
      incoming.pause();
    }
    proxy.before(recorded).then(
      () => {
        const refusal = proxy.refusing(recorded);
        if (refusal !== undefined) {
          incoming.resume().once("end", () => refuse(outgoing, method, refusal));
          return;
        }
        // Raw, because names of metadata are case-sensitive here.
        const forwarded = request({ hostname, port, method, path: url, headers: incoming.rawHeaders }, (answer) => {
          proxy.answering(recorded, answer.headers);
          outgoing.writeHead(answer.statusCode ?? 502, sendable(answer.headers));
          answer.pipe(outgoing);
        });
        forwarded.on("error", () => outgoing.destroy());
        incoming.pipe(forwarded);
      },
      () => outgoing.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: RecordingProxy = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    before: () => Promise.resolve(),
    refusing: () => undefined,
    answering: () => undefined,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}

/** Node can read a Content-Disposition that it refuses to write; use a listing to check one. */
function sendable({ "content-disposition": disposition, ...headers }: IncomingMessage["headers"]): typeof headers {
  const isAscii = /^[ -~]*$/.test(disposition ?? "");
  return disposition === undefined || !isAscii ? headers : { ...headers, "content-disposition": disposition };
}

function refuse(outgoing: ServerResponse, method: string, { status, code, headers = {} }: Refusal): void {
  const said = { "x-ms-request-id": `request-for-${code}`, ...(code === "" ? {} : { "x-ms-error-code": code }) };
  outgoing.writeHead(status, { "content-type": "application/xml", ...said, ...headers });
  outgoing.end(
    method === "HEAD"
      ? undefined
      : `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>No.</Message></Error>`,
  );
}
