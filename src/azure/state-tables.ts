import { TableClient } from "@azure/data-tables";
import type { TokenCredential } from "@azure/identity";
import type { z } from "zod";
import { TableRecords } from "./table-records.ts";

/** Where the app keeps its state. */
export type StateAccess =
  | { readonly kind: "key"; readonly connectionString: string }
  | { readonly kind: "identity"; readonly tableServiceUri: string; readonly credential: TokenCredential };

/** Opens the app's tables; each is made when it is first used. */
export class StateTables {
  readonly #access: StateAccess;

  constructor(access: StateAccess) {
    this.#access = access;
  }

  /** @param name - letters and digits; the tables of the app begin alike, so that they stand together in an account */
  open<T>(name: string, schema: z.ZodType<T>): TableRecords<T> {
    const table = `Lakevault${name}`;
    return new TableRecords(this.#client(table), schema);
  }

  #client(table: string): TableClient {
    if (this.#access.kind === "identity") {
      return new TableClient(this.#access.tableServiceUri, table, this.#access.credential);
    }
    const { connectionString } = this.#access;
    // Only an emulator is reached without TLS, and its connection string says so.
    const allowInsecureConnection = /(^|;)DefaultEndpointsProtocol=http(;|$)/i.test(connectionString);
    return TableClient.fromConnectionString(connectionString, table, { allowInsecureConnection });
  }
}
