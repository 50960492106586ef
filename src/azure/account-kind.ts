import { isTransient } from "../foundation/adaptive-pool.ts";
import type { DatasourceKind } from "../vault/instance-document.ts";
import type { BlobAccount } from "./blob-account.ts";
import { mapError, statusOf } from "./map-error.ts";

/**
 * Reads whether an account has a hierarchical namespace. Not cached, once per backup: a flat account may be upgraded
 * while the app runs.
 *
 * @returns undefined when unknown: the app may lack the permission
 *   (`Microsoft.Storage/storageAccounts/blobServices/getInfo/action`), and an emulator has one answer for all its
 *   accounts
 * @throws VaultError `storage/throttled`, `storage/unavailable` (retryable), `datasource/account-unknown`
 * @see https://learn.microsoft.com/rest/api/storageservices/get-account-information
 * @see https://learn.microsoft.com/azure/storage/blobs/upgrade-to-data-lake-storage-gen2-how-to
 */
export async function accountKind(account: BlobAccount): Promise<DatasourceKind | undefined> {
  try {
    const { isHierarchicalNamespaceEnabled: isHierarchical, _response } = await account.service.getAccountInfo();
    const isEmulator = /^azurite/i.test(_response.headers.get("server") ?? "");
    if (isHierarchical === undefined || isEmulator) return undefined;
    return isHierarchical ? "adlsBlobServices" : "blobServices";
  } catch (error) {
    const failure = mapError(error, { kind: "datasource", account: account.name });
    const status = statusOf(error);
    if (status < 400 || isTransient(failure)) throw failure;
    return undefined;
  }
}
