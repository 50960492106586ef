import { createHash } from "node:crypto";
import type { ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, test } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite.ts";
import { BlobAccount } from "../../src/azure/blob-account.ts";
import { BlobDatasource } from "../../src/azure/blob-datasource.ts";
import { BlobScrubVault } from "../../src/azure/blob-scrub-vault.ts";
import { BlobBackupVault } from "../../src/azure/blob-vault.ts";
import { COPY_LIMITS } from "../../src/azure/copy-request.ts";
import { entryOf } from "../../src/backup/compare-listing.ts";
import { compareObjects, type WantedObject } from "../../src/scrub/compare-objects.ts";
import { objectPath, vaultContainerName } from "../../src/vault/names.ts";

/** Everything that a test writes is written after it. */
const LONG_AGO = new Date(0);
const INSTANCE = "6".repeat(32);

let azurite: Azurite;
let source: BlobAccount;
let vaultAccount: BlobAccount;
let lake: ContainerClient;
let vaultFiles: ContainerClient;

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["prodlake", "vault"] });
  const open = (name: string): BlobAccount =>
    new BlobAccount({ kind: "key", connectionString: azurite.account(name).connectionString }, () => new Date());
  [source, vaultAccount] = [open("prodlake"), open("vault")];
  lake = source.container("lake");
  vaultFiles = vaultAccount.container(vaultContainerName(INSTANCE));
  await Promise.all([lake.create(), vaultFiles.create()]);
});
afterAll(() => azurite.stop());

/** Backs up one blob, in blocks if it is longer than 1,000 bytes. */
async function take(name: string): Promise<WantedObject> {
  const listed = await new BlobDatasource(source, "blobServices").look("lake", name);
  if (listed === undefined) throw new Error(`there is no '${name}'`);
  const { etag, size, type } = listed;
  const path = objectPath("lake", name, etag, 1);
  const vault = new BlobBackupVault(vaultAccount, INSTANCE, source, {
    limits: { ...COPY_LIMITS, wholeBytes: 1_000, blockBytes: 1_000, pollMs: 10 },
  });
  const version = { container: "lake", name, etag, size, ...(type === undefined ? {} : { type }) };
  const outcome = await vault.copyObject(version, path, () => true);
  if (outcome.kind !== "copied") throw new Error(`'${name}' is ${outcome.kind}`);
  return { path, entry: entryOf(listed, 1, outcome.md5) };
}

test("objects are intact however they were copied, and reported when they are gone or overwritten", async ({
  expect,
}) => {
  const long = Buffer.from("0123456789".repeat(500));
  await lake.getBlockBlobClient("blocks").upload(long, long.length);
  await lake.getBlockBlobClient("gone").upload("gone", 4);
  await lake.getBlockBlobClient("over").upload("over", 4);
  await lake.getBlockBlobClient("short").upload("short", 5);
  await lake.getBlockBlobClient("zero").upload("", 0);
  await lake.getAppendBlobClient("append").create();
  await lake.getAppendBlobClient("append").appendBlock("appended", 8);
  const wanted = await Promise.all(["append", "blocks", "gone", "over", "short", "zero"].map(take));
  wanted.sort((a, b) => (a.path < b.path ? -1 : 1));
  const vault = new BlobScrubVault(vaultAccount, INSTANCE);
  const settings = { rereadShare: 1, rereadBytes: 1_000_000 };
  // A few of many names are looked up one by one, many of few by a listing.
  for (const between of [6, 60_000]) {
    const compared = await compareObjects(
      { vault, settings, round: 1, sealedAt: new Date() },
      "data/lake/",
      wanted,
      between,
      0,
    );
    expect(compared).toEqual({ objects: 6, findings: [], reread: 6, rereadBytes: 5_021, tooLargeToReread: 0 });
  }

  const pathOf = (name: string): string => wanted.find(({ entry }) => entry.name === name)?.path ?? "";
  await vaultFiles.deleteBlob(pathOf("gone"));
  await vaultFiles.getBlockBlobClient(pathOf("over")).upload("ovEr", 4);
  await vaultFiles.getBlockBlobClient(pathOf("short")).upload("shor", 4);
  const rotten = Buffer.from(long);
  rotten[4_000] = 0;
  const claimed = createHash("md5").update(long).digest();
  const inBlocks = vaultFiles.getBlockBlobClient(pathOf("blocks"));
  await inBlocks.stageBlock("AAAA", rotten, rotten.length);
  await inBlocks.commitBlockList(["AAAA"], { blobHTTPHeaders: { blobContentMD5: claimed } });
  const blocks = wanted.filter(({ entry: { type } }) => type === undefined);
  const found = await compareObjects({ vault, settings, round: 1, sealedAt: LONG_AGO }, "data/lake/", blocks, 6, 0);
  expect(found.findings.map(({ kind, wanted: { entry } }) => [entry.name, kind])).toEqual([
    ["blocks", "altered"],
    ["gone", "missing"],
    ["over", "altered"],
    ["short", "altered"],
  ]);
});

test("append and page blobs with an outdated MD5 are intact, until something writes to the object", async ({
  expect,
}) => {
  const page = Buffer.alloc(512, "a");
  const old = { blobHTTPHeaders: { blobContentMD5: createHash("md5").update("of before").digest() } };
  const wanted: WantedObject[] = [];
  for (let n = 0; n < 8; n++) {
    const log = lake.getAppendBlobClient(`log-${n}`);
    await log.create(old);
    await log.appendBlock(`line ${n}`, 6);
    const disk = lake.getPageBlobClient(`disk-${n}`);
    await disk.create(512, old);
    await disk.uploadPages(page, 0, 512);
    wanted.push(await take(`log-${n}`), await take(`disk-${n}`));
  }
  wanted.sort((a, b) => (a.path < b.path ? -1 : 1));
  expect(wanted.every(({ entry }) => entry.md5 === old.blobHTTPHeaders.blobContentMD5.toString("base64"))).toBe(true);
  const deps = { vault: new BlobScrubVault(vaultAccount, INSTANCE), settings: { rereadShare: 1, rereadBytes: 1e6 } };
  const all = await compareObjects({ ...deps, round: 1, sealedAt: new Date() }, "data/lake/", wanted, 16, 0);
  expect(all).toMatchObject({ objects: 16, reread: 16, findings: [] });

  const [disk, log] = [wanted[0], wanted[8]];
  await vaultFiles.getPageBlobClient(disk?.path ?? "").uploadPages(Buffer.alloc(512, "b"), 0, 512);
  await vaultFiles.getAppendBlobClient(log?.path ?? "").appendBlock("more", 4);
  const { findings } = await compareObjects(
    { ...deps, round: 1, sealedAt: LONG_AGO },
    "data/lake/",
    [disk, log].filter((one) => one !== undefined),
    2,
    0,
  );
  expect(findings.map(({ kind, wanted: { entry } }) => [entry.name, kind])).toEqual([
    ["disk-0", "altered"],
    ["log-0", "altered"],
  ]);
});
