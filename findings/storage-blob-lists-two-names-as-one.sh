#!/usr/bin/env bash
# The storage SDK reads listings with an XML reader that leaves numeric character references as they are. A carriage return
# is written as one, so that a blob's name may come back as another name, which may be a blob's own.
#
# One would expect: a listing of two blobs gives two names, and each can be read by the name that was listed.
# Seen: both come back under one name, so that whoever goes through the listing reads one blob twice and the other never.
# The listing itself is right: an XML reader that knows references gives two names.
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm pkg set type=module >/dev/null
npm install --silent --no-audit --no-fund node@22.23.3 azurite@3.37.0 @azure/storage-blob@12.34.0 saxes@6.0.0 2>/dev/null
export PATH="$folder/node_modules/.bin:$PATH"

port=$(node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
azurite-blob --silent --inMemoryPersistence --skipApiVersionCheck --blobHost 127.0.0.1 --blobPort "$port" >azurite.log 2>&1 &
server=$!
for _ in $(seq 100); do
  node -e "require('node:net').connect($port, '127.0.0.1').on('connect', () => process.exit(0)).on('error', () => process.exit(1))" && break
  sleep 0.2
done

cat >list.js <<'JS'
import { BlobServiceClient } from "@azure/storage-blob";
import { SaxesParser } from "saxes";

const key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const service = BlobServiceClient.fromConnectionString(
  `DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=${key};BlobEndpoint=http://127.0.0.1:${process.argv[2]}/devstoreaccount1;`,
);
const container = service.getContainerClient("lake");
await container.create();
const names = ["Icon\r", "Icon&#xD;"];
for (const name of names) await container.getBlockBlobClient(name).upload(name, name.length);

let xml = "";
const listed = [];
for await (const page of container.listBlobsFlat().byPage()) {
  xml = page._response.bodyAsText;
  listed.push(...page.segment.blobItems.map(({ name }) => name));
}
const read = [];
for (const name of listed) read.push((await container.getBlobClient(name).downloadToBuffer()).toString());

const known = [];
let text = "";
const parser = new SaxesParser();
parser.on("opentag", () => (text = ""));
parser.on("text", (more) => (text += more));
parser.on("closetag", ({ name }) => name === "Name" && known.push(text));
parser.write(xml).close();

console.log("written:           ", JSON.stringify(names.sort()));
console.log("listed by the SDK: ", JSON.stringify(listed.sort()));
console.log("content read:      ", JSON.stringify(read.sort()));
console.log("listed by saxes:   ", JSON.stringify(known.sort()));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const asDescribed =
  same(listed, ["Icon&#xD;", "Icon&#xD;"]) && same(read, ["Icon&#xD;", "Icon&#xD;"]) && same(known, names);
process.exit(asDescribed ? 0 : 1);
JS
npm ls --depth 0 2>/dev/null | sed 1d
node list.js "$port"
echo "as described"
