#!/usr/bin/env bash
# @azure/storage-blob documents `maxRetryRequests` of BlobClient.download as how often it goes on by itself when the body of
# a download ends unexpectedly, 5 times by default.
#
# One would expect: a download whose connection breaks in the middle of the body is gone on with at that byte.
# Seen: whether the connection breaks or the service ends it early, the reader gets an AbortError, "The operation was
# aborted.", though nobody has aborted anything, and no second request is made. So code that takes AbortError for its
# caller's wish gives up for good.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm pkg set type=module >/dev/null
npm install --silent --no-audit --no-fund node@22.23.3 @azure/storage-blob@12.34.0 2>/dev/null
cat >run.js <<'JS'
import { createServer } from "node:http";
import { AnonymousCredential, BlobClient, newPipeline } from "@azure/storage-blob";

const content = Buffer.alloc(100_000, "x");
/** A service that sends half of the first body, and then ends it in order or breaks the connection. */
async function read(breaks) {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    const from = Number(/bytes=(\d+)-/.exec(request.headers["x-ms-range"] ?? "")?.[1] ?? 0);
    const rest = content.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      etag: '"0x1"',
      "last-modified": new Date(0).toUTCString(),
      "x-ms-blob-type": "BlockBlob",
      "content-length": rest.length,
    });
    if (requests > 1) return response.end(rest);
    response.write(rest.subarray(0, rest.length / 2), () =>
      setTimeout(() => (breaks ? request.socket.destroy() : request.socket.end()), 100),
    );
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}/account/container/blob`;
  const blob = new BlobClient(url, newPipeline(new AnonymousCredential()));
  let got = 0;
  let error;
  try {
    const { readableStreamBody } = await blob.download(0, undefined, { maxRetryRequests: 5 });
    for await (const piece of readableStreamBody) got += piece.length;
  } catch (caught) {
    error = caught;
  }
  server.closeAllConnections();
  server.close();
  return { got, requests, error: error && `${error.name}: ${error.message}` };
}

for (const breaks of [true, false]) {
  const seen = await read(breaks);
  console.log(`${breaks ? "the connection breaks" : "the service ends it"}: ${JSON.stringify(seen)}`);
  if (seen.error !== "AbortError: The operation was aborted." || seen.requests !== 1) process.exit(1);
}
JS
npm ls --depth 0 2>/dev/null | sed 1d
PATH="$folder/node_modules/.bin:$PATH" node run.js
echo "as described"
