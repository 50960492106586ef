import { RestError } from "@azure/storage-blob";
import { BlobAccount } from "../../../src/azure/blob-account.ts";
import { serve, transport, type WireAnswer, type WireRequest } from "./blob-wire.ts";
import { openAccount } from "./race.ts";
import { StoredBlobs } from "./stored-blobs.ts";

/** What a script says to a request: an answer, a broken connection, or nothing, so that the service carries it out. */
export type Script = (request: WireRequest, asked: string) => WireAnswer | Error | undefined;

/** A storage service in memory of which some answers are as a test wants them. */
export class ScriptedService {
  readonly blobs = new StoredBlobs();
  /** All requests, such as `PUT vault/bi-1/data/raw/a`, with `?comp` where there is one. */
  readonly asked: string[] = [];
  readonly requests: WireRequest[] = [];
  script: Script = () => undefined;

  account(name: string): BlobAccount {
    return openAccount(
      name,
      async (request) => this.#answer(request),
      () => this.blobs.now,
    );
  }

  /** The same, reached with a token of the app's identity and not with a key. */
  accountWithIdentity(name: string): BlobAccount {
    const credential = { getToken: async () => ({ token: "token", expiresOnTimestamp: Date.now() + 3_600_000 }) };
    const access = { kind: "identity", blobServiceUri: `https://127.0.0.1:1/${name}`, credential } as const;
    const options = {
      patienceMs: 0,
      blockPatienceMs: 0,
      transport: transport(async (request) => this.#answer(request)),
    };
    return new BlobAccount(access, () => this.blobs.now, options);
  }

  /** The requests that match, in order. */
  requestsTo(pattern: RegExp): WireRequest[] {
    return this.requests.filter((_, i) => pattern.test(this.asked[i] ?? ""));
  }

  #answer(request: WireRequest): WireAnswer {
    const { method, account, container, blob, url } = request;
    const comp = url.searchParams.get("comp");
    const snapshot = url.searchParams.has("snapshot") ? "@snapshot" : "";
    const asked = `${method} ${account}/${container}/${blob}${snapshot}${comp === null ? "" : `?${comp}`}`;
    this.asked.push(asked);
    this.requests.push(request);
    const said = this.script(request, asked);
    if (said instanceof Error) throw said;
    return said ?? serve(this.blobs, request);
  }
}

/** A refusal as services word it. */
export function refusal(status: number, code: string): WireAnswer {
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`;
  return { status, headers: { "x-ms-error-code": code, "content-type": "application/xml" }, body };
}

/** A connection that breaks. */
export function broken(): Error {
  return new RestError("broken", { code: "ECONNRESET" });
}
