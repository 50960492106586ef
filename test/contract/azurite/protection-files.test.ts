import { afterAll, beforeAll } from "vitest";
import { type Azurite, startAzurite } from "../../../local/azurite.ts";
import { BlobAccount } from "../../../src/azure/blob-account.ts";
import { BlobProtectionFiles } from "../../../src/azure/blob-protection-files.ts";
import { BlobVaultAccount } from "../../../src/azure/blob-vault-account.ts";
import { protectionFilesContract } from "../protection-files.ts";

let azurite: Azurite;
let opened = 0;

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["vault"] });
});
afterAll(() => azurite.stop());

protectionFilesContract("Blob Storage", async () => {
  const { connectionString } = azurite.account("vault");
  const account = new BlobAccount({ kind: "key", connectionString }, () => new Date());
  return {
    files: new BlobProtectionFiles(account),
    account: new BlobVaultAccount(account),
    name: `vault${++opened}`,
    write: async (container, path, content) => {
      await account.container(container).getBlockBlobClient(path).upload(content, Buffer.byteLength(content));
    },
  };
});
