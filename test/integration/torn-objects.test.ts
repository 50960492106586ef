/**
 * @module Copies of real size while a writer keeps replacing the source. The writer's pace is counted in blocks, so
 *   that on slow and fast machines some copies are interrupted and some are not.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BlobClient, ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, test } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite.ts";
import { BlobAccount } from "../../src/azure/blob-account.ts";
import { BlobDatasource } from "../../src/azure/blob-datasource.ts";
import { BlobBackupVault } from "../../src/azure/blob-vault.ts";
import { COPY_LIMITS } from "../../src/azure/copy-request.ts";
import { copyVersion, type Taken } from "../../src/backup/copy-version.ts";
import type { ListedBlob } from "../../src/backup/datasource.ts";
import { vaultContainerName } from "../../src/vault/names.ts";

import { type RecordingProxy, startRecordingProxy } from "../support/recording-proxy.ts";

const MIB = 2 ** 20;
const BLOCK = 6 * MIB;
/** Fifteen blocks, three at once: enough moments between two blocks for a writer. */
const BLOCKS = 15;
const SIZE = BLOCKS * BLOCK;
const LIMITS = { ...COPY_LIMITS, wholeBytes: 2 * BLOCK, blockBytes: BLOCK, blockWidth: 3 };
const INSTANCE = "5".repeat(32);

let folder: string;
let azurite: Azurite;
let wire: RecordingProxy;
/** The writer's own access to the account, past the proxy. */
let lake: ContainerClient;
let datasource: BlobDatasource;
let vaultFiles: ContainerClient;
let vault: BlobBackupVault;
/** SHA-256 of the writer's two contents. */
const contents = new Map<string, string>();
/** The content of each version of the blob, by ETag. */
const written = new Map<string, string>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "torn-"));
  azurite = await startAzurite({ accounts: ["prodlake", "vault"], folder });
  wire = await startRecordingProxy(new URL(azurite.account("vault").blobEndpoint).origin);
  const open = (name: string, isOnWire: boolean): BlobAccount => {
    const { connectionString, blobEndpoint } = azurite.account(name);
    const endpoint = isOnWire ? `${wire.origin}/${name}` : blobEndpoint;
    return new BlobAccount(
      { kind: "key", connectionString: connectionString.replace(blobEndpoint, endpoint) },
      () => new Date(),
    );
  };
  lake = open("prodlake", false).container("lake");
  await lake.create();
  for (const name of ["A", "B"]) {
    const block = randomBytes(BLOCK);
    const id = Buffer.from("block").toString("base64");
    const blob = lake.getBlockBlobClient(name);
    await blob.stageBlock(id, block, BLOCK);
    await blob.commitBlockList(Array.from({ length: BLOCKS }, () => id));
    const hash = createHash("sha256");
    for (let n = 0; n < BLOCKS; n++) hash.update(block);
    contents.set(name, hash.digest("hex"));
  }
  const source = open("prodlake", true);
  datasource = new BlobDatasource(source, "blobServices");
  vaultFiles = open("vault", false).container(vaultContainerName(INSTANCE));
  await vaultFiles.create();
  vault = new BlobBackupVault(open("vault", true), INSTANCE, source, { limits: LIMITS });
});
afterAll(async () => {
  await wire.stop();
  await azurite.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Replaces the blob by the other content; Azurite does so at once. */
async function overwrite(): Promise<void> {
  const content = written.size % 2 === 0 ? "A" : "B";
  const copying = await lake.getBlobClient("hot").beginCopyFromURL(lake.getBlobClient(content).url);
  const { etag, copyStatus } = await copying.pollUntilDone();
  if (copyStatus !== "success" || etag === undefined) throw new Error(`the writer's copy ended as ${copyStatus}`);
  written.set(etag.replaceAll('"', ""), content);
}

/** Lets the writer write before some of the blocks. @param pauses - numbers of blocks between, repeated */
function writeWhile(pauses: readonly number[]): void {
  let blocks = 0;
  let turn = 0;
  let writing = Promise.resolve();
  wire.before = ({ method, url }) => {
    if (method !== "PUT" || url.searchParams.get("comp") !== "block") return Promise.resolve();
    blocks += 1;
    if (blocks < (pauses[turn % pauses.length] ?? 1)) return writing;
    blocks = 0;
    turn += 1;
    writing = writing.then(overwrite);
    return writing;
  };
}

async function listed(): Promise<ListedBlob> {
  const blob = await datasource.look("lake", "hot");
  if (blob === undefined) throw new Error("there is no blob 'hot'");
  return blob;
}

async function take(birth: number): Promise<Taken> {
  return copyVersion({ datasource, vault }, "lake", await listed(), birth, () => true);
}

async function digest(blob: BlobClient): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of (await blob.download()).readableStreamBody ?? []) hash.update(chunk);
  return hash.digest("hex");
}

test("no object is assembled from two versions, however often the source is replaced meanwhile", {
  timeout: 300_000,
}, async ({ expect }) => {
  await overwrite();
  // The listed version is interrupted, and the next one, late; the one after it is not.
  writeWhile([5, 12, 40]);
  const taken = [await take(1)];
  expect(taken).toMatchObject([{ changedDuringCopy: true, copiedBytes: SIZE, entry: { size: SIZE } }]);
  expect(written.size).toBe(3);

  wire.before = () => Promise.resolve();
  await overwrite();
  const rested = await take(2);
  expect(rested).toMatchObject({ changedDuringCopy: false, copiedBytes: SIZE, entry: { size: SIZE } });
  expect(rested.entry?.etag).toBe((await listed()).etag);
  taken.push(rested);

  const entries = taken.flatMap(({ entry }) => (entry === undefined ? [] : [entry]));
  const found: string[] = [];
  for await (const { name, properties } of vaultFiles.listBlobsFlat({ prefix: "data/" })) {
    const etag = /\/(0x[0-9A-F]+)\.\d+$/.exec(name)?.[1] ?? "";
    expect(properties.contentLength, name).toBe(SIZE);
    expect(await digest(vaultFiles.getBlobClient(name)), name).toBe(contents.get(written.get(etag) ?? "no version"));
    found.push(etag);
  }
  expect(found).toHaveLength(2);
  expect(found.sort()).toEqual(entries.map(({ etag }) => etag).sort());
});

test("a blob that is replaced before every block is left out with a warning, not an error", async ({ expect }) => {
  await overwrite();
  const before = written.size;
  writeWhile([1]);
  const taken = await take(3);
  wire.before = () => Promise.resolve();
  expect(taken).toMatchObject({ changedDuringCopy: true, warning: { code: "changing-too-fast" } });
  expect(taken.entry).toBeUndefined();
  expect(written.size - before).toBeGreaterThanOrEqual(10);
});
