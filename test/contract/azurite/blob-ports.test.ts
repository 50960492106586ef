import { afterAll, beforeAll } from "vitest";
import { type Azurite, startAzurite } from "../../../local/azurite.ts";
import { BlobAccount } from "../../../src/azure/blob-account.ts";
import { BlobDatasource } from "../../../src/azure/blob-datasource.ts";
import { BlobRestoreTarget } from "../../../src/azure/blob-restore-target.ts";
import { BlobBackupVault } from "../../../src/azure/blob-vault.ts";
import { vaultContainerName } from "../../../src/vault/names.ts";
import { blobPortsContract } from "../blob-ports.ts";

let azurite: Azurite;
let opened = 0;

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["prodlake", "vault", "restored"] });
});
afterAll(() => azurite.stop());

function account(name: string): BlobAccount {
  return new BlobAccount({ kind: "key", connectionString: azurite.account(name).connectionString }, () => new Date());
}

blobPortsContract("Blob Storage", async () => {
  const number = String(++opened).padStart(4, "0");
  const [source, vault] = [account("prodlake"), account("vault")];
  const container = source.container(`raw-${number}`);
  await container.create();
  const instance = `instance-${number}`;
  await vault.container(vaultContainerName(instance)).create();
  return {
    datasource: new BlobDatasource(source, "blobServices"),
    vault: new BlobBackupVault(vault, instance, source),
    target: new BlobRestoreTarget(account("restored"), vault, instance),
    container: container.containerName,
    free: `restored-${number}`,
    write: async (name, content, tags) => {
      const bytes = Buffer.from(content);
      await container
        .getBlockBlobClient(name)
        .upload(bytes, bytes.length, tags === undefined ? {} : { tags: { ...tags } });
    },
    remove: async (name) => {
      await container.deleteBlob(name);
    },
  };
});
