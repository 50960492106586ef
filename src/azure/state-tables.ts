import { TableClient, type TableServiceClientOptions } from "@azure/data-tables";
import type { TokenCredential } from "@azure/identity";
import type { z } from "zod";
import { DEFAULT_RETRIES, type RetriedRequest, type RetrySettings, sendWithRetries } from "./request-retries.ts";
import { TableRecords } from "./table-records.ts";

/** Location of the app's state. */
export type StateAccess =
  | { readonly kind: "key"; readonly connectionString: string }
  | { readonly kind: "identity"; readonly tableServiceUri: string; readonly credential: TokenCredential };

/** Opens the app's tables; each is created on first use. */
export class StateTables {
  readonly #access: StateAccess;
  readonly #options: TableServiceClientOptions;

  constructor(access: StateAccess, retries: RetrySettings = DEFAULT_RETRIES) {
    this.#access = access;
    this.#options = {
      retryOptions: { maxRetries: 0 },
      additionalPolicies: [{ position: "perRetry", policy: retryPolicy(retries) }],
    };
  }

  /** @param name - letters and digits; the tables of the app have a common prefix, so that they sort together */
  open<T>(name: string, schema: z.ZodType<T>): TableRecords<T> {
    const table = `Lakevault${name}`;
    return new TableRecords(this.#client(table), schema);
  }

  #client(table: string): TableClient {
    if (this.#access.kind === "identity") {
      return new TableClient(this.#access.tableServiceUri, table, this.#access.credential, this.#options);
    }
    const { connectionString } = this.#access;
    // Only an emulator is accessed without TLS, and its connection string says so.
    const allowInsecureConnection = /(^|;)DefaultEndpointsProtocol=http(;|$)/i.test(connectionString);
    return TableClient.fromConnectionString(connectionString, table, { ...this.#options, allowInsecureConnection });
  }
}

type Policy = NonNullable<TableServiceClientOptions["additionalPolicies"]>[number]["policy"];

/** Adds the retries of `request-retries.ts`, after the SDK has signed the request. */
function retryPolicy(settings: RetrySettings): Policy {
  return {
    name: "lakevaultTries",
    sendRequest: (request, next) => sendWithRetries(request as RetriedRequest, () => next(request), settings),
  };
}
