import { afterAll, beforeAll } from "vitest";
import { type Azurite, startAzurite } from "../../../local/azurite.ts";
import { BlobAccount } from "../../../src/azure/blob-account.ts";
import { BlobScrubVault } from "../../../src/azure/blob-scrub-vault.ts";
import { vaultContainerName } from "../../../src/vault/names.ts";
import { scrubVaultContract } from "../scrub-vault.ts";

let azurite: Azurite;
let opened = 0;

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["vault"] });
});
afterAll(() => azurite.stop());

scrubVaultContract("Blob Storage", async () => {
  const { connectionString } = azurite.account("vault");
  const vault = new BlobAccount({ kind: "key", connectionString }, () => new Date());
  const instance = `instance-${++opened}`;
  await vault.container(vaultContainerName(instance)).create();
  return new BlobScrubVault(vault, instance);
});
