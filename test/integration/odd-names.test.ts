/**
 * Names and metadata that XML readers, URLs or JavaScript objects change, all the way from a source account through the
 * vault to a restore target.
 */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, onTestFinished, test } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite.ts";
import { BlobAccount } from "../../src/azure/blob-account.ts";
import { BlobDatasource } from "../../src/azure/blob-datasource.ts";
import { BlobRestoreTarget } from "../../src/azure/blob-restore-target.ts";
import { BlobBackupVault } from "../../src/azure/blob-vault.ts";
import { COPY_LIMITS } from "../../src/azure/copy-request.ts";
import { listBlobPages } from "../../src/azure/list-blobs.ts";
import type { ListedItem } from "../../src/azure/parse-listing.ts";
import { copyVersion } from "../../src/backup/copy-version.ts";
import { objectPath, vaultContainerName } from "../../src/vault/names.ts";

const INSTANCE = "7".repeat(32);
/** Blobs above 1,000 bytes are copied block by block. */
const LIMITS = { ...COPY_LIMITS, wholeBytes: 1_000, blockBytes: 400, pollMs: 10 };

let azurite: Azurite;
const accounts = new Map<string, BlobAccount>();

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["prodlake", "vault", "restored"] });
  for (const name of ["prodlake", "vault", "restored"]) {
    const { connectionString } = azurite.account(name);
    accounts.set(name, new BlobAccount({ kind: "key", connectionString }, () => new Date()));
  }
});
afterAll(() => azurite.stop());

function account(name: string): BlobAccount {
  const found = accounts.get(name);
  if (found === undefined) throw new Error(`no account '${name}'`);
  return found;
}

async function listed(of: BlobAccount, container: string): Promise<ListedItem[]> {
  const items: ListedItem[] = [];
  for await (const page of listBlobPages(of, container, { include: ["metadata"] })) items.push(...page);
  return items;
}

const NAMES = [
  "Icon\r",
  "Icon&#xD;",
  "line\nfeed",
  "tab\tulator",
  " leading and trailing ",
  "__proto__",
  "constructor",
  "100%25",
  "a+b",
  "q?x=1#y",
  "<&>\"'",
  "naïve/日本/𝄞",
] as const;

// Names that JavaScript or XML change are sent to a fake below: Azurite itself does not keep them.
const METADATA: readonly Record<string, string>[] = [{ Mixed: "Case", lower: "case" }, { lakevaultcopy: "the user's" }];

test.for([
  ["in one request", 10, "block"],
  ["block by block", 1_800, "block"],
  ["as an append blob", 10, "append"],
] as const)("names and metadata come back letter by letter: %s", async ([way, size, type], { expect }) => {
  const source = account("prodlake");
  const container = `odd-${way.replaceAll(" ", "-")}`;
  await source.container(container).create();
  await account("vault").container(vaultContainerName(INSTANCE)).createIfNotExists();
  const content = "x".repeat(size);
  for (const [i, name] of NAMES.entries()) {
    const metadata = METADATA[i % METADATA.length] ?? {};
    if (type === "block") {
      await source.container(container).getBlockBlobClient(name).upload(content, size, { metadata });
      continue;
    }
    const blob = source.container(container).getAppendBlobClient(name);
    await blob.create({ metadata });
    await blob.appendBlock(content, size);
  }
  const before = await listed(source, container);
  expect(before.map(({ name }) => name).sort()).toEqual([...NAMES].sort());

  const datasource = new BlobDatasource(source, "blobServices");
  const vault = new BlobBackupVault(account("vault"), INSTANCE, source, { limits: LIMITS });
  const target = new BlobRestoreTarget(account("restored"), account("vault"), INSTANCE, LIMITS);
  await account("restored").container(container).create();
  let copied = 0;
  for await (const page of datasource.listPages(container, { from: { name: "", after: false } })) {
    for (const blob of page) {
      const taken = await copyVersion({ datasource, vault }, container, blob, 1, () => true);
      expect(taken, JSON.stringify(blob.name)).toMatchObject({ entry: { name: blob.name, size } });
      if (taken.entry === undefined) continue;
      const { etag, birth } = taken.entry;
      await target.copyObject(objectPath(container, blob.name, etag, birth), container, taken.entry, () => true);
      copied += 1;
    }
  }
  expect(copied).toBe(NAMES.length);
  const told = (items: readonly ListedItem[]): unknown[] =>
    items.map(({ name, metadata = {}, properties }) => [
      name,
      properties.contentLength,
      Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)),
    ]);
  expect(told(await listed(account("restored"), container))).toEqual(told(before));
});

/** An account that answers every request with this; it is closed with the test. */
async function startDouble(answer: RequestListener): Promise<BlobAccount> {
  const server = createServer((request, response) => {
    request.resume();
    answer(request, response);
  });
  onTestFinished(() => {
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const key = Buffer.from("key").toString("base64");
  const endpoint = `http://127.0.0.1:${port}/double`;
  const connectionString = `DefaultEndpointsProtocol=http;AccountName=double;AccountKey=${key};BlobEndpoint=${endpoint};`;
  return new BlobAccount({ kind: "key", connectionString }, () => new Date());
}

/** Its `x-ms-meta-` headers, as sent. */
function metadataHeadersOf(rawHeaders: readonly string[]): string[][] {
  return rawHeaders.flatMap((header, i) =>
    i % 2 === 0 && header.toLowerCase().startsWith("x-ms-meta-") ? [[header.slice(10), rawHeaders[i + 1] ?? ""]] : [],
  );
}

/** A source account that lists one blob of 1,800 bytes with the metadata, and accepts all other requests. */
async function startSource(
  metadata: string,
  more = "",
): Promise<{ readonly both: BlobAccount; readonly sent: string[][] }> {
  const sent: string[][] = [];
  const both = await startDouble((request, response) => {
    const { searchParams } = new URL(request.url ?? "", "http://double");
    response.setHeader("x-ms-request-id", "1");
    if (searchParams.get("comp") === "list") {
      const properties = `<Last-Modified>${new Date(0).toUTCString()}</Last-Modified><Etag>0x1</Etag><Content-Length>1800</Content-Length>${more}`;
      const blob = `<Blob><Name>odd</Name><Properties>${properties}</Properties><Metadata>${metadata}</Metadata></Blob>`;
      response.setHeader("content-type", "application/xml");
      response.end(`<EnumerationResults><Blobs>${blob}</Blobs><NextMarker /></EnumerationResults>`);
      return;
    }
    if (request.method === "PUT" && searchParams.get("comp") === "blocklist") sent.push(request.rawHeaders);
    response.statusCode = request.method === "PUT" ? 201 : 404;
    response.end();
  });
  return { both, sent };
}

test("metadata of any name is written as it was listed", async ({ expect }) => {
  const keys = ["_", "constructor", "__proto__", "toString", "valueOf", "hasOwnProperty", "Mixed"];
  const { both, sent } = await startSource(keys.map((key) => `<${key}>of ${key}</${key}>`).join(""));
  const vault = new BlobBackupVault(both, INSTANCE, both, { limits: LIMITS });
  const version = { container: "raw", name: "odd", etag: "0x1", size: 1_800 };
  expect(await vault.copyObject(version, "data/raw/odd/0x1.1", () => true)).toMatchObject({ kind: "copied" });
  expect(metadataHeadersOf(sent[0] ?? []).sort()).toEqual(keys.map((key) => [key, `of ${key}`]).sort());
});

const TAGS = { __proto__tag: "1", project: "a lake", "cost+center": "4711" };

test("tags are returned exactly, in a listing and alone", async ({ expect }) => {
  const source = account("prodlake");
  await source.container("tagged").create();
  const tags = Object.fromEntries([...Object.entries(TAGS), ["__proto__", "2"], ["constructor", "3"]]);
  await source.container("tagged").getBlockBlobClient("all").upload("x", 1, { tags });
  await source.container("tagged").getBlockBlobClient("all/none").upload("x", 1);
  const datasource = new BlobDatasource(source, "blobServices");
  for await (const page of datasource.listPages("tagged", { from: { name: "", after: false } })) {
    expect(page.map((blob) => Object.entries(blob.tags ?? {}).sort())).toEqual([Object.entries(tags).sort(), []]);
    expect(await Promise.all(page.map(({ name }) => datasource.look("tagged", name)))).toEqual(page);
  }
  expect.assertions(2);
});

test("no tag is lost if a flat account is configured as hierarchical", async ({ expect }) => {
  const source = account("prodlake");
  const container = source.container("taken-for-hns");
  await container.create();
  const names = ["a", "b", "c", "d", "e"];
  for (const name of names) {
    const isTagged = name >= "c";
    const metadata = name === "d" ? { metadata: { hdi_isfolder: "true" } } : {};
    const content = name === "d" ? "" : "content";
    const tags = isTagged ? { tags: { of: name } } : {};
    await container.getBlockBlobClient(name).upload(content, content.length, { ...tags, ...metadata });
  }
  const datasource = new BlobDatasource(source, "adlsBlobServices");
  for (const pageSize of [1, 2, 5]) {
    const found = [];
    const from = { name: "a", after: true };
    for await (const page of datasource.listPages("taken-for-hns", { from, pageSize })) found.push(...page);
    expect(found.map(({ name, tags, type }) => [name, tags?.["of"], type])).toEqual([
      ["b", undefined, undefined],
      ["c", "c", undefined],
      ["d", "d", "directory"],
      ["e", "e", undefined],
    ]);
  }
  expect.assertions(3);
});

test("a directory in an account that is configured as flat ends the listing", async ({ expect }) => {
  const { both } = await startSource("", "<ResourceType>directory</ResourceType>");
  const list = async (kind: "blobServices" | "adlsBlobServices"): Promise<unknown> => {
    const pages = new BlobDatasource(both, kind).listPages("raw", { from: { name: "", after: false } });
    const names: string[] = [];
    try {
      for await (const page of pages) names.push(...page.map(({ name }) => name));
      return names;
    } catch (error) {
      return (error as { readonly code: string }).code;
    }
  };
  expect(await list("blobServices")).toBe("datasource/kind-mismatch");
  expect(await list("adlsBlobServices")).toEqual(["odd"]);
});

test.for(["block", "append"] as const)(
  "a %s blob with metadata that no listing can say is named, and not copied without them",
  async (type, { expect }) => {
    const told = "<a>1</a><x-ms-invalid-name>b c</x-ms-invalid-name>";
    const blobType = type === "block" ? "BlockBlob" : "AppendBlob";
    const { both, sent } = await startSource(told, `<BlobType>${blobType}</BlobType>`);
    const vault = new BlobBackupVault(both, INSTANCE, both, { limits: LIMITS });
    const version = { container: "raw", name: "odd", etag: "0x1", size: 1_800 };
    const wanted = type === "block" ? version : { ...version, type };
    expect(await vault.copyObject(wanted, "data/raw/odd/0x1.1", () => true)).toEqual({
      kind: "unreadable",
      code: "metadata-not-listed",
      message: expect.stringContaining("'b c'"),
    });
    expect(sent).toEqual([]);
  },
);

test("containers are listed with metadata and access level, and get them back", async ({ expect }) => {
  const source = account("prodlake");
  const metadata = { Team: "lakes", lower: "case" };
  await source.container("described").create({ metadata, access: "blob" });
  await source.container("plain").create();
  const described = await new BlobDatasource(source, "blobServices").describeContainers();
  const found = described.find(({ container }) => container === "described");
  expect(described.map(({ container }) => container)).not.toContain("plain");
  expect(found).toEqual({ container: "described", metadata, publicAccess: "blob" });
  if (found === undefined) return;

  const target = new BlobRestoreTarget(account("restored"), account("vault"), INSTANCE, LIMITS);
  await target.createContainer("described", "job");
  expect(await target.finishContainer("described", "job", found)).toEqual([]);
  expect(await new BlobDatasource(account("restored"), "blobServices").describeContainers()).toEqual([found]);
});

/** A target account with one container, created by a job; it refuses metadata named `bad`. */
async function startTarget(): Promise<{ target: BlobRestoreTarget; written: string[][][] }> {
  const written: string[][][] = [];
  const double = await startDouble((request, response) => {
    const { searchParams } = new URL(request.url ?? "", "http://double");
    response.setHeader("x-ms-request-id", "1");
    response.setHeader("x-ms-meta-lakevaultjob", "job");
    response.setHeader("x-ms-lease-id", "lease");
    response.statusCode = request.method === "PUT" ? 201 : 200;
    if (searchParams.get("comp") === "metadata") {
      const named = metadataHeadersOf(request.rawHeaders);
      written.push(named);
      response.statusCode = named.some(([name]) => name === "bad") ? 400 : 200;
      if (response.statusCode === 400) response.setHeader("x-ms-error-code", "InvalidMetadata");
    }
    response.end();
  });
  return { target: new BlobRestoreTarget(double, double, INSTANCE, LIMITS), written };
}

test("a container gets metadata of any name", async ({ expect }) => {
  const { target, written } = await startTarget();
  const metadata = Object.fromEntries([
    ["__proto__", "kept"],
    ["Team", "lakes"],
  ]);
  expect(await target.finishContainer("raw", "job", { metadata })).toEqual([]);
  expect(written.map((named) => named.sort())).toEqual([
    [
      ["Team", "lakes"],
      ["__proto__", "kept"],
    ],
  ]);
});

test("a container whose metadata the target refuses is reported, and loses the job's mark", async ({ expect }) => {
  const { target, written } = await startTarget();
  expect(await target.finishContainer("raw", "job", { metadata: { bad: "1" } })).toEqual([
    { code: "metadata-refused", message: expect.stringContaining("InvalidMetadata") },
  ]);
  expect(written).toEqual([[["bad", "1"]], []]);
});

test("a listing that repeats the same page is refused, and does not loop forever", async ({ expect }) => {
  let pages = 0;
  const double = await startDouble((_, response) => {
    pages += 1;
    response.setHeader("content-type", "application/xml");
    response.end("<EnumerationResults><Blobs /><NextMarker>again</NextMarker></EnumerationResults>");
  });
  const readAll = async (): Promise<void> => {
    for await (const _ of listBlobPages(double, "raw"));
  };
  await expect(readAll()).rejects.toMatchObject({ code: "ANSWER_CUT" });
  expect(pages).toBe(2);
});

test("one container whose metadata the SDK cannot read does not block the others", async ({ expect }) => {
  const metadata =
    "<Metadata><_>1</_><constructor>2</constructor><x-ms-invalid-name>a b</x-ms-invalid-name></Metadata>";
  const properties = `<Properties><Last-Modified>${new Date(0).toUTCString()}</Last-Modified><Etag>0x1</Etag><PublicAccess>container</PublicAccess></Properties>`;
  const double = await startDouble((_, response) => {
    response.setHeader("content-type", "application/xml");
    const one = `<Container><Name>raw</Name>${properties}${metadata}</Container>`;
    const logs = `<Container><Name>$logs</Name>${properties}${metadata}</Container>`;
    response.end(`<EnumerationResults><Containers>${one}${logs}</Containers><NextMarker /></EnumerationResults>`);
  });
  expect(await new BlobDatasource(double, "blobServices").describeContainers()).toEqual([
    { container: "raw", metadata: { _: "1", constructor: "2" }, publicAccess: "container", untoldMetadata: ["a b"] },
  ]);
});
