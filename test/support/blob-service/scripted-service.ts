import { RestError } from "@azure/storage-blob";
import type { AccountAccess, BlobAccount } from "../../../src/azure/blob-account.ts";
import type { BlobPlace } from "../../../src/azure/copy-request.ts";
import { serve, type WireAnswer, type WireRequest } from "./blob-wire.ts";
import { openAccount } from "./race.ts";
import { StoredBlobs } from "./stored-blobs.ts";

/** Scripted response to a request: an answer, a broken connection, or undefined, so that the service carries it out. */
export type Script = (request: WireRequest, asked: string) => WireAnswer | Error | undefined;

/**
 * An in-memory storage service with scripted responses: the account `prodlake` with the container `raw`, and `vault`
 * with that of an instance, `bi-1`.
 */
export class ScriptedService {
  readonly blobs = new StoredBlobs();
  /** All requests, such as `PUT vault/bi-1/data/raw/a`, with `?comp` if present. */
  readonly asked: string[] = [];
  readonly requests: WireRequest[] = [];
  script: Script = () => undefined;

  constructor() {
    this.blobs.createContainer("prodlake", "raw");
    this.blobs.createContainer("vault", "bi-1");
  }

  account(name: string, access?: AccountAccess): BlobAccount {
    return openAccount(
      name,
      async (request) => this.#answer(request),
      () => this.blobs.now,
      access,
    );
  }

  /** A blob of the source, as copies address it. */
  source(name: string, account = this.account("prodlake")): BlobPlace {
    return { account, container: "raw", name, place: { kind: "datasource", account: "prodlake" } };
  }

  /** An object of the vault, likewise. */
  object(name: string, account = this.account("vault")): BlobPlace {
    return { account, container: "bi-1", name, place: { kind: "vault" } };
  }

  /** The same, with a token of the app's identity instead of a key. */
  accountWithIdentity(name: string): BlobAccount {
    const credential = { getToken: async () => ({ token: "token", expiresOnTimestamp: Date.now() + 3_600_000 }) };
    return this.account(name, { kind: "identity", blobServiceUri: `https://127.0.0.1:1/${name}`, credential });
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

/** A connection that breaks. */
export function broken(): Error {
  return new RestError("broken", { code: "ECONNRESET" });
}
