import type { VaultAccount } from "../rebuild/rebuild-request.ts";
import type { VaultFiles } from "../vault/vault-files.ts";
import type { BlobAccount } from "./blob-account.ts";
import { BlobFiles } from "./blob-vault.ts";
import { mapError } from "./map-error.ts";

/** All files of the vault account, by container. */
export class BlobVaultAccount implements VaultAccount {
  readonly #account: BlobAccount;

  constructor(account: BlobAccount) {
    this.#account = account;
  }

  async *containers(prefix: string): AsyncGenerator<string, void, undefined> {
    try {
      for await (const { name } of this.#account.service.listContainers({ prefix })) yield name;
    } catch (error) {
      throw mapError(error, { kind: "vault" });
    }
  }

  files(container: string): Pick<VaultFiles, "read" | "list"> {
    return new BlobFiles(this.#account, container);
  }
}
