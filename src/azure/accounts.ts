import type { TokenCredential } from "@azure/identity";
import type { Clock } from "../foundation/clock.ts";
import { VaultError } from "../foundation/errors.ts";
import { BlobAccount } from "./blob-account.ts";

/** Which storage accounts there are for the app. */
export type AccountsAccess =
  /** These and no others; by name in lower case. */
  | { readonly kind: "listed"; readonly connectionStrings: ReadonlyMap<string, string> }
  /** All accounts of the cloud that the app's identity may read. */
  | { readonly kind: "identity"; readonly credential: TokenCredential; readonly endpointSuffix: string };

/** @see https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-name */
const ACCOUNT_NAME = /^[a-z0-9]{3,24}$/;

/** Finds storage accounts by name, each made once. */
export class Accounts {
  readonly #access: AccountsAccess;
  readonly #clock: Clock;
  readonly #found = new Map<string, BlobAccount>();

  constructor(access: AccountsAccess, clock: Clock) {
    this.#access = access;
    this.#clock = clock;
  }

  /**
   * @throws VaultError `datasource/account-unknown` when the name is none, or is not among the listed. In Azure, whether
   *   an account exists shows only when it is asked
   */
  find(name: string): BlobAccount {
    // Names come from callers and become part of a host name, so nothing else may pass.
    const account = ACCOUNT_NAME.test(name) ? (this.#found.get(name) ?? this.#open(name)) : undefined;
    if (account === undefined) {
      throw new VaultError("datasource/account-unknown", `there is no storage account '${name}'`, {
        hint:
          this.#access.kind === "listed"
            ? "accounts outside Azure are listed in settings, VaultAccount__<name> each"
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
