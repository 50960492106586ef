import type { StorageAccounts } from "../instances/storage-accounts.ts";
import type { DatasourceKind } from "../vault/instance-document.ts";
import { accountKind } from "./account-kind.ts";
import type { Accounts } from "./accounts.ts";
import { userContainers } from "./containers.ts";
import { mapping } from "./map-error.ts";

/** Checks storage accounts before a request is accepted. */
export class BlobStorageAccounts implements StorageAccounts {
  readonly #accounts: Accounts;

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  async containerExists(account: string, container: string): Promise<boolean> {
    return mapping({ kind: "datasource", account }, () => this.#accounts.find(account).container(container).exists());
  }

  async listContainers(account: string): Promise<string[]> {
    return mapping({ kind: "datasource", account }, () => userContainers(this.#accounts.find(account)));
  }

  async kindOf(account: string): Promise<DatasourceKind | undefined> {
    return accountKind(this.#accounts.find(account));
  }
}
