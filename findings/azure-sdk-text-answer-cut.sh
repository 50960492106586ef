#!/usr/bin/env bash
# The Azure SDKs for JavaScript try a request again when its connection breaks: @azure/storage-blob by its StorageRetryPolicy
# (4 tries by default), @azure/data-tables by the retry policy of core-rest-pipeline (3 retries by default).
#
# One would expect: it does not matter whether the connection breaks before the answer or in the middle of it, at least for
# a GET.
# Seen: before the answer both try again; in the middle of its body neither does. A listing of blobs, a list of entities and
# a single entity then fail after one request with RestError `PARSE_ERROR`, "Error reading response as text: aborted",
# without a status: a code that elsewhere means that the service has sent something that is not XML or JSON.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm pkg set type=module >/dev/null
npm install --silent --no-audit --no-fund node@22.23.3 @azure/storage-blob@12.34.0 @azure/data-tables@13.3.2 2>/dev/null
cat >run.js <<'JS'
import { createServer } from "node:http";
import { TableClient } from "@azure/data-tables";
import { AnonymousCredential, ContainerClient, newPipeline } from "@azure/storage-blob";

const XML =
  '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="c"><Blobs></Blobs><NextMarker /></EnumerationResults>';
const ENTITIES = JSON.stringify({ value: [{ PartitionKey: "p", RowKey: "r" }] });

/** The first answer breaks off: before it begins, or in its middle; the second is whole. */
async function ask(kind, isInTheMiddle) {
  let requests = 0;
  const [type, body] = kind === "blobs" ? ["application/xml", XML] : ["application/json", ENTITIES];
  const server = createServer((request, response) => {
    requests += 1;
    if (requests === 1 && !isInTheMiddle) return request.socket.destroy();
    response.writeHead(200, { "content-type": type, "content-length": Buffer.byteLength(body) });
    if (requests > 1) return response.end(body);
    response.write(body.slice(0, 20), () => setTimeout(() => request.socket.destroy(), 50));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}/account`;
  let outcome = "answered";
  try {
    if (kind === "blobs") {
      const container = new ContainerClient(`${url}/c`, newPipeline(new AnonymousCredential(), { retryOptions: { retryDelayInMs: 10 } }));
      for await (const _ of container.listBlobsFlat());
    } else {
      const table = new TableClient(url, "t", { allowInsecureConnection: true, retryOptions: { retryDelayInMs: 10 } });
      for await (const _ of table.listEntities());
    }
  } catch (error) {
    outcome = `${error.name} ${error.code}, status ${error.statusCode}: ${error.message.split("\n")[0]}`;
  }
  server.closeAllConnections();
  server.close();
  return { requests, outcome };
}

let isAsDescribed = true;
for (const kind of ["blobs", "entities"]) {
  const before = await ask(kind, false);
  const middle = await ask(kind, true);
  console.log(`${kind}, cut before the answer:        ${JSON.stringify(before)}`);
  console.log(`${kind}, cut in the middle of the answer: ${JSON.stringify(middle)}`);
  isAsDescribed &&= before.outcome === "answered" && before.requests === 2;
  isAsDescribed &&= middle.requests === 1 && middle.outcome.startsWith("RestError PARSE_ERROR, status undefined");
}
if (!isAsDescribed) process.exit(1);
JS
npm ls --depth 0 2>/dev/null | sed 1d
PATH="$folder/node_modules/.bin:$PATH" node run.js
echo "as described"
