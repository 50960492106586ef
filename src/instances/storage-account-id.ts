/** The parts of a storage account's ARM id. */
export interface StorageAccountId {
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly account: string;
}

/** @see https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftstorage */
const STORAGE_ACCOUNT_ID =
  /^\/subscriptions\/(?<subscription>[^/]+)\/resourceGroups\/(?<resourceGroup>[^/]+)\/providers\/Microsoft\.Storage\/storageAccounts\/(?<account>[a-z0-9]{3,24})\/?$/i;

/** @returns undefined when it is not the id of a storage account */
export function parseStorageAccountId(resourceId: string): StorageAccountId | undefined {
  const { subscription, resourceGroup, account } = STORAGE_ACCOUNT_ID.exec(resourceId)?.groups ?? {};
  if (subscription === undefined || resourceGroup === undefined || account === undefined) return undefined;
  return { subscription, resourceGroup, account: account.toLowerCase() };
}

/**
 * Whether a container of a storage account can be protected: one with a user's blobs under any names. `$logs` and
 * similar ones are written by Azure only, and `$root` allows no `/` in names, which the marker's has.
 *
 * @see https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
 */
export function isProtectableContainer(name: string): boolean {
  return name === "$web" || /^(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*$/.test(name);
}
