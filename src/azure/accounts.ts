import type { TokenCredential } from "@azure/identity";
import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import { BlobAccount } from "./blob-account.ts";

/** Storage accounts that the app may use. */
export type AccountsAccess =
  /** Only these; by name in lower case. */
  | { readonly kind: "listed"; readonly connectionStrings: ReadonlyMap<string, string> }
  /** All accounts of the cloud that the app's identity has access to. */
  | { readonly kind: "identity"; readonly credential: TokenCredential; readonly endpointSuffix: string };

/** @see https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-name */
const ACCOUNT_NAME = /^[a-z0-9]{3,24}$/;

/** Finds storage accounts by name; each object is created once. */
export class Accounts {
  readonly #access: AccountsAccess;
  readonly #clock: Clock;
  readonly #found = new Map<string, BlobAccount>();

  constructor(access: AccountsAccess, clock: Clock) {
    this.#access = access;
    this.#clock = clock;
  }

  /**
   * @throws VaultError `datasource/account-unknown` when the name is invalid, or not listed. In Azure, only a request
   *   shows whether an account exists
   */
  find(name: string): BlobAccount {
    // Names come from callers and become part of a host name, so only valid names are allowed.
    const account = ACCOUNT_NAME.test(name) ? (this.#found.get(name) ?? this.#open(name)) : undefined;
    if (account === undefined) {
      throw new VaultError("datasource/account-unknown", `storage account '${name}' was not found`, {
        hint:
          this.#access.kind === "listed"
            ? "list accounts outside Azure in settings VaultAccount__<name>"
            : "check the name in the resource id",
      });
    }
    this.#found.set(name, account);
    return account;
  }

  #open(name: string): BlobAccount | undefined {
    if (this.#access.kind === "identity") {
      const { credential, endpointSuffix } = this.#access;
      const blobServiceUri = `https://${name}.blob.${endpointSuffix}`;
      return new BlobAccount({ kind: "identity", blobServiceUri, credential }, this.#clock);
    }
    const connectionString = this.#access.connectionStrings.get(name);
    return connectionString === undefined ? undefined : new BlobAccount({ kind: "key", connectionString }, this.#clock);
  }
}
