/**
 * @module
 * Copies while the service is busy, fails, breaks connections and hangs, on the wire and not in a fake.
 */
import type { ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite.ts";
import { BlobAccount } from "../../src/azure/blob-account.ts";
import { BlobDatasource } from "../../src/azure/blob-datasource.ts";
import { BlobBackupVault } from "../../src/azure/blob-vault.ts";
import { COPY_LIMITS } from "../../src/azure/copy-request.ts";
import type { CopyOutcome } from "../../src/backup/backup-vault.ts";
import type { ListedBlob } from "../../src/backup/datasource.ts";
import { AdaptivePool } from "../../src/foundation/adaptive-pool.ts";
import { mapBounded } from "../../src/foundation/bounded-pool.ts";
import { vaultContainerName } from "../../src/vault/names.ts";
import { type Fault, type FaultyProxy, startFaultyProxy } from "../support/faulty-proxy.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** Timeout of requests: longer than Azurite ever takes for a small blob on a busy machine. */
const ANSWER_MS = 2_000;

let azurite: Azurite;
let wire: FaultyProxy;
let lake: ContainerClient;
let vaultFiles: ContainerClient;
let datasource: BlobDatasource;
let vault: BlobBackupVault;
/** Requests since the test began. */
let requests: string[];
let runs = 0;

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["prodlake", "vault"] });
  wire = await startFaultyProxy(new URL(azurite.account("vault").blobEndpoint).origin);
});
afterAll(async () => {
  await wire.stop();
  await azurite.stop();
});

beforeEach(async () => {
  runs += 1;
  const instance = String(runs).padStart(32, "0");
  wire.busyHeaders = {};
  wire.faults.clear();
  lake = openAccount("prodlake", azurite.account("prodlake").blobEndpoint).container(`lake${runs}`);
  vaultFiles = openAccount("vault", azurite.account("vault").blobEndpoint).container(vaultContainerName(instance));
  await Promise.all([lake.create(), vaultFiles.create()]);
  const source = openAccount("prodlake", `${wire.origin}/prodlake`);
  datasource = new BlobDatasource(source, "blobServices");
  vault = new BlobBackupVault(openAccount("vault", `${wire.origin}/vault`), instance, source, {
    limits: { ...COPY_LIMITS, wholeBytes: 1_000, blockBytes: 400 },
  });
  go();
});

function openAccount(name: string, endpoint: string): BlobAccount {
  const { connectionString, blobEndpoint } = azurite.account(name);
  return new BlobAccount(
    { kind: "key", connectionString: connectionString.replace(blobEndpoint, endpoint) },
    () => new Date(),
    { answerMs: ANSWER_MS },
  );
}

/** Counts requests, and injects faults. @param fault - decides by the request and the number of earlier ones */
function go(fault: (method: string, url: URL, before: number) => Fault | undefined = () => undefined): void {
  requests = [];
  wire.fault = (method, url) => {
    requests.push(`${method} ${url.pathname}`);
    return fault(method, url, requests.length - 1);
  };
}

async function upload(name: string, content: string): Promise<ListedBlob> {
  await lake.getBlockBlobClient(name).upload(content, content.length);
  const blob = await datasource.look(lake.containerName, name);
  if (blob === undefined) throw new Error(`there is no blob '${name}'`);
  return blob;
}

function copy({ name, etag, size }: ListedBlob): Promise<CopyOutcome> {
  return vault.copyObject({ container: lake.containerName, name, etag, size }, `data/${name}`, () => true);
}

test.for([
  ["busy", "storage/throttled", "ServerBusy"],
  ["error", "storage/unavailable", "InternalError"],
  ["reset", "storage/unavailable", "ECONNRESET"],
  ["hang", "storage/unavailable", "ETIMEDOUT"],
] as const)("a copy that meets '%s' is told so after one request", async ([fault, code, said], { expect }) => {
  const blob = await upload("one", "content");
  wire.busyHeaders = { "retry-after": "7" };
  go((method) => (method === "PUT" ? fault : undefined));
  await expect(copy(blob)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(said),
    retryAfterMs: fault === "busy" ? 7_000 : undefined,
  });
  expect(requests).toEqual([`PUT /vault/${vaultFiles.containerName}/data/one`]);
});

test("the next attempt finds a copy whose answer was lost", async ({ expect }) => {
  const blob = await upload("one", "content");
  go((method) => (method === "PUT" ? "lost" : undefined));
  await expect(copy(blob)).rejects.toMatchObject({ code: "storage/unavailable" });
  go();
  expect(await copy(blob)).toMatchObject({ kind: "copied", movedBytes: 0 });
});

test.for(["busy", "error", "reset", "hang"] as const)(
  "a listing that meets '%s' goes on after a moment",
  async (fault, { expect }) => {
    await upload("one", "content");
    go((_method, _url, before) => (before === 0 ? fault : undefined));
    const names: string[] = [];
    for await (const page of datasource.listPages(lake.containerName, { from: { name: "", after: false } })) {
      names.push(...page.map(({ name }) => name));
    }
    expect(names).toEqual(["one"]);
    expect(requests).toHaveLength(2);
  },
);

test("the blocks of a large blob are each retried, and none is copied twice", async ({ expect }) => {
  const content = Array.from({ length: 200 }, (_, n) => `line ${n}\n`).join("");
  const blob = await upload("large", content);
  const faults: Fault[] = ["busy", "reset", "error", "hang"];
  let blocks = 0;
  go((method, url) => {
    if (method !== "PUT" || url.searchParams.get("comp") !== "block") return undefined;
    blocks += 1;
    return blocks % 2 === 0 ? undefined : faults.shift();
  });
  expect(await copy(blob)).toMatchObject({ kind: "copied" });
  expect((await vaultFiles.getBlobClient("data/large").downloadToBuffer()).toString()).toBe(content);
  expect(faults).toEqual([]);
  expect(blocks).toBe(Math.ceil(content.length / 400) + 4);
});

test("the blocks of a large blob are retried only while there is time, and the next attempt continues", async ({
  expect,
}) => {
  const content = Array.from({ length: 200 }, (_, n) => `line ${n}\n`).join("");
  const { name, etag, size } = await upload("large", content);
  const isBlock = (method: string, url: URL): boolean => method === "PUT" && url.searchParams.get("comp") === "block";
  let hasTime = true;
  let late = 0;
  let asked = 0;
  go((method, url) => {
    if (!isBlock(method, url)) return undefined;
    asked += 1;
    if (!hasTime) late += 1;
    if (asked === 1) return undefined;
    // The first block exists; the first attempt at each other one is refused, and then the time is over.
    setTimeout(() => (hasTime = false), 20);
    return "error";
  });
  const version = { container: lake.containerName, name, etag, size };
  expect(await vault.copyObject(version, "data/large", () => hasTime)).toEqual({ kind: "unfinished" });
  expect(asked).toBeGreaterThan(1);
  const before = asked;
  expect(late).toBeLessThanOrEqual(COPY_LIMITS.blockWidth);
  go((method, url) => {
    if (isBlock(method, url)) asked += 1;
    return undefined;
  });
  expect(await vault.copyObject(version, "data/large", () => true)).toMatchObject({ kind: "copied" });
  expect(asked - before).toBe(Math.ceil(content.length / 400) - 1);
  expect((await vaultFiles.getBlobClient("data/large").downloadToBuffer()).toString()).toBe(content);
});

test("a broken object is deleted when the time is over, and copied again by the next attempt", async ({ expect }) => {
  const { name, etag, size } = await upload("one", "content");
  await vaultFiles.getBlockBlobClient("data/one").upload("half", 4);
  const version = { container: lake.containerName, name, etag, size };
  expect(await vault.copyObject(version, "data/one", () => false)).toEqual({ kind: "unfinished" });
  expect(await vaultFiles.getBlobClient("data/one").exists()).toBe(false);
  expect(await vault.copyObject(version, "data/one", () => false)).toMatchObject({ kind: "copied", movedBytes: size });
});

test("a whole set is copied correctly under faults, and at full width", { timeout: 180_000 }, async ({ expect }) => {
  const count = 500;
  const chance = seededRandom(7);
  const names = Array.from({ length: count }, (_, n) => `d${n % 20}/${n}`);
  const blobs = await mapBounded(names, 16, (name) => upload(name, `content of ${name}`));

  const pool = new AdaptivePool(
    { widest: 32, retryForMs: 60_000, maxBackoffMs: 500 },
    {
      clock: () => new Date(),
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      random: seededRandom(8),
    },
  );
  const kinds: readonly Fault[] = ["busy", "busy", "error", "reset", "lost", "hang"];
  wire.busyHeaders = { "retry-after": "1" };
  go(() => {
    if (chance() >= 0.04) return undefined;
    const fault = kinds[Math.floor(chance() * kinds.length)];
    // One second is the header's minimum; after it was sent once, shorter waits are enough.
    if (fault === "busy") queueMicrotask(() => (wire.busyHeaders = { "retry-after-ms": "20" }));
    return fault;
  });
  let running = 0;
  let most = 0;
  const outcomes = await pool.map(blobs, async (blob) => {
    running += 1;
    most = Math.max(most, running);
    try {
      return await copy(blob);
    } finally {
      running -= 1;
    }
  });
  go();
  expect(outcomes.map(({ kind }) => kind)).toEqual(names.map(() => "copied"));
  expect(most).toBe(32);
  expect([...wire.faults.keys()].sort()).toEqual(["busy", "error", "hang", "lost", "reset"]);
  const { last, width } = pool.pressure;
  // Four failed requests of a hundred are no reason for a smaller width.
  expect(width).toBeGreaterThan(28);
  expect(last).toMatchObject({ code: expect.stringMatching(/^storage\/(throttled|unavailable)$/) });

  const found = new Map<string, string>();
  for await (const { name } of vaultFiles.listBlobsFlat({ prefix: "data/" })) {
    found.set(name.slice(5), (await vaultFiles.getBlobClient(name).downloadToBuffer()).toString());
  }
  expect([...found].sort()).toEqual(names.map((name) => [name, `content of ${name}`]).sort());
});
