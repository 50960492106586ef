import { VaultError } from "../foundation/errors.ts";
import type { DatasourceKind } from "../vault/instance-document.ts";

const KINDS: Readonly<Record<DatasourceKind, string>> = {
  blobServices: "no hierarchical namespace",
  adlsBlobServices: "a hierarchical namespace",
};

/**
 * Refuses an account that is of another kind than it is protected as. Its blobs would be listed in another order, its
 * directories taken for blobs, or its index tags left out. The kind of an instance never changes, because the manifests of
 * two orders cannot be compared.
 *
 * @param actual - as the account says; undefined: it does not, and the configured kind is believed
 * @throws VaultError `datasource/kind-mismatch`
 */
export function checkKind(
  { account, kind }: { readonly account: string; readonly kind: DatasourceKind },
  actual: DatasourceKind | undefined,
): void {
  if (actual === undefined || actual === kind) return;
  const message = `storage account '${account}' has ${KINDS[actual]}, so it is no datasource of kind '${kind}'`;
  throw new VaultError("datasource/kind-mismatch", message, {
    hint: `protect it as 'Microsoft.Storage/storageAccounts/${actual}' under another name; recovery points of an instance that is there stay`,
  });
}
