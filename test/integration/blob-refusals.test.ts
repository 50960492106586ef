/**
 * @module Backups with the real SDK of accounts that refuse: whatever a service answers about one blob or one container
 *   is reported, and does not affect other blobs.
 */
import { type BlockBlobClient, ContainerClient, ContainerSASPermissions } from "@azure/storage-blob";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite.ts";
import { BlobAccount } from "../../src/azure/blob-account.ts";
import { BlobDatasource } from "../../src/azure/blob-datasource.ts";
import { BlobRestoreTarget } from "../../src/azure/blob-restore-target.ts";
import { BlobBackupVault } from "../../src/azure/blob-vault.ts";
import { COPY_LIMITS } from "../../src/azure/copy-request.ts";
import { decideFault } from "../../src/azure/decide-fault.ts";
import { aboutOf, FAULT_CODES } from "../../src/azure/fault-table.ts";
import type { BackupVault } from "../../src/backup/backup-vault.ts";
import type { Datasource } from "../../src/backup/datasource.ts";
import type { DatasourceKind } from "../../src/vault/instance-document.ts";
import { vaultContainerName } from "../../src/vault/names.ts";
import { readIndex, readSeal, readSegment } from "../../src/vault/read-manifest.ts";
import type { Seal } from "../../src/vault/seal.ts";
import type { SweepableVault } from "../../src/vault/vault-files.ts";
import type { CopyMessage } from "../support/lake-activities.ts";
import { MemoryLake, VAULT } from "../support/memory-lake.ts";
import {
  type RecordedRequest,
  type RecordingProxy,
  type Refusal,
  startRecordingProxy,
} from "../support/recording-proxy.ts";

const JOB = "0f3b1c52-7a64-5e0d-9d3f-2b8a6c1e4d70";
const LIMITS = { ...COPY_LIMITS, wholeBytes: 1_000, blockBytes: 400, pollMs: 10 };
const INSTANCE = "1".repeat(32);

let azurite: Azurite;
let wire: RecordingProxy;
let source: BlobAccount;
let vaultAccount: BlobAccount;

/** Rows in memory, blobs in Azurite, and a proxy in between. */
class WiredLake extends MemoryLake {
  readonly #kind: DatasourceKind;

  constructor(kind: DatasourceKind = "blobServices") {
    super();
    this.#kind = kind;
  }

  override get deps() {
    return {
      ...super.deps,
      datasource: (): Datasource => new BlobDatasource(source, this.#kind),
      vault: (): BackupVault & SweepableVault => blobVault(),
    };
  }
}

async function pathsBelow(prefix: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of blobVault().list(prefix)) paths.push(path);
  return paths;
}

function blobVault(): BlobBackupVault {
  return new BlobBackupVault(vaultAccount, INSTANCE, source, { limits: LIMITS });
}

beforeAll(async () => {
  azurite = await startAzurite({ accounts: ["prodlake", "vault"] });
  wire = await startRecordingProxy(new URL(azurite.account("vault").blobEndpoint).origin);
  const open = (name: string): BlobAccount => {
    const { connectionString, blobEndpoint } = azurite.account(name);
    const throughWire = connectionString.replace(blobEndpoint, `${wire.origin}/${name}`);
    return new BlobAccount({ kind: "key", connectionString: throughWire }, () => new Date(), { retryForMs: 0 });
  };
  [source, vaultAccount] = [open("prodlake"), open("vault")];
});
afterAll(async () => {
  await wire.stop();
  await azurite.stop();
});

beforeEach(async () => {
  wire.refusing = () => undefined;
  for (const account of [source, vaultAccount]) {
    for await (const { name } of account.service.listContainers()) await account.container(name).delete();
  }
  await vaultAccount.container(vaultContainerName(INSTANCE)).create();
});

async function write(container: string, names: readonly string[], size = 5): Promise<void> {
  await source.container(container).createIfNotExists();
  for (const name of names) await source.container(container).getBlockBlobClient(name).upload("x".repeat(size), size);
}

async function backup(lake: WiredLake = new WiredLake()): Promise<{ readonly lake: WiredLake; readonly seal: Seal }> {
  await lake.protect();
  const ref = await lake.requestBackup(JOB);
  const queue: CopyMessage[] = [...(await lake.beginMarked(ref))];
  for (let message = queue.shift(); message !== undefined; message = queue.shift()) {
    queue.push(...(await lake.deliver(message)));
  }
  await lake.seal(ref);
  return { lake, seal: await readSeal(blobVault(), (await lake.job(JOB)).recoveryPoint?.id ?? "") };
}

async function namesIn(seal: Seal, container: string): Promise<string[]> {
  const names: string[] = [];
  for (const segment of (await readIndex(blobVault(), seal, container))?.segments ?? []) {
    names.push(...(await readSegment(blobVault(), segment)).map(({ name }) => name));
  }
  return names;
}

/** The blob that a request copies from the source, by its last name. */
function copiedBlob({ method, headers }: RecordedRequest): string | undefined {
  const from = headers["x-ms-copy-source"];
  return method === "PUT" && typeof from === "string" ? new URL(from).pathname.split("/").at(-1) : undefined;
}

/** A status that the service returns with the code, as far as it matters here. */
function statusOf(code: string): number {
  const statuses = { moment: 500, race: 412, blob: 409, container: 409, right: 403, account: 403 };
  return statuses[aboutOf({ status: 409, code })];
}

test("a backup of a container in which blobs are refused with every code has all others", async ({ expect }) => {
  const codes = [...FAULT_CODES].flatMap(([code, about]) =>
    about === "container" || about === "account" ? [] : [code],
  );
  // Returned before a copy is refused, or by a busy account, or by Node itself.
  const others = ["BlobAlreadyExists", "ServerBusy", "CannotVerifyCopySource", "SnapshotOperationRateExceeded"];
  const refused = [...codes.filter((code) => !others.includes(code) && !code.startsWith("ERR_")), "SomethingNew"];
  await write("raw", ["a", "z", ...refused]);
  wire.refusing = (request) => {
    const blob = copiedBlob(request);
    return blob !== undefined && refused.includes(blob) ? { status: statusOf(blob), code: blob } : undefined;
  };
  const { lake, seal } = await backup();
  expect(await namesIn(seal, "raw")).toEqual(["a", "z"]);
  expect(seal.warnings.count).toBe(refused.length);
  expect(refused.length).toBeGreaterThan(110);
  for (const { container, name, code, message } of seal.warnings.first) {
    expect({ container, code }).toEqual({ container: "raw", code: name });
    expect(message).toContain(`request-for-${name}`);
    expect(message).not.toMatch(/sig=|AccountKey/);
  }
  expect(await lake.job(JOB)).toMatchObject({ status: "CompletedWithWarnings", totals: { entries: 2 } });
});

test.for([
  ["ContainerBeingDeleted", 409, "container-missing", "copy"],
  ["ContainerNotFound", 404, "container-missing", "copy"],
  ["ContainerDisabled", 409, "ContainerDisabled", "copy"],
  ["ContainerNotFound", 404, "container-missing", "copy, and then a look,"],
] as const)(
  "a container that answers '%s' (%i, %s) to a %s is skipped, and the others are complete",
  async ([code, status, said, step], { expect }) => {
    await write("doomed", ["a", "b"]);
    await write("raw", ["a", "b"]);
    const reason = { "x-ms-copy-source-status-code": String(status), "x-ms-copy-source-error-code": code };
    wire.refusing = ({ method, url, headers }) => {
      if (step !== "copy" && method === "HEAD" && url.pathname.startsWith("/prodlake/doomed/")) return { status, code };
      if (!String(headers["x-ms-copy-source"] ?? "").includes("/doomed/")) return undefined;
      // About the source it may report only that something is wrong.
      return step === "copy"
        ? { status, code: "CannotVerifyCopySource", headers: reason }
        : { status: 412, code: "SourceConditionNotMet" };
    };
    const { seal } = await backup();
    expect(seal.containers.map(({ name }) => name)).toEqual(["raw"]);
    expect(await namesIn(seal, "raw")).toEqual(["a", "b"]);
    expect(seal.warnings).toMatchObject({ count: 1, first: [{ container: "doomed", name: "", code: said }] });
  },
);

test.for([
  ["the listing", "GET", 403, "AuthorizationPermissionMismatch"],
  ["the listing", "GET", 400, "SomethingNew"],
  ["the marker", "PUT", 403, "AuthorizationPermissionMismatch"],
  ["the marker", "PUT", 409, "ContainerImmutabilityPolicyLocked"],
] as const)(
  "a container that refuses %s (%s, %i %s) is skipped, and the others are complete",
  async ([, method, status, code], { expect }) => {
    await write("doomed", ["a"]);
    await write("raw", ["a"]);
    wire.refusing = ({ method: asked, url }) =>
      asked === method && url.pathname.startsWith("/prodlake/doomed") ? { status, code } : undefined;
    const { seal } = await backup();
    expect(seal.containers.map(({ name }) => name)).toEqual(["raw"]);
    expect(seal.warnings).toMatchObject({ count: 1, first: [{ container: "doomed", name: "", code }] });
    expect(seal.warnings.first[0]?.message).toContain("storage account 'prodlake'");
  },
);

test("an account that refuses every copy fails the job, with the name of the account", async ({ expect }) => {
  await write("raw", ["a", "b"]);
  wire.refusing = (request) =>
    copiedBlob(request) === undefined
      ? undefined
      : {
          status: 403,
          code: "CannotVerifyCopySource",
          headers: { "x-ms-copy-source-status-code": "403", "x-ms-copy-source-error-code": "AuthorizationFailure" },
        };
  await expect(backup()).rejects.toMatchObject({
    code: "datasource/forbidden",
    message: expect.stringContaining("storage account 'prodlake' refuses the app's identity (AuthorizationFailure"),
  });
});

test.for([
  [
    "a snapshot of the source",
    (request: RecordedRequest) => request.url.searchParams.get("comp") === "snapshot",
    "log",
  ],
  [
    "a listing of the source",
    (request: RecordedRequest) => request.url.searchParams.get("prefix") === "large",
    "large",
  ],
] as const)("what is blamed for %s that is refused is the source", async ([, isRefused, name], { expect }) => {
  await write("raw", ["a", "z"]);
  await write("raw", ["large"], 1_500);
  const log = source.container("raw").getAppendBlobClient("log");
  await log.create();
  await log.appendBlock("line", 4);
  const refusal: Refusal = { status: 403, code: "AuthorizationPermissionMismatch" };
  wire.refusing = (request) => (isRefused(request) ? refusal : undefined);
  const { seal } = await backup();
  expect(seal.warnings).toMatchObject({ count: 1, first: [{ container: "raw", name, code: refusal.code }] });
  expect(seal.warnings.first[0]?.message).toMatch(/^storage account 'prodlake' refuses the app's identity/);
  expect(await namesIn(seal, "raw")).toEqual(["a", "large", "log", "z"].filter((other) => other !== name));
});

test.for(["BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold"])(
  "an append blob that refuses snapshots (%s) is a warning at once",
  async (code, { expect }) => {
    await write("raw", ["a"]);
    await source.container("raw").getAppendBlobClient("log").create();
    wire.refusing = ({ url }) => (url.searchParams.get("comp") === "snapshot" ? { status: 409, code } : undefined);
    const before = wire.requests.length;
    const { seal } = await backup();
    expect(seal.warnings).toMatchObject({ count: 1, first: [{ name: "log", code }] });
    const asked = wire.requests.slice(before).filter(({ url }) => url.searchParams.get("comp") === "snapshot");
    expect(asked).toHaveLength(1);
    expect(decideFault({ status: 409, code }, "snapshot").verdict).toBe("warning");
  },
);

test("a source that keeps its markers is tried once, and raises an alert", async ({ expect }) => {
  await write("held", ["a"]);
  wire.refusing = ({ method }) => (method === "DELETE" ? { status: 409, code: "BlobImmutableDueToPolicy" } : undefined);
  const before = wire.requests.length;
  const { lake } = await backup();
  expect(await lake.job(JOB)).toMatchObject({ status: "Completed" });
  expect(wire.requests.slice(before).filter(({ method }) => method === "DELETE")).toHaveLength(1);
  expect((await lake.alerts.list(VAULT)).records.map(({ value }) => value)).toMatchObject([
    { kind: "backup.markers-left", details: { counts: { markers: 1 }, names: ["held"] } },
  ]);
});

test("on a hierarchical account the directory of the markers is not backed up, and deleted with the last one", async ({
  expect,
}) => {
  await write("raw", ["a"]);
  const stub = { metadata: { hdi_isfolder: "true" } };
  const directory = source.container("raw").getBlockBlobClient(".lakevault");
  await directory.upload("", 0, stub);
  await source.container("raw").getBlockBlobClient("dir").upload("", 0, stub);
  const { seal } = await backup(new WiredLake("adlsBlobServices"));
  expect(await namesIn(seal, "raw")).toEqual(["a", "dir"]);
  expect(await directory.exists()).toBe(false);
});

test("a user's own blob with the name of that directory is kept and backed up", async ({ expect }) => {
  await write("raw", [".lakevault"]);
  const { seal } = await backup(new WiredLake("adlsBlobServices"));
  expect(await namesIn(seal, "raw")).toEqual([".lakevault"]);
  expect(await source.container("raw").getBlobClient(".lakevault").exists()).toBe(true);
});

/** A client that signs no headers. */
async function unsigned(container: string, name: string): Promise<BlockBlobClient> {
  const signature = await source.container(container).generateSasUrl({
    permissions: ContainerSASPermissions.parse("racw"),
    expiresOn: new Date(Date.now() + 600_000),
  });
  return new ContainerClient(signature).getBlockBlobClient(name);
}

/** Other clients put a name into a header as the bytes of UTF-8. */
const asBytes = (text: string): string => Buffer.from(text, "utf8").toString("latin1");

test.for([
  ['attachment; filename="Übersicht.pdf"'],
  [asBytes('attachment; filename="Übersicht.pdf"')],
  [asBytes('attachment; filename="報告.pdf"')],
])(
  "a large blob whose Content-Disposition is '%s' is in the point, with it",
  async ([disposition = ""], { expect }) => {
    await write("raw", ["a"]);
    // With a key, the SDK's own signature of such a header is refused.
    const blob = await unsigned("raw", "large");
    const content = "0123456789".repeat(150);
    await blob.upload(content, content.length, {
      blobHTTPHeaders: { blobContentDisposition: disposition, blobContentType: "application/pdf" },
      metadata: { Owner: "finance" },
    });
    const { seal } = await backup();
    expect(seal.warnings).toEqual({ count: 0, first: [] });
    expect(await namesIn(seal, "raw")).toEqual(["a", "large"]);
    const [path = ""] = await pathsBelow("data/raw/large/");
    const vault = vaultAccount.container(vaultContainerName(INSTANCE));
    expect((await vault.getBlobClient(path).downloadToBuffer()).toString()).toBe(content);
    const told = async (of: ContainerClient, prefix: string) => {
      for await (const { properties, metadata } of of.listBlobsFlat({ prefix, includeMetadata: true })) {
        return { disposition: properties.contentDisposition, type: properties.contentType, metadata };
      }
      return undefined;
    };
    const before = await told(source.container("raw"), "large");
    expect(before?.disposition).toMatch(/[^ -~]/);
    expect(await told(vault, path)).toEqual(before);

    const target = new BlobRestoreTarget(source, vaultAccount, INSTANCE, LIMITS);
    await target.createContainer("out", "job");
    const entry = { name: "large", etag: "", size: content.length, modified: "", birth: 1 };
    expect(await target.copyObject(path, "out", entry, () => true)).toEqual({ kind: "copied" });
    expect(await told(source.container("out"), "large")).toEqual(before);
  },
);

test("a large blob whose metadata no request can have is a warning at once, and a small one is copied", async ({
  expect,
}) => {
  await write("raw", ["a"]);
  for (const [name, size] of [
    ["large", 1_500],
    ["small", 5],
  ] as const) {
    await (await unsigned("raw", name)).upload("x".repeat(size), size, { metadata: { title: "Übersicht" } });
  }
  const { seal } = await backup();
  expect(await namesIn(seal, "raw")).toEqual(["a", "small"]);
  expect(seal.warnings).toMatchObject({ count: 1, first: [{ name: "large", code: "metadata-not-sendable" }] });
});

test("names of any length are in the point, or are warnings", async ({ expect }) => {
  const long = ["文".repeat(184), "文".repeat(300), "x".repeat(1_024)];
  await write("raw", ["a", ...long]);
  // "This value is a URL of up to 2 kibibytes (KiB) in length", which Azurite does not enforce.
  wire.refusing = ({ headers }) =>
    String(headers["x-ms-copy-source"] ?? "").length > 2_048 ? { status: 400, code: "InvalidHeaderValue" } : undefined;
  const { seal } = await backup();
  expect(seal.warnings).toMatchObject({ count: 1, first: [{ name: "文".repeat(300), code: "InvalidHeaderValue" }] });
  const taken = await namesIn(seal, "raw");
  expect(taken).toContain("a");
  expect([...taken, ...seal.warnings.first.map(({ name }) => name)].sort()).toEqual(["a", ...long].sort());
});
