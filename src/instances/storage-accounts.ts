import type { DatasourceKind } from "../vault/instance-document.ts";

/** What the edge must know of a storage account before it accepts a request. `src/azure` implements it. */
export interface StorageAccounts {
  /**
   * @throws VaultError `datasource/account-unknown` when no such account can be reached,
   *   `datasource/forbidden` when the app may not read it
   */
  containerExists(account: string, container: string): Promise<boolean>;
  /** Names of all containers, ascending, system containers (`$logs`, `$blobchangefeed`) left out; throws as above. */
  listContainers(account: string): Promise<string[]>;
  /** The kind of the account; undefined when unknown. Throws as above. */
  kindOf(account: string): Promise<DatasourceKind | undefined>;
}
