import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ResourceManagementClient } from "@azure/arm-resources";
import { BlobServiceClient } from "@azure/storage-blob";
import { test } from "vitest";
import { startAzurite } from "../../local/azurite.ts";
import { instanceBody, policyBody, VAULT_BODY } from "../../local/demo/arm-bodies.ts";
import { GROUP } from "../../local/demo/arm-client.ts";
import { makeSelfSigned } from "../../local/host/index.ts";
import { startTestHost } from "../../local/host/testing/test-host.ts";
import { LOCAL_ACCOUNTS, lakevaultSettings } from "../../local/lakevault.ts";
import { GIVEN_URL } from "./support/estate.ts";

const APP = fileURLToPath(new URL("../..", import.meta.url));
const API_VERSION = "2026-03-01";
const VAULT = `${GROUP}/providers/Microsoft.DataProtection/backupVaults/official`;

test.skipIf(GIVEN_URL !== undefined)(
  "Azure's own client creates and deletes over https, with its own polling",
  async ({ expect }) => {
    const folder = await mkdtemp(join(tmpdir(), "official-client-"));
    const { cert, key } = makeSelfSigned(new Date());
    await writeFile(join(folder, "cert.pem"), cert);
    await writeFile(join(folder, "key.pem"), key);
    const azurite = await startAzurite({ accounts: LOCAL_ACCOUNTS });
    const tlsArguments = ["--useHttps", "--cert", join(folder, "cert.pem"), "--key", join(folder, "key.pem")];
    const host = await startTestHost({ app: APP, settings: lakevaultSettings(azurite), arguments: tlsArguments });
    try {
      expect(host.baseUrl).toMatch(/^https:/);
      const lake = BlobServiceClient.fromConnectionString(azurite.account("prodlake").connectionString);
      await lake.createContainer("raw");
      const credential = { getToken: async () => ({ token: "none", expiresOnTimestamp: Date.now() + 3_600_000 }) };
      const client = new ResourceManagementClient(credential, "00000000-0000-0000-0000-000000000001", {
        endpoint: host.baseUrl,
        tlsOptions: { ca: cert },
      });
      const put = async (id: string, body: object): Promise<object> =>
        client.resources.createOrUpdateById(withoutSlash(id), API_VERSION, body, { updateIntervalInMs: 50 });

      const vault = await put(VAULT, VAULT_BODY);
      expect(vault).toMatchObject({ name: "official", properties: { provisioningState: "Succeeded" } });

      const policy = await put(`${VAULT}/backupPolicies/daily`, policyBody());
      expect(policy).toMatchObject({ name: "daily", properties: { objectType: "BackupPolicy" } });

      const policyId = `${VAULT}/backupPolicies/daily`;
      const instance = await put(`${VAULT}/backupInstances/lake`, instanceBody("prodlake", policyId, ["raw"]));
      expect(instance).toMatchObject({
        name: "lake",
        properties: { currentProtectionState: "ProtectionConfigured", provisioningState: "Succeeded" },
      });

      const missing = client.resources.getById(withoutSlash(`${VAULT}/backupPolicies/none`), API_VERSION);
      await expect(missing).rejects.toMatchObject({ statusCode: 404, code: "ResourceNotFound" });

      const polled = { updateIntervalInMs: 50 };
      const security = { softDeleteSettings: { state: "On", retentionDurationInDays: 30 } };
      const change = { properties: { securitySettings: security } };
      const changed = await client.resources.updateById(withoutSlash(VAULT), API_VERSION, change, polled);
      expect(changed).toMatchObject({ properties: { securitySettings: security } });
      await client.resources.deleteById(withoutSlash(`${VAULT}/backupInstances/lake`), API_VERSION, polled);
      const deleted = await client.resources.getById(withoutSlash(`${VAULT}/deletedBackupInstances/lake`), API_VERSION);
      expect(deleted).toMatchObject({ properties: { objectType: "DeletedBackupInstance" } });
    } finally {
      await host.stop();
      await azurite.stop();
      await rm(folder, { recursive: true, force: true });
    }
  },
);

/** The client puts a slash before the id by itself. */
function withoutSlash(id: string): string {
  return id.slice(1);
}
