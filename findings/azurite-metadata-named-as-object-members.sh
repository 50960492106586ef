#!/usr/bin/env bash
# Metadata of a blob may have any name that is a C# identifier, and so a name that every JavaScript object has a member of,
# such as `constructor`. Azurite collects the metadata of a request in a plain object.
#
# One would expect: the emulator gives metadata back as they were written, as the service does.
# Seen: the value of `constructor` comes back with the source text of a JavaScript function in front, and a request for the
# properties of a blob with metadata named `hasOwnProperty` is answered with 500.
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm pkg set type=module >/dev/null
npm install --silent --no-audit --no-fund node@22.23.3 azurite@3.37.0 @azure/storage-blob@12.34.0 2>/dev/null
npm ls --depth 0 2>/dev/null | grep -E 'azurite|storage-blob'
export PATH="$folder/node_modules/.bin:$PATH"

AZURITE_ACCOUNTS="lake:a2V5" azurite-blob --inMemoryPersistence --silent --disableTelemetry --skipApiVersionCheck \
  --blobHost 127.0.0.1 --blobPort 18461 >/dev/null 2>&1 &
server=$!
cat >probe.js <<'PROBE'
import { BlobServiceClient } from "@azure/storage-blob";
const service = BlobServiceClient.fromConnectionString(
  "DefaultEndpointsProtocol=http;AccountName=lake;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:18461/lake;",
  { retryOptions: { maxTries: 1 } },
);
const container = service.getContainerClient("raw");
for (let tries = 0; ; tries++) {
  try {
    await container.createIfNotExists();
    break;
  } catch (error) {
    if (tries === 100) throw error;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
for (const name of ["owner", "constructor", "hasOwnProperty"]) {
  const blob = container.getBlockBlobClient(`with-${name.toLowerCase()}`);
  await blob.upload("x", 1, { metadata: { [name]: "finance" } });
  try {
    const { metadata } = await blob.getProperties();
    console.log(`${name}: ${Object.values(metadata ?? {}).join()}`);
  } catch (error) {
    console.log(`${name}: status ${error.statusCode}`);
  }
}
PROBE
seen=$(node probe.js)
echo "$seen"
grep -qx 'owner: finance' <<<"$seen"
grep -q '^constructor: function Object() .*finance$' <<<"$seen"
grep -qx 'hasOwnProperty: status 500' <<<"$seen"
echo "as described"
