import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface RecordedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage["headers"];
  /** Of a batch: the requests in it, once it has gone on. */
  body: string;
}

/** An answer that says no. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RecordingProxy {
  /** Where to send requests instead of the target, without a slash at the end. */
  readonly origin: string;
  readonly requests: readonly RecordedRequest[];
  /** Called before a request goes on; it is held until the promise is fulfilled. */
  before: (request: RecordedRequest) => Promise<void>;
  /** Answers a request itself, as the service would; undefined: it goes on. */
  refusing: (request: RecordedRequest) => Refusal | undefined;
  /** May change the headers of an answer on its way back. */
  answering: (request: RecordedRequest, headers: IncomingMessage["headers"]) => void;
  stop(): Promise<void>;
}

/** Stands between an SDK and Azurite: writes down what is on the wire, and lets a test act in the middle of it. */
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
        // Raw, because names of metadata have a case to keep.
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

/** Node reads a Content-Disposition that it would not write; who wants to see one looks at a listing. */
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
