import { VaultError } from "../foundation/errors.ts";
import type { DatasourceKind } from "../vault/instance-document.ts";

const KINDS: Readonly<Record<DatasourceKind, string>> = {
  blobServices: "no hierarchical namespace",
  adlsBlobServices: "a hierarchical namespace",
};

/**
 * Refuses an account whose kind differs from the configured one. Its blobs would be listed in another order, its
 * directories treated as blobs, or its index tags left out. The kind of an instance never changes, because manifests in
 * different orders cannot be compared.
 *
 * @param actual - as reported by the account; undefined: unknown, and the configured kind is assumed
 * @throws VaultError `datasource/kind-mismatch`
 */
export function checkKind(
  { account, kind }: { readonly account: string; readonly kind: DatasourceKind },
  actual: DatasourceKind | undefined,
): void {
  if (actual === undefined || actual === kind) return;
  const message = `storage account '${account}' has ${KINDS[actual]}, so it is not a datasource of kind '${kind}'`;
  throw new VaultError("datasource/kind-mismatch", message, {
    hint: `protect it as 'Microsoft.Storage/storageAccounts/${actual}' under another name; existing recovery points are kept`,
  });
}
