import type { BackupInstance, InstanceFiles } from "../instances/contract.ts";
import type { InstanceFile } from "../vault/instance-file.ts";
import { INSTANCE_FILE, vaultContainerName } from "../vault/names.ts";
import { encodeDocument, FORMAT_VERSION } from "../vault/version.ts";
import type { BlobAccount } from "./blob-account.ts";
import { mapping } from "./map-error.ts";

/** Makes the vault account ready for an instance: its container, and the file that says what it protects. */
export class BlobInstanceFiles implements InstanceFiles {
  readonly #account: BlobAccount;

  constructor(account: BlobAccount) {
    this.#account = account;
  }

  async ensure(instance: BackupInstance): Promise<void> {
    const container = this.#account.container(vaultContainerName(instance.id));
    const content = encodeDocument(instanceFile(instance));
    await mapping({ kind: "vault" }, async () => {
      await container.createIfNotExists();
      await container
        .getBlockBlobClient(INSTANCE_FILE)
        .upload(content, content.length, { blobHTTPHeaders: { blobContentType: "application/json" } });
    });
  }
}

function instanceFile({ id, armId, friendlyName, datasource, createdAt }: BackupInstance): InstanceFile {
  const { resourceId, account, kind, location } = datasource;
  return {
    formatVersion: FORMAT_VERSION,
    instance: id,
    resourceId: armId,
    friendlyName,
    datasource: { resourceId, account, kind, ...(location === undefined ? {} : { location }) },
    createdAt,
  };
}
