import { createHash, randomBytes } from "node:crypto";
import type { BlobClient, BlockBlobClient, ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, beforeEach, describe, test } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite.ts";
import { BlobAccount, type BlobAccountOptions } from "../../src/azure/blob-account.ts";
import { BlobDatasource } from "../../src/azure/blob-datasource.ts";
import { BlobRestoreTarget } from "../../src/azure/blob-restore-target.ts";
import { BlobBackupVault } from "../../src/azure/blob-vault.ts";
import { COPY_LIMITS, type CopyLimits } from "../../src/azure/copy-request.ts";
import { copyVersion, type Taken } from "../../src/backup/copy-version.ts";
import type { ListedBlob } from "../../src/backup/datasource.ts";
import { VaultError } from "../../src/foundation/errors.ts";
import { FULL_SAFETY } from "../../src/foundation/safety.ts";
import type { Entry } from "../../src/vault/entry.ts";
import { objectPath, vaultContainerName } from "../../src/vault/names.ts";
import { type RecordingProxy, startRecordingProxy } from "../support/recording-proxy.ts";

/** The production's steps with low limits, so that small blobs use all of them. */
const SHORT: CopyLimits = { ...COPY_LIMITS, wholeBytes: 1_000, blockBytes: 400, pollMs: 10 };

let azurite: Azurite;
let wire: RecordingProxy;
let source: BlobAccount;
let vaultAccount: BlobAccount;
let target: BlobAccount;
let container: ContainerClient;
let datasource: BlobDatasource;
let vault: BlobBackupVault;
let runs = 0;
/** Offset of the app's clock. */
let aheadMs = 0;

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["prodlake", "vault", "restored"] });
  wire = await startRecordingProxy(new URL(azurite.account("vault").blobEndpoint).origin);
  source = openAccount("prodlake");
  vaultAccount = openAccount("vault");
  target = openAccount("restored");
});
afterAll(async () => {
  await wire.stop();
  await azurite.stop();
});

beforeEach(async () => {
  runs += 1;
  aheadMs = 0;
  wire.before = () => Promise.resolve();
  wire.answering = () => undefined;
  container = source.container(`in${runs}`);
  await container.create();
  datasource = new BlobDatasource(source, "blobServices");
  vault = new BlobBackupVault(vaultAccount, instanceId(), source, {
    tier: "Cool",
    limits: SHORT,
  });
  await vaultAccount.container(vaultContainerName(instanceId())).create();
});

/** An account, reached through the wire. */
function openAccount(name: string, options: BlobAccountOptions = {}): BlobAccount {
  const { connectionString, blobEndpoint } = azurite.account(name);
  const throughWire = connectionString.replace(blobEndpoint, blobEndpoint.replace(/^http:\/\/[^/]+/, wire.origin));
  return new BlobAccount({ kind: "key", connectionString: throughWire }, () => new Date(Date.now() + aheadMs), options);
}

/** Each test has an instance of its own. */
function instanceId(): string {
  return String(runs).padStart(32, "0");
}

const PROPERTIES = {
  blobHTTPHeaders: {
    blobContentType: "text/csv; charset=utf-8",
    blobContentEncoding: "identity",
    blobContentLanguage: "de",
    blobContentDisposition: "attachment",
    blobCacheControl: "max-age=60",
  },
  metadata: { Owner: "finance", stage: "raw" },
  tags: { project: "lake", "cost center": "4711" },
};

async function upload(name: string, content: Uint8Array | string): Promise<ListedBlob> {
  const bytes = Buffer.from(content);
  await container.getBlockBlobClient(name).upload(bytes, bytes.length, PROPERTIES);
  return look(name);
}

async function look(name: string): Promise<ListedBlob> {
  const blob = await datasource.look(container.containerName, name);
  if (blob === undefined) throw new Error(`no blob '${name}'`);
  return blob;
}

const always = () => true;

function copy(
  { name, etag, size, type }: ListedBlob,
  path = `data/${name}/1`,
  shouldContinue = always,
): ReturnType<BlobBackupVault["copyObject"]> {
  const version = { container: container.containerName, name, etag, size, ...(type === undefined ? {} : { type }) };
  return vault.copyObject(version, path, shouldContinue);
}

/** Copies like a backup that started a while ago. */
function take(
  listed: ListedBlob,
  birth: number,
  shouldContinue = always,
  since = new Date(Date.now() - 60_000),
): Promise<Taken> {
  return copyVersion(
    { datasource, vault },
    container.containerName,
    listed,
    birth,
    shouldContinue,
    since.toISOString(),
  );
}

function object(path: string): BlockBlobClient {
  return vaultAccount.container(vaultContainerName(instanceId())).getBlockBlobClient(path);
}

async function expectSame(expect: (value: unknown) => { toEqual(other: unknown): void }, a: BlobClient, b: BlobClient) {
  const [left, right] = await Promise.all([a.downloadToBuffer(), b.downloadToBuffer()]);
  expect(createHash("md5").update(right).digest("hex")).toEqual(createHash("md5").update(left).digest("hex"));
  const told = (p: Awaited<ReturnType<BlobClient["getProperties"]>>) => ({
    ...{ type: p.contentType, encoding: p.contentEncoding, language: p.contentLanguage, metadata: p.metadata },
    ...{ disposition: p.contentDisposition, cache: p.cacheControl, blobType: p.blobType, md5: p.contentMD5 },
  });
  expect(told(await b.getProperties())).toEqual(told(await a.getProperties()));
}

test("copies a small blob whole, with properties and metadata, into the vault's tier", async ({ expect }) => {
  const listed = await upload("a/small.csv", "1,2,3");
  expect(await copy(listed, "data/small")).toEqual({ kind: "copied", movedBytes: 5 });
  await expectSame(expect, container.getBlobClient("a/small.csv"), object("data/small"));
  expect((await object("data/small").getProperties()).accessTier).toBe("Cool");
});

test("copies a large blob in blocks, with the source's version as a condition of every block", async ({ expect }) => {
  const listed = await upload("large.bin", randomBytes(1_900));
  const before = wire.requests.length;
  expect(await copy(listed, "data/large")).toEqual({ kind: "copied", movedBytes: 1_900 });
  const blocks = wire.requests.slice(before).filter(({ url }) => url.searchParams.get("comp") === "block");
  expect(blocks.map(({ headers }) => headers["x-ms-source-range"]).sort()).toEqual([
    "bytes=0-399",
    "bytes=1200-1599",
    "bytes=1600-1899",
    "bytes=400-799",
    "bytes=800-1199",
  ]);
  expect(new Set(blocks.map(({ headers }) => headers["x-ms-source-if-match"]))).toEqual(new Set([`"${listed.etag}"`]));
  await expectSame(expect, container.getBlobClient("large.bin"), object("data/large"));
  expect((await object("data/large").getProperties()).accessTier).toBe("Cool");
});

test("copies a large blob that has only content", async ({ expect }) => {
  await container.getBlockBlobClient("bare").upload(Buffer.alloc(1_500, "a"), 1_500);
  expect(await copy(await look("bare"), "data/bare")).toEqual({ kind: "copied", movedBytes: 1_500 });
  await expectSame(expect, container.getBlobClient("bare"), object("data/bare"));
});

test("continues a large blob where an earlier attempt was interrupted", async ({ expect }) => {
  const listed = await upload("large.bin", randomBytes(1_900));
  const isBlock = ({ url, method }: { url: URL; method: string }): boolean =>
    method === "PUT" && url.searchParams.get("comp") === "block";
  let blocks = 0;
  wire.before = (request) =>
    isBlock(request) && ++blocks > 3 ? Promise.reject(new Error("cut off")) : Promise.resolve();
  const impatient = openAccount("vault", { blockRetryForMs: 0 });
  vault = new BlobBackupVault(impatient, instanceId(), source, { tier: "Cool", limits: SHORT });
  await expect(copy(listed, "data/large")).rejects.toMatchObject({ code: "storage/unavailable" });

  wire.before = () => Promise.resolve();
  const before = wire.requests.length;
  expect(await copy(listed, "data/large")).toEqual({ kind: "copied", movedBytes: 1_900 });
  expect(wire.requests.slice(before).filter(isBlock)).toHaveLength(2);
  await expectSame(expect, container.getBlobClient("large.bin"), object("data/large"));
  expect(await metadataOf(object("data/large"))).toEqual(PROPERTIES.metadata);

  const after = wire.requests.length;
  expect(await copy(listed, "data/large")).toMatchObject({ kind: "copied", movedBytes: 0 });
  expect(wire.requests.slice(after).filter(isBlock)).toHaveLength(0);
});

test("stops between two blocks when its time is over, and completes after any number of short attempts", async ({
  expect,
}) => {
  const listed = await upload("large.bin", randomBytes(1_900));
  vault = new BlobBackupVault(vaultAccount, instanceId(), source, { limits: { ...SHORT, blockWidth: 1 } });
  const outcomes: string[] = [];
  while (outcomes.at(-1) !== "copied" && outcomes.length < 10) {
    outcomes.push((await copy(listed, "data/large", () => false)).kind);
  }
  expect(outcomes).toEqual(["unfinished", "unfinished", "unfinished", "unfinished", "copied"]);
  await expectSame(expect, container.getBlobClient("large.bin"), object("data/large"));
});

test("never uses a block of another version", async ({ expect }) => {
  const first = await upload("large.bin", Buffer.alloc(1_900, "a"));
  let blocks = 0;
  wire.before = async ({ url }) => {
    if (url.searchParams.get("comp") === "block" && ++blocks === 4) await upload("large.bin", Buffer.alloc(1_900, "b"));
  };
  expect(await copy(first, "data/large")).toEqual({ kind: "changed" });
  // To the same name on purpose: the vault never does so, a restarted restore does.
  expect(await copy(await look("large.bin"), "data/large")).toEqual({ kind: "copied", movedBytes: 1_900 });
  expect((await object("data/large").downloadToBuffer()).equals(Buffer.alloc(1_900, "b"))).toBe(true);
});

test("never assembles a large blob from two versions", async ({ expect }) => {
  const listed = await upload("torn.bin", Buffer.alloc(1_900, "a"));
  let blocks = 0;
  wire.before = async ({ url }) => {
    if (url.searchParams.get("comp") === "block" && ++blocks === 3) await upload("torn.bin", Buffer.alloc(1_900, "b"));
  };
  expect(await copy(listed, "data/torn")).toEqual({ kind: "changed" });
  expect(blocks).toBeGreaterThanOrEqual(3);
  expect(await object("data/torn").exists()).toBe(false);
});

test.for(["small", "large"])(
  "tells of a %s blob that its version is replaced or that it is gone",
  async (size, { expect }) => {
    const length = size === "small" ? 10 : 1_500;
    const listed = await upload("moving", Buffer.alloc(length, "a"));
    await upload("moving", Buffer.alloc(length, "b"));
    expect(await copy(listed)).toEqual({ kind: "changed" });
    await container.deleteBlob("moving");
    expect(await copy(listed)).toEqual({ kind: "gone" });
  },
);

test.for(["append", "page"])("copies an %s blob from a snapshot and leaves none behind", async (type, { expect }) => {
  const content = type === "append" ? Buffer.from("line 1\nline 2\n") : randomBytes(1_024);
  const { blobHTTPHeaders, metadata } = PROPERTIES;
  if (type === "append") {
    const blob = container.getAppendBlobClient("log");
    await blob.create({ blobHTTPHeaders, metadata });
    await blob.appendBlock(content, content.length);
  } else {
    const blob = container.getPageBlobClient("log");
    await blob.create(content.length, { blobHTTPHeaders, metadata });
    await blob.uploadPages(content, 0, content.length);
  }
  const listed = await look("log");
  expect(listed.type).toBe(type);
  expect(await copy(listed, "data/log")).toEqual({ kind: "copied", movedBytes: content.length });
  await expectSame(expect, container.getBlobClient("log"), object("data/log"));
  expect(await copy(listed, "data/log")).toEqual({ kind: "copied", movedBytes: 0 });

  expect(await snapshots()).toEqual([undefined]);

  if (type === "append") await container.getAppendBlobClient("log").appendBlock("more", 4);
  else await container.getPageBlobClient("log").clearPages(0, 512);
  expect(await copy(listed, "data/again")).toEqual({ kind: "changed" });
  await container.deleteBlob("log");
  expect(await copy(listed, "data/again")).toEqual({ kind: "gone" });
});

/** Makes the service slow or failing: Azurite ends every asynchronous copy at once. */
function sayCopyStatus(statuses: string[]): void {
  wire.answering = ({ method, url }, headers) => {
    const isLook = method === "HEAD" && url.pathname.startsWith("/vault/") && headers["x-ms-copy-status"] !== undefined;
    const status = isLook ? statuses.shift() : undefined;
    if (status !== undefined) headers["x-ms-copy-status"] = status;
  };
}

/** @returns one per snapshot of the blob, then undefined for the blob itself */
async function snapshots(name = "log"): Promise<(string | undefined)[]> {
  const items = await all(container.listBlobsFlat({ includeSnapshots: true }));
  return items
    .filter((item) => item.name === name)
    .map(({ snapshot }) => snapshot || undefined)
    .sort();
}

/** As in listings, which keep the letter case of names. */
async function metadataOf(blob: BlobClient): Promise<Readonly<Record<string, string>>> {
  const { containerName, accountName, name } = blob;
  const account = [source, vaultAccount, target].find((one) => one.name === accountName) ?? source;
  const [item] = await all(account.container(containerName).listBlobsFlat({ prefix: name, includeMetadata: true }));
  return item?.metadata ?? {};
}

async function appended(name: string, content: string): Promise<ListedBlob> {
  await container.getAppendBlobClient(name).create();
  await container.getAppendBlobClient(name).appendBlock(content, content.length);
  return look(name);
}

test("waits for an asynchronous copy until it has ended", async ({ expect }) => {
  const listed = await appended("log", "lines");
  const statuses = ["pending", "pending"];
  sayCopyStatus(statuses);
  expect(await copy(listed, "data/log")).toEqual({ kind: "copied", movedBytes: 5 });
  expect(statuses).toEqual([]);
  expect(await snapshots()).toEqual([undefined]);
});

test("leaves a copy that takes long to the next attempt, which waits on and cleans up", async ({ expect }) => {
  const listed = await appended("log", "lines");
  for (let attempts = 0; attempts < 2; attempts++) {
    sayCopyStatus(Array.from({ length: 1_000 }, () => "pending"));
    let looks = 0;
    expect(await copy(listed, "data/log", () => ++looks < 5)).toEqual({ kind: "unfinished" });
    expect(looks).toBe(5);
    expect(await snapshots()).toHaveLength(2);
  }
  sayCopyStatus(["pending"]);
  expect(await copy(listed, "data/log")).toEqual({ kind: "copied", movedBytes: 0 });
  expect(await snapshots()).toEqual([undefined]);
});

/** The worker's last request: once it would start the copy, none of its requests arrives any more. */
function dieBeforeCopy(): void {
  let dead = false;
  wire.before = ({ method, headers }) => {
    dead ||= method === "PUT" && headers["x-ms-copy-source"] !== undefined;
    return dead ? Promise.reject(new Error("dead")) : Promise.resolve();
  };
}

test.for([
  ["nothing", {}],
  ["metadata", { Owner: "finance", stage: "raw" }],
] as const)("removes the snapshot that a dead worker left of a blob with %s", async ([, metadata], { expect }) => {
  await container.getAppendBlobClient("log").create({ metadata });
  await container.getAppendBlobClient("log").appendBlock("lines", 5);
  // Neighbours in the listing, and a user's snapshot: not ours.
  await appended("log1", "other");
  await container.getAppendBlobClient("log1").createSnapshot();
  const { snapshot: users } = await container.getAppendBlobClient("log").createSnapshot();
  const listed = await look("log");

  dieBeforeCopy();
  await expect(copy(listed, "data/log")).rejects.toMatchObject({ code: "storage/unavailable" });
  wire.before = () => Promise.resolve();
  expect(await snapshots("log")).toHaveLength(3);

  expect(await copy(listed, "data/log")).toEqual({ kind: "copied", movedBytes: 5 });
  expect(await snapshots("log")).toEqual([users, undefined]);
  expect(await snapshots("log1")).toHaveLength(2);
  expect(await metadataOf(object("data/log"))).toEqual(metadata);
});

test("deletes a crashed worker's snapshot of an old version, once no worker can be alive", async ({ expect }) => {
  const listed = await appended("log", "lines");
  dieBeforeCopy();
  await expect(copy(listed, "data/log/1")).rejects.toMatchObject({ code: "storage/unavailable" });
  wire.before = () => Promise.resolve();
  await container.getAppendBlobClient("log").appendBlock("more", 4);
  expect(await copy(listed, "data/log/1")).toEqual({ kind: "changed" });
  expect(await copy(await look("log"), "data/log/2")).toEqual({ kind: "copied", movedBytes: 9 });
  // Its worker may be about to copy it.
  expect(await snapshots("log")).toHaveLength(2);

  aheadMs = FULL_SAFETY.staleSnapshotMs + 60_000;
  await container.getAppendBlobClient("log").appendBlock("more", 4);
  // The service's clock was not moved, and refuses signatures of a future time.
  expect(await copy(await look("log"), "data/log/3")).toMatchObject({ kind: "refused" });
  aheadMs = 0;
  expect(await copy(await look("log"), "data/log/3")).toEqual({ kind: "copied", movedBytes: 13 });
  expect(await snapshots("log")).toEqual([undefined]);
});

test("leaves the snapshots of another vault's copies alone", async ({ expect }) => {
  const listed = await appended("log", "lines");
  const { snapshot } = await container.getBlobClient("log").createSnapshot({ metadata: { lakevaultcopy: "bi-other" } });
  expect(await copy(listed, "data/log")).toEqual({ kind: "copied", movedBytes: 5 });
  expect(await snapshots("log")).toEqual([snapshot, undefined]);
});

test("repeats a copy that the service aborted", async ({ expect }) => {
  const listed = await appended("log", "lines");
  const statuses = ["failed", "aborted", "pending"];
  sayCopyStatus(statuses);
  expect(await copy(listed, "data/log")).toEqual({ kind: "copied", movedBytes: 5 });
  expect(statuses).toEqual([]);
  await expectSame(expect, container.getBlobClient("log"), object("data/log"));
  expect(await snapshots()).toEqual([undefined]);
  sayCopyStatus(Array.from({ length: 1_000 }, () => "failed"));
  await expect(copy(listed, "data/again")).rejects.toMatchObject({ code: "storage/unavailable" });
});

describe("a removal that comes late", () => {
  /** Lets the first execution see a broken blob, and holds its delete request until it is released. */
  function holdRemoval(status: string, account: string): { readonly isHeld: Promise<void>; letGo(): void } {
    const { promise: isGone, resolve: letGo } = Promise.withResolvers<void>();
    const { promise: isHeld, resolve: tell } = Promise.withResolvers<void>();
    let looks = 0;
    let removals = 0;
    wire.answering = ({ method, url }, headers) => {
      const isLook = method === "HEAD" && url.pathname.startsWith(`/${account}/`);
      // Both see it broken; then the real state is used.
      if (isLook && headers["x-ms-copy-status"] !== undefined && looks++ < 2) headers["x-ms-copy-status"] = status;
    };
    wire.before = async ({ method, url }) => {
      if (method !== "DELETE" || !url.pathname.startsWith(`/${account}/`) || removals++ > 0) return;
      tell();
      await isGone;
    };
    return { isHeld, letGo };
  }

  test.for(["failed", "aborted"])(
    "takes no object that another execution has made anew: %s",
    async (status, { expect }) => {
      const listed = await appended("log", "lines");
      await copy(listed, "data/log");
      const { isHeld, letGo } = holdRemoval(status, "vault");
      const late = copy(listed, "data/log");
      await isHeld;
      expect(await copy(listed, "data/log")).toEqual({ kind: "copied", movedBytes: 5 });
      // The source has changed: a deleted object could not be copied again.
      await container.getAppendBlobClient("log").appendBlock("more", 4);
      letGo();
      expect(await late).toEqual({ kind: "copied", movedBytes: 0 });
      expect((await object("data/log").downloadToBuffer()).toString()).toBe("lines");
    },
  );

  test("deletes no blob that another execution has restored again", async ({ expect }) => {
    await appended("log", "lines");
    const { entry, path } = await takenIn("log");
    const restore = restoreTarget();
    await restore.createContainer(`out${runs}`, "job");
    await restore.copyObject(path, `out${runs}`, entry, always);
    const { isHeld, letGo } = holdRemoval("failed", "restored");
    const late = restore.copyObject(path, `out${runs}`, entry, always);
    await isHeld;
    expect(await restore.copyObject(path, `out${runs}`, entry, always)).toEqual({ kind: "copied" });
    await object(path).delete();
    letGo();
    expect(await late).toEqual({ kind: "exists" });
    expect((await target.container(`out${runs}`).getBlobClient("log").downloadToBuffer()).toString()).toBe("lines");
  });

  test("takes no marker metadata from a blob that was recreated", async ({ expect }) => {
    const listed = await appended("log", "lines");
    let [removals, renewed] = [0, false];
    wire.before = async ({ method, url }) => {
      if (method !== "PUT" || url.searchParams.get("comp") !== "metadata" || removals++ > 0) return;
      await object("data/log").delete();
      await object("data/log").upload("lines", 5, { metadata: { owner: "finance" } });
      renewed = true;
    };
    expect(await copy(listed, "data/log")).toMatchObject({ kind: "copied" });
    expect(renewed).toBe(true);
    expect(await metadataOf(object("data/log"))).toEqual({ owner: "finance" });
  });
});

describe("a blob that is written all the time", () => {
  /** Another writer writes just before each snapshot. */
  function writeBeforeSnapshots(type: "append" | "page"): { count: number } {
    const writes = { count: 0 };
    wire.before = async ({ method, url }) => {
      if (method !== "PUT" || url.searchParams.get("comp") !== "snapshot") return;
      writes.count += 1;
      if (type === "append") await container.getAppendBlobClient("log").appendBlock("more\n", 5);
      else await container.getPageBlobClient("log").uploadPages(Buffer.alloc(512, writes.count), 0, 512);
    };
    return writes;
  }

  test.for(["append", "page"] as const)(
    "is copied in one consistent state, as an %s blob",
    async (type, { expect }) => {
      if (type === "append") await appended("log", "first\n");
      else await container.getPageBlobClient("log").create(1_024, { metadata: { Owner: "finance" } });
      const listed = await look("log");
      const writes = writeBeforeSnapshots(type);
      const { entry, warning, changedDuringCopy } = await take(listed, 1);
      wire.before = () => Promise.resolve();
      expect(warning).toBeUndefined();
      expect(changedDuringCopy).toBe(true);
      expect(writes.count).toBeGreaterThan(1);
      expect(entry?.etag).not.toBe(listed.etag);
      const taken = object(objectPath(container.containerName, "log", entry?.etag ?? "", 1));
      expect(entry?.size).toBe((await taken.getProperties()).contentLength);
      // Nothing was written since.
      await expectSame(expect, container.getBlobClient("log"), taken);
      expect(await metadataOf(taken)).toEqual(type === "append" ? {} : { Owner: "finance" });
      expect(await snapshots("log")).toEqual([undefined]);
    },
  );

  test("is continued by the next execution, although it has changed since", async ({ expect }) => {
    const listed = await appended("log", "first\n");
    writeBeforeSnapshots("append");
    sayCopyStatus(Array.from({ length: 1_000 }, () => "pending"));
    const kinds: unknown[] = [];
    let now = listed;
    for (let attempts = 0; attempts < 3; attempts++) {
      kinds.push((await take(now, 1, () => false)).unfinished);
      await container.getAppendBlobClient("log").appendBlock("later\n", 6);
      now = await look("log");
    }
    expect(kinds).toEqual([true, true, true]);
    wire.answering = () => undefined;
    const { entry, copiedBytes } = await take(now, 1);
    expect(copiedBytes).toBe(0);
    const found = await all(vault.list("data/"));
    expect(found.map(({ path }) => path)).toEqual([objectPath(container.containerName, "log", entry?.etag ?? "", 1)]);
    expect(found[0]?.size).toBe(entry?.size);
    expect(await snapshots("log")).toEqual([undefined]);
  });

  test("does not use what an attempt before the recovery point's time copied", async ({ expect }) => {
    await take(await appended("log", "first\n"), 1);
    await container.getAppendBlobClient("log").appendBlock("later\n", 6);
    const { entry } = await take(await look("log"), 1, always, new Date(Date.now() + 60_000));
    expect(entry).toMatchObject({ size: 12 });
    expect((await all(vault.list("data/"))).length).toBe(2);
  });
});

test("accepts a complete object and replaces an incomplete one", async ({ expect }) => {
  const listed = await upload("again", "content");
  expect(await copy(listed, "data/again")).toEqual({ kind: "copied", movedBytes: 7 });
  const md5 = createHash("md5").update("content").digest("base64");
  expect(await copy(listed, "data/again")).toEqual({ kind: "copied", movedBytes: 0, md5 });
  await object("data/again").upload("cont", 4);
  expect(await copy(listed, "data/again")).toEqual({ kind: "copied", movedBytes: 7 });
  expect((await object("data/again").downloadToBuffer()).toString()).toBe("content");
});

test("lets many workers copy one version at once, in any way", async ({ expect }) => {
  const blobs = [await upload("one", "1"), await upload("many", randomBytes(1_700))];
  for (const listed of blobs) {
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => copy(listed, `data/${listed.name}`)));
    expect(outcomes.map(({ kind }) => kind)).toEqual(Array.from({ length: 6 }, () => "copied"));
    await expectSame(expect, container.getBlobClient(listed.name), object(`data/${listed.name}`));
  }
});

test("reports an archived blob as unreadable", async ({ expect }) => {
  const listed = await upload("old", "cold");
  await container.getBlobClient("old").setAccessTier("Archive");
  expect(await look("old")).toMatchObject({ tier: "Archive", effectiveTier: "Archive", etag: listed.etag });
  expect(await copy(listed)).toMatchObject({ kind: "unreadable", code: "archived" });
});

const ODD_NAMES = [
  "with space and +plus",
  "percent%41 and %2F",
  "question?mark=1&and#hash",
  "ümläut/雪/🙂",
  "double//slash",
  "/leading",
  "quote'\"<xml>&amp;",
  "tilde~{brace}|pipe^caret`tick",
];

test("copies blobs of any name and finds them again in its listings", async ({ expect }) => {
  for (const name of ODD_NAMES) {
    const listed = await upload(name, name);
    expect(await copy(listed, `data/x/${name}/${listed.etag}.1`), name).toMatchObject({ kind: "copied" });
    const read = await vault.read(`data/x/${name}/${listed.etag}.1`);
    expect(Buffer.from(read ?? []).toString(), name).toBe(name);
  }
  const found: string[] = [];
  for await (const { path } of vault.list("data/x/")) found.push(path.replace(/^data\/x\/(.*)\/[^/]+$/s, "$1"));
  expect(found.sort()).toEqual([...ODD_NAMES].sort());
});

test("has no files before its container is created", async ({ expect }) => {
  const fresh = new BlobBackupVault(vaultAccount, "f".repeat(32), source);
  expect(await fresh.read("instance.json")).toBeUndefined();
  expect(await all(fresh.list(""))).toEqual([]);
});

test("lists pages from a position on, with all members of an entry", async ({ expect }) => {
  const names = ["a", "a/1", "a/2", "b", "b/1", "c"];
  for (const name of names) await upload(name, name);
  await container.getBlobClient("b").setAccessTier("Cool");

  const listing = async (name: string, after: boolean): Promise<string[][]> => {
    const pages = datasource.listPages(container.containerName, { from: { name, after }, pageSize: 2 });
    return (await all(pages)).map((page) => page.map((blob) => blob.name));
  };
  expect((await listing("", false)).flat()).toEqual(names);
  expect((await listing("", false)).length).toBe(3);
  expect((await listing("a/2", false)).flat()).toEqual(["a/2", "b", "b/1", "c"]);
  expect((await listing("a/2", true)).flat()).toEqual(["b", "b/1", "c"]);
  expect((await listing("a/10", true)).flat()).toEqual(["a/2", "b", "b/1", "c"]);
  expect((await listing("c", true)).flat()).toEqual([]);

  const [page] = await all(datasource.listPages(container.containerName, { from: { name: "a/2", after: true } }));
  const [b, b1] = page ?? [];
  expect(b).toEqual(await look("b"));
  expect(b).toMatchObject({ name: "b", size: 1, tier: "Cool", effectiveTier: "Cool", tags: PROPERTIES.tags });
  expect(b?.etag).toMatch(/^0x[0-9A-F]+$/);
  expect(b?.md5).toBe(createHash("md5").update("b").digest("base64"));
  expect(b1).toMatchObject({ effectiveTier: "Hot" });
  expect(b1).not.toHaveProperty("tier");
});

test("lists the existing containers", async ({ expect }) => {
  expect(await datasource.containerExists(container.containerName)).toBe(true);
  expect(await datasource.containerExists("none-such")).toBe(false);
  const names = await datasource.listContainers();
  expect(names).toContain(container.containerName);
  expect(names).toEqual([...names].sort());
  await expect(all(datasource.listPages("none-such", { from: { name: "", after: false } }))).rejects.toMatchObject({
    code: "datasource/container-not-found",
  });
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

function restoreTarget(): BlobRestoreTarget {
  return new BlobRestoreTarget(target, vaultAccount, instanceId(), SHORT);
}

async function takenIn(name: string): Promise<{ readonly entry: Entry; readonly path: string }> {
  const { effectiveTier: _, ...listed } = await look(name);
  const path = `data/${name}/${listed.etag}.1`;
  await copy(listed, path);
  return { entry: { ...listed, birth: 1 }, path };
}

test.for([5, 1_800])("restores %i bytes with properties, metadata, tags and tier", async (length, { expect }) => {
  await upload("x/data.bin", randomBytes(length));
  await container.getBlobClient("x/data.bin").setAccessTier("Cold");
  const { entry, path } = await takenIn("x/data.bin");
  const restore = restoreTarget();
  expect(await restore.createContainer(`out${runs}`, "job-1")).toBe("ours");
  expect(await restore.copyObject(path, `out${runs}`, entry, always)).toEqual({ kind: "copied" });
  expect(await restore.copyObject(path, `out${runs}`, entry, always)).toEqual({ kind: "exists" });

  const restored = target.container(`out${runs}`).getBlobClient("x/data.bin");
  await expectSame(expect, container.getBlobClient("x/data.bin"), restored);
  expect((await restored.getTags()).tags).toEqual(PROPERTIES.tags);
  expect((await restored.getProperties()).accessTier).toBe("Cold");
  expect((await all(restore.listPages(`out${runs}`, ""))).flat()).toEqual([
    { name: "x/data.bin", size: length, md5: entry.md5, isWhole: true },
  ]);
});

test("restores append and page blobs with their type", async ({ expect }) => {
  await container.getAppendBlobClient("log").create({ metadata: PROPERTIES.metadata });
  await container.getAppendBlobClient("log").appendBlock("line", 4);
  await container.getPageBlobClient("disk").create(1_024);
  await container.getPageBlobClient("disk").uploadPages(randomBytes(512), 512, 512);
  const restore = restoreTarget();
  await restore.createContainer(`out${runs}`, "job-1");
  for (const name of ["log", "disk"]) {
    const { entry, path } = await takenIn(name);
    expect(await restore.copyObject(path, `out${runs}`, entry, always)).toEqual({ kind: "copied" });
    expect(await restore.copyObject(path, `out${runs}`, entry, always)).toEqual({ kind: "exists" });
    await expectSame(expect, container.getBlobClient(name), target.container(`out${runs}`).getBlobClient(name));
  }
});

test("reports an object that is missing in the vault, and never overwrites a blob", async ({ expect }) => {
  await upload("kept", "ours");
  const { entry, path } = await takenIn("kept");
  const restore = restoreTarget();
  await restore.createContainer(`out${runs}`, "job-1");
  expect(await restore.copyObject("data/none/1", `out${runs}`, entry, always)).toEqual({ kind: "missing" });
  await target.container(`out${runs}`).getBlockBlobClient("kept").upload("theirs", 6);
  expect(await restore.copyObject(path, `out${runs}`, entry, always)).toEqual({ kind: "exists" });
  expect((await target.container(`out${runs}`).getBlobClient("kept").downloadToBuffer()).toString()).toBe("theirs");
});

test("restores a directory as a blob that is marked as one", async ({ expect }) => {
  const restore = restoreTarget();
  await restore.createContainer(`out${runs}`, "job-1");
  const entry: Entry = { name: "dir", etag: "0x1", size: 0, modified: "", birth: 1, type: "directory" };
  expect(await restore.copyObject("", `out${runs}`, entry, always)).toEqual({ kind: "copied" });
  expect(await restore.copyObject("", `out${runs}`, entry, always)).toEqual({ kind: "exists" });
  const restored = new BlobDatasource(target, "adlsBlobServices");
  expect(await restored.look(`out${runs}`, "dir")).toMatchObject({ name: "dir", type: "directory" });
  const pages = await all(restored.listPages(`out${runs}`, { from: { name: "", after: false } }));
  expect(pages.flat()).toMatchObject([{ name: "dir", type: "directory" }]);
});

test("no error contains a signature or a key, whatever went wrong", async ({ expect }) => {
  const listed = await upload("secret", "content");
  const stranger = new BlobAccount(
    {
      kind: "key",
      connectionString: azurite
        .account("prodlake")
        .connectionString.replace(/AccountKey=[^;]+/, `AccountKey=${randomBytes(64).toString("base64")}`)
        .replace(azurite.account("prodlake").blobEndpoint, `${wire.origin}/prodlake`),
    },
    () => new Date(),
  );
  const locked = new BlobBackupVault(vaultAccount, instanceId(), stranger);
  const version = { container: container.containerName, name: "secret", etag: listed.etag, size: listed.size };
  const outcome = await locked.copyObject(version, "data/secret", always);
  expect(outcome).toMatchObject({ kind: "refused", message: expect.stringContaining("blob 'secret'") });
  const error = await new BlobDatasource(stranger, "blobServices").listContainers().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(VaultError);
  expect(error).toMatchObject({ code: "datasource/forbidden" });
  const said = JSON.stringify([outcome, error], ["cause", "code", "hint", "message", "stack"]);
  expect(`${said}${String((error as Error).cause)}${(error as Error).stack}`).not.toMatch(
    /sig=(?!\(removed)|AccountKey/,
  );
});
