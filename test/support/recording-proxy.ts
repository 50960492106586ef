import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";

export interface RecordedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage["headers"];
}

export interface RecordingProxy {
  /** Where to send requests instead of the target, without a slash at the end. */
  readonly origin: string;
  readonly requests: readonly RecordedRequest[];
  /** Called before a request goes on; it is held until the promise is fulfilled. */
  before: (request: RecordedRequest) => Promise<void>;
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
    const recorded = { method, headers, url: new URL(url, target) };
    requests.push(recorded);
    proxy.before(recorded).then(
      () => {
        // Raw, because names of metadata have a case to keep.
        const forwarded = request({ hostname, port, method, path: url, headers: incoming.rawHeaders }, (answer) => {
          proxy.answering(recorded, answer.headers);
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
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
    answering: () => undefined,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
