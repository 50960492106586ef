import type { DatasourceKind } from "../vault/instance-document.ts";

/** What the edge must know of a storage account before it takes a request. `src/azure` asks the account. */
export interface StorageAccounts {
  /**
   * @throws VaultError `datasource/account-unknown` when no such account can be reached,
   *   `datasource/forbidden` when the app may not read it
   */
  containerExists(account: string, container: string): Promise<boolean>;
  /** Names of all containers, ascending, system containers (`$logs`, `$blobchangefeed`) left out; throws as above. */
  listContainers(account: string): Promise<string[]>;
  /** Of which kind the account is; undefined when it does not say. Throws as above. */
  kindOf(account: string): Promise<DatasourceKind | undefined>;
}
