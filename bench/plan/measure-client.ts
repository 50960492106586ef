/**
 * @module Processor time of the app's requests, for the constants of `assumptions.ts`: reading a page of a listing, by
 *   our reader, by the storage SDK's, and by the SDK's of Apache Arrow, and one copy call. `npm run bench:client`; a
 *   process of its own answers at once with the same bytes, so that only the client's side is counted. Connections are
 *   plain, so TLS is not in it.
 */
import { fork } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { BlobServiceClient, StorageResponseFormat, StorageSharedKeyCredential } from "@azure/storage-blob";
import { BlobAccount } from "../../src/azure/blob-account.ts";
import { listBlobPages } from "../../src/azure/list-blobs.ts";
import { listedBlob } from "../../src/azure/listed-blobs.ts";
import { decodeIndex } from "../../src/vault/manifest-index.ts";

const PAGE_NAMES = 5_000;
const PAGES = 10;
const COPIES = 8_000;
const COPY_WIDTH = 64;
const INDEX_LINES = 20_000;

const MD5 = "sQqNsWTgdUEFt6mb5y4/5Q==";
const WRITTEN = "Wed, 04 Mar 2026 10:00:00 GMT";
const nameOf = (i: number): string => `tenant-${i % 7}/year=2026/month=03/part-${String(i).padStart(9, "0")}.parquet`;

function xmlPage(): Buffer {
  const blobs = Array.from(
    { length: PAGE_NAMES },
    (_, i) =>
      `<Blob><Name>${nameOf(i)}</Name><Properties><Creation-Time>${WRITTEN}</Creation-Time><Last-Modified>${WRITTEN}</Last-Modified><Etag>0x8DE79D2F1A2B3C4</Etag><Content-Length>${i}</Content-Length><Content-Type>application/octet-stream</Content-Type><Content-Encoding /><Content-Language /><Content-CRC64 /><Content-MD5>${MD5}</Content-MD5><Cache-Control /><Content-Disposition /><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted></Properties><OrMetadata /></Blob>`,
  );
  return Buffer.from(
    `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://a.blob.core.windows.net/" ContainerName="c"><Blobs>${blobs.join("")}</Blobs><NextMarker /></EnumerationResults>`,
  );
}

async function arrowPage(): Promise<Buffer> {
  // biome-ignore lint/correctness/noUndeclaredDependencies: it comes with the storage SDK, whose reader is measured
  const { Bool, Table, tableToIPC, TimestampSecond, Uint64, Utf8, vectorFromArray } = await import("apache-arrow");
  const all = <T>(value: (i: number) => T): T[] => Array.from({ length: PAGE_NAMES }, (_, i) => value(i));
  const text = (value: (i: number) => string) => vectorFromArray(all(value), new Utf8());
  // A vector each: a table with one vector in two columns is written with a wrong length.
  const moments = () =>
    vectorFromArray(
      all(() => new Date(WRITTEN)),
      new TimestampSecond(),
    );
  const table = new Table({
    Name: text(nameOf),
    "Creation-Time": moments(),
    "Last-Modified": moments(),
    Etag: text(() => "0x8DE79D2F1A2B3C4"),
    "Content-Length": vectorFromArray(all(BigInt), new Uint64()),
    "Content-Type": text(() => "application/octet-stream"),
    "Content-MD5": text(() => MD5),
    BlobType: text(() => "BlockBlob"),
    AccessTier: text(() => "Hot"),
    AccessTierInferred: vectorFromArray(
      all(() => true),
      new Bool(),
    ),
    LeaseStatus: text(() => "unlocked"),
    LeaseState: text(() => "available"),
    ServerEncrypted: vectorFromArray(
      all(() => true),
      new Bool(),
    ),
  });
  return Buffer.from(tableToIPC(table, "stream"));
}

/** Answers listings in the format that they ask for, and copies with success. */
async function serve(): Promise<void> {
  const xml = xmlPage();
  const arrow = await arrowPage();
  const server = createServer((request, response) => {
    request.resume();
    if (request.method === "PUT") {
      const headers = { etag: '"0x1"', "last-modified": WRITTEN, "x-ms-copy-status": "success", "content-md5": MD5 };
      response.writeHead(202, headers).end();
      return;
    }
    const isArrow = request.headers.accept?.includes("arrow") ?? false;
    const type = isArrow ? "application/vnd.apache.arrow.stream" : "application/xml";
    const page = isArrow ? arrow : xml;
    response.writeHead(200, { "content-type": type, "content-length": page.length }).end(page);
  });
  server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
}

/** Processor time of one of many, µs. */
async function microseconds(work: () => Promise<number>): Promise<number> {
  await work();
  const before = process.cpuUsage();
  const done = await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / done;
}

async function measure(): Promise<void> {
  const child = fork(import.meta.filename, ["serve"]);
  try {
    const { port } = await new Promise<{ port: number }>((resolve) => child.once("message", resolve));
    const key = new StorageSharedKeyCredential("a", Buffer.alloc(64, 1).toString("base64"));
    const container = new BlobServiceClient(`http://127.0.0.1:${port}/a`, key).getContainerClient("c");

    const list = async (responseFormat: StorageResponseFormat): Promise<number> => {
      let names = 0;
      for (let page = 0; page < PAGES; page++) {
        for await (const { segment } of container.listBlobsFlat({ responseFormat }).byPage()) {
          names += segment.blobItems.map((item) => listedBlob(item, "blobServices")).length;
        }
      }
      return names;
    };
    const connectionString = `DefaultEndpointsProtocol=http;AccountName=a;AccountKey=${Buffer.alloc(64, 1).toString("base64")};BlobEndpoint=http://127.0.0.1:${port}/a`;
    const account = new BlobAccount({ kind: "key", connectionString }, () => new Date());
    const listOurs = async (): Promise<number> => {
      let names = 0;
      for (let page = 0; page < PAGES; page++) {
        for await (const blobs of listBlobPages(account, "c")) {
          names += blobs.map((item) => listedBlob(item, "blobServices")).length;
        }
      }
      return names;
    };
    const copy = async (): Promise<number> => {
      let next = 0;
      const one = async (): Promise<void> => {
        while (next < COPIES) {
          const blob = container.getBlobClient(`data/c/${nameOf(next++)}/0x8DE79D2F1A2B3C4.1`);
          await blob.syncCopyFromURL("https://b.blob.core.windows.net/c/x?sv=1", {
            conditions: { ifNoneMatch: "*" },
            sourceConditions: { ifMatch: '"0x1"' },
            tier: "Cool",
          });
        }
      };
      await Promise.all(Array.from({ length: COPY_WIDTH }, one));
      return COPIES;
    };
    const index = indexOf(INDEX_LINES);
    const parse = async (): Promise<number> => decodeIndex("index.json", index).segments.length;

    console.log(`a listed name, XML: ${(await microseconds(listOurs)).toFixed(1)} µs`);
    console.log(
      `a listed name, XML by the SDK: ${(await microseconds(() => list(StorageResponseFormat.Xml))).toFixed(1)} µs`,
    );
    console.log(`a listed name, Arrow: ${(await microseconds(() => list(StorageResponseFormat.Arrow))).toFixed(1)} µs`);
    console.log(`a copy call: ${(await microseconds(copy)).toFixed(0)} µs`);
    console.log(
      `a line of an index: ${(await microseconds(parse)).toFixed(1)} µs, ${index.length / INDEX_LINES} bytes`,
    );
  } finally {
    child.kill();
  }
}

function indexOf(lines: number): Uint8Array {
  const id = "0123456789abcdef0123456789abcdef";
  const segments = Array.from({ length: lines }, (_, i) => ({
    path: `manifests/${id}/container/${i}.ndjson.gz`,
    sha256: "a".repeat(64),
    first: `year=2026/month=03/part-${String(2 * i).padStart(9, "0")}.parquet`,
    last: `year=2026/month=03/part-${String(2 * i + 1).padStart(9, "0")}.parquet`,
    entries: 20_000,
    bytes: 1_000,
  }));
  const totals = { entries: lines * 20_000, bytes: lines * 1_000 };
  return Buffer.from(
    JSON.stringify({ formatVersion: 1, recoveryPoint: id, container: "c", order: "utf-16", ...totals, segments }),
  );
}

if (process.argv[2] === "serve") await serve();
else await measure();
