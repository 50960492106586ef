/**
 * @module
 * Answers that are cut, on the wire and not in a fake: the app repeats each read, and recognises its own writes.
 */
import { randomBytes } from "node:crypto";
import type { ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import { z } from "zod";
import { type Azurite, startAzurite } from "../../local/azurite.ts";
import { BlobAccount } from "../../src/azure/blob-account.ts";
import { BlobDatasource } from "../../src/azure/blob-datasource.ts";
import { BlobRestoreTarget } from "../../src/azure/blob-restore-target.ts";
import { BlobScrubVault } from "../../src/azure/blob-scrub-vault.ts";
import { BlobVaultFiles } from "../../src/azure/blob-vault.ts";
import { StateTables } from "../../src/azure/state-tables.ts";
import type { TableRecords } from "../../src/azure/table-records.ts";
import { listRecords } from "../../src/foundation/records.ts";
import { vaultContainerName } from "../../src/vault/names.ts";
import { type Fault, type FaultyProxy, startFaultyProxy } from "../support/faulty-proxy.ts";

const Note = z.object({ text: z.string() });
type Note = z.infer<typeof Note>;

const INSTANCE = "7".repeat(32);
const CONTAINER = vaultContainerName(INSTANCE);
/** Longer than one range that a scrub reads, 32 MiB. */
const LONG = randomBytes(33 * 2 ** 20);

let azurite: Azurite;
let blobs: FaultyProxy;
let tables: FaultyProxy;
let account: BlobAccount;
/** The test's own access to the account, past the proxy. */
let files: ContainerClient;
let notes: TableRecords<Note>;
let runs = 0;
/** Requests since the test began. */
let requests: string[];

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["vault"] });
  const { connectionString, blobEndpoint, tableEndpoint } = azurite.account("vault");
  blobs = await startFaultyProxy(new URL(blobEndpoint).origin);
  tables = await startFaultyProxy(new URL(tableEndpoint).origin);
  const onWire = connectionString
    .replace(blobEndpoint, `${blobs.origin}/vault`)
    .replace(tableEndpoint, `${tables.origin}/vault`);
  account = new BlobAccount({ kind: "key", connectionString: onWire }, () => new Date());
  const own = new BlobAccount({ kind: "key", connectionString }, () => new Date());
  files = own.container(CONTAINER);
  await files.create({ metadata: { lakevaultjob: "job" } });
  await files.getBlockBlobClient("long").uploadData(LONG);
  for (const name of ["a", "b", "c"]) await files.getBlockBlobClient(name).upload(name, 1, { tags: { tag: name } });
  notes = new StateTables({ kind: "key", connectionString: onWire }).open("Notes", Note);
});
afterAll(async () => {
  await Promise.all([blobs.stop(), tables.stop()]);
  await azurite.stop();
});

beforeEach(async () => {
  runs += 1;
  go();
  await notes.put(`p${runs}`, "there", { text: "before" });
});

/** Counts requests, and injects faults into the first matching ones. */
function go(fault?: Fault, times = 1, isMeant: (method: string, url: URL) => boolean = () => true): void {
  requests = [];
  let left = times;
  for (const wire of [blobs, tables]) {
    wire.fault = (method, url) => {
      requests.push(method);
      if (fault === undefined || left === 0 || !isMeant(method, url)) return undefined;
      left -= 1;
      return fault;
    };
  }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const hash = (bytes: Uint8Array | undefined): string =>
  Buffer.from(bytes ?? [])
    .toString("base64")
    .slice(0, 100);

/** Everything that the app reads of a storage account. */
const READS: Readonly<Record<string, () => Promise<unknown>>> = {
  "a row": () => notes.get(`p${runs}`, "there").then((row) => row?.value),
  "a list of rows": () => all(listRecords(notes, `p${runs}`)).then((rows) => rows.map(({ row }) => row)),
  "a file": async () => {
    const read = await new BlobVaultFiles(account, INSTANCE).read("long");
    return [read?.length, read !== undefined && LONG.equals(read), hash(read)];
  },
  "a small file": async () => hash(await new BlobVaultFiles(account, INSTANCE).read("a")),
  "an object that a scrub reads in full": async () => {
    const pieces = await new BlobScrubVault(account, INSTANCE).stream("long");
    return pieces !== undefined && LONG.equals(Buffer.concat(await all(pieces)));
  },
  "a list of files": () => all(new BlobVaultFiles(account, INSTANCE).list("")),
  "a scrub's look": () => new BlobScrubVault(account, INSTANCE).look("a"),
  "a scrub's listing": () => all(new BlobScrubVault(account, INSTANCE).listPages("")),
  "a source's listing": () =>
    all(new BlobDatasource(account, "blobServices").listPages(CONTAINER, { from: { name: "", after: false } })),
  "a source's listing in pages of one": async () => {
    const pages = new BlobDatasource(account, "blobServices").listPages(CONTAINER, {
      from: { name: "b", after: true },
      pageSize: 1,
    });
    return (await all(pages)).flat().map(({ name }) => name);
  },
  "a look at a blob with tags": () => new BlobDatasource(account, "blobServices").look(CONTAINER, "b"),
  "a list of containers": () => new BlobDatasource(account, "blobServices").listContainers(),
  "a container": () => new BlobDatasource(account, "blobServices").containerExists(CONTAINER),
  "a target's container": () => new BlobRestoreTarget(account, account, INSTANCE).look(CONTAINER, "job"),
  "a target's listing": () => all(new BlobRestoreTarget(account, account, INSTANCE).listPages(CONTAINER, "")),
};

/** Their answers have no body, at least at first, so nothing can be left out. */
const BODILESS = new Set([
  "an object that a scrub reads in full",
  "a scrub's look",
  "a look at a blob with tags",
  "a container",
  "a target's container",
]);

for (const [what, read] of Object.entries(READS)) {
  test.for(["cut", "truncated", "lost", "reset", "busy", "error"] as const)(
    `${what} is read again after '%s'`,
    async (fault, { expect, skip }) => {
      skip(fault === "truncated" && BODILESS.has(what), "no body to leave out");
      go();
      const calm = await read();
      const calmRequests = requests.length;
      go(fault, 2);
      expect(await read()).toEqual(calm);
      const faults = (blobs.faults.get(fault) ?? 0) + (tables.faults.get(fault) ?? 0);
      blobs.faults.clear();
      tables.faults.clear();
      expect(faults).toBe(2);
      expect(requests.length).toBeGreaterThan(calmRequests);
    },
  );
}

test("a cut body is continued where it stopped", async ({ expect }) => {
  go("cut", 5);
  const read = await new BlobVaultFiles(account, INSTANCE).read("long");
  expect(read !== undefined && LONG.equals(read)).toBe(true);
  // Each cut leaves half, so five of them leave a thirty-second part.
  expect(requests).toHaveLength(6);
});

test("a file that is overwritten while it is read results in one of its versions", async ({ expect }) => {
  const blob = files.getBlockBlobClient("replaced");
  const [before, after] = [Buffer.alloc(1_000_000, "before "), Buffer.alloc(1_000_000, "after ")];
  await blob.uploadData(before);
  let replaced: Promise<unknown> | undefined;
  go("cut", 1, () => true);
  const wire = blobs.fault;
  blobs.fault = (method, url) => {
    const fault = wire(method, url);
    if (fault === "cut") queueMicrotask(() => (replaced = blob.uploadData(after)));
    return fault;
  };
  // The second request waits until the new version exists.
  blobs.delay = () => (requests.length === 0 ? 0 : 500);
  const read = await new BlobVaultFiles(account, INSTANCE).read("replaced");
  blobs.delay = () => 0;
  await replaced;
  expect(read !== undefined && (after.equals(read) || before.equals(read))).toBe(true);
  expect(requests.length).toBeGreaterThan(1);
});

test("a body that never continues counts as an unavailable account", async ({ expect }) => {
  blobs.fault = () => "truncated";
  await expect(new BlobVaultFiles(account, INSTANCE).read("a")).rejects.toMatchObject({ code: "storage/unavailable" });
});

test.for(["cut", "lost"] as const)("a row whose insert was '%s' was inserted by us", async (fault, { expect }) => {
  go(fault, 2, (method) => method === "POST");
  expect(await notes.insert(`p${runs}`, "new", { text: "ours" })).toBe(true);
  expect(requests.filter((method) => method === "POST")).toHaveLength(3);
  go(fault, 2, (method) => method === "POST");
  expect(await notes.insert(`p${runs}`, "new", { text: "ours" })).toBe(false);
  expect((await notes.get(`p${runs}`, "new"))?.value).toEqual({ text: "ours" });
});

test("of two inserts whose answers are lost, only one succeeds", async ({ expect }) => {
  go("lost", 2, (method) => method === "POST");
  const inserted = await Promise.all(
    ["one", "two", "three"].map((text) => notes.insert(`p${runs}`, "raced", { text })),
  );
  expect(inserted.filter((written) => written)).toHaveLength(1);
  const { text } = (await notes.get(`p${runs}`, "raced"))?.value ?? {};
  expect(text).toBe(["one", "two", "three"][inserted.indexOf(true)]);
});

test.for(["cut", "lost"] as const)("a row whose change was '%s' was changed by us", async (fault, { expect }) => {
  const { etag } = (await notes.get(`p${runs}`, "there")) ?? { etag: "" };
  go(fault, 2, (method) => method === "PUT");
  await notes.replace(`p${runs}`, "there", { text: "after" }, etag);
  expect((await notes.get(`p${runs}`, "there"))?.value).toEqual({ text: "after" });
  go(fault, 2, (method) => method === "PUT");
  await expect(notes.replace(`p${runs}`, "there", { text: "late" }, etag)).rejects.toMatchObject({
    code: "storage/conflict",
  });
});

test.for(["cut", "lost"] as const)("a row whose deletion was '%s' is gone", async (fault, { expect }) => {
  const { etag } = (await notes.get(`p${runs}`, "there")) ?? { etag: "" };
  go(fault, 2, (method) => method === "DELETE");
  await notes.remove(`p${runs}`, "there", etag);
  expect(await notes.get(`p${runs}`, "there")).toBeUndefined();
});

test.for(["cut", "lost"] as const)("a file whose write was '%s' is complete", async (fault, { expect }) => {
  const vault = new BlobVaultFiles(account, INSTANCE);
  const path = `written-${fault}`;
  go(fault, 2, (method) => method === "PUT");
  // It is unknown who wrote it, so whoever must know reads it.
  expect(await vault.create(path, Buffer.from("content"), { contentType: "text/plain" })).toBe(false);
  expect(Buffer.from((await vault.read(path)) ?? []).toString()).toBe("content");
});
