import { describe, test } from "vitest";
import { refusal } from "../../test/support/blob-service/blob-wire.ts";
import { broken, ScriptedService } from "../../test/support/blob-service/scripted-service.ts";
import type { Removal } from "../vault/vault-files.ts";
import { BlobBackupVault } from "./blob-vault.ts";
import { COPY_LIMITS } from "./copy-request.ts";

const PATH = "seals/1";
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const always = () => true;

interface Estate {
  readonly service: ScriptedService;
  readonly vault: BlobBackupVault;
}

function open(options: { readonly tier?: string } = {}): Estate {
  const service = new ScriptedService();
  const limits = { ...COPY_LIMITS, wholeBytes: 20, blockBytes: 10, pollMs: 0, pause: async () => undefined };
  const vault = new BlobBackupVault(service.account("vault"), "1", service.account("prodlake"), { ...options, limits });
  return { service, vault };
}

describe("a file is created", () => {
  test("with its content type and metadata, and only where there is none", async ({ expect }) => {
    const { service, vault } = open();
    const options = { contentType: "application/json", metadata: { sequence: "7" } };
    expect(await vault.create(PATH, bytes("first"), options)).toBe(true);
    expect(service.blobs.find("vault", "bi-1", PATH)).toMatchObject({
      contentType: "application/json",
      metadata: { sequence: "7" },
    });
    expect(service.requests.at(-1)?.header("if-none-match")).toBe("*");
    expect(await vault.create(PATH, bytes("second"), options)).toBe(false);
    expect(service.blobs.find("vault", "bi-1", PATH).content.toString()).toBe("first");
  });

  test.for([
    { status: 409, code: "BlobAlreadyExists" },
    { status: 412, code: "ConditionNotMet" },
  ])("or not, when the service says $code", async ({ status, code }, { expect }) => {
    const { service, vault } = open();
    service.script = () => refusal(status, code);
    expect(await vault.create(PATH, bytes("x"), { contentType: "text/plain" })).toBe(false);
  });

  test.for([
    { said: refusal(409, "ContainerBeingDeleted"), failure: { code: "storage/unavailable" } },
    {
      said: refusal(403, "AuthorizationFailure"),
      failure: { code: "storage/unavailable", serviceCode: "AuthorizationFailure" },
    },
    { said: broken(), failure: { code: "storage/unavailable" } },
  ])("or the failure is thrown: %o", async ({ said, failure }, { expect }) => {
    const { service, vault } = open();
    service.script = () => said;
    await expect(vault.create(PATH, bytes("x"), { contentType: "text/plain" })).rejects.toMatchObject(failure);
  });
});

describe("files are listed", () => {
  const listed = async (vault: BlobBackupVault, prefix: string, from?: string): Promise<string[]> => {
    const found: string[] = [];
    for await (const { path } of vault.list(prefix, from)) found.push(path);
    return found;
  };

  test("from a path on, with sizes, metadata, ETags and times", async ({ expect }) => {
    const { service, vault } = open();
    for (const path of ["data/a", "data/b", "other"]) {
      service.blobs.put("vault", "bi-1", path, { content: Buffer.from(path), metadata: { of: path } });
    }
    const { etag, modified } = service.blobs.find("vault", "bi-1", "data/b");
    expect(await listed(vault, "data/")).toEqual(["data/a", "data/b"]);
    expect(await listed(vault, "data/", "data/b")).toEqual(["data/b"]);
    for await (const file of vault.list("data/b")) {
      expect(file).toEqual({ path: "data/b", size: 6, metadata: { of: "data/b" }, etag, writtenAt: modified });
    }
    expect.assertions(3);
  });

  test("and there are none where there is no container", async ({ expect }) => {
    const { service, vault } = open();
    service.script = () => refusal(404, "ContainerNotFound");
    expect(await listed(vault, "")).toEqual([]);
  });

  test("and never too few, when the service fails", async ({ expect }) => {
    const { service, vault } = open();
    for (const said of [refusal(403, "AuthorizationFailure"), refusal(404, "ResourceNotFound"), broken()]) {
      service.script = () => said;
      await expect(listed(vault, "")).rejects.toBeDefined();
    }
    service.script = () => new Error("no answer of a service");
    await expect(listed(vault, "")).rejects.toThrow("no answer of a service");
  });
});

describe("files are removed", () => {
  const seen = ({ service }: Estate, ...paths: string[]): Removal[] =>
    paths.map((path) => {
      const { etag } = service.blobs.put("vault", "bi-1", path, { content: Buffer.from(path) });
      return { path, etag };
    });

  test("one by one request, on its ETag or its age", async ({ expect }) => {
    const estate = open();
    const { service, vault } = estate;
    const [first, second] = seen(estate, "a", "b");
    if (first === undefined || second === undefined) return;
    expect(await vault.remove([first])).toEqual([]);
    expect(await vault.remove([{ path: second.path, writtenUntil: service.blobs.now }])).toEqual([]);
    const conditions = service
      .requestsTo(/^DELETE/)
      .map(({ header }) => [header("if-match"), header("if-unmodified-since")]);
    expect(conditions).toEqual([
      [`"${first.etag}"`, undefined],
      [undefined, service.blobs.now.toUTCString()],
    ]);
    expect(service.asked).toEqual(["DELETE vault/bi-1/a", "DELETE vault/bi-1/b"]);
  });

  test("and sends no request when there are none", async ({ expect }) => {
    const { service, vault } = open();
    expect(await vault.remove([])).toEqual([]);
    expect(service.asked).toEqual([]);
  });

  test("and one that is not found counts as deleted", async ({ expect }) => {
    const { service, vault } = open();
    expect(await vault.remove([{ path: "gone", etag: "0x1" }])).toEqual([]);
    expect(service.asked).toEqual(["DELETE vault/bi-1/gone"]);
  });

  test("and one whose condition fails for want of it, too", async ({ expect }) => {
    const { service, vault } = open();
    service.script = ({ method }) => (method === "DELETE" ? refusal(412, "ConditionNotMet") : undefined);
    expect(await vault.remove([{ path: "gone", etag: "0x1" }])).toEqual([]);
  });

  test("and one that was rewritten is kept and reported", async ({ expect }) => {
    const estate = open();
    seen(estate, "a");
    expect(await estate.vault.remove([{ path: "a", etag: "0xOLD" }])).toEqual(["a"]);
  });

  test.for([refusal(403, "AuthorizationFailure"), refusal(500, "InternalError"), broken()])(
    "or the failure is thrown",
    async (said, { expect }) => {
      const { service, vault } = open();
      service.script = ({ method }) => (method === "DELETE" ? said : undefined);
      await expect(vault.remove([{ path: "a", etag: "0x1" }])).rejects.toMatchObject({ code: expect.any(String) });
    },
  );

  /** Answers a batch with these statuses and codes, one a file. */
  function batchOf(...answers: (readonly [status: number, code?: string])[]) {
    const parts = answers.map(
      ([status, code], i) =>
        `--batch\r\nContent-Type: application/http\r\nContent-ID: ${i}\r\n\r\nHTTP/1.1 ${status} said\r\n` +
        `${code === undefined ? "" : `x-ms-error-code: ${code}\r\n`}\r\n\r\n`,
    );
    return {
      status: 202,
      headers: { "content-type": "multipart/mixed; boundary=batch" },
      body: Buffer.from(`${parts.join("")}--batch--\r\n`),
    };
  }

  test("many by one request, of which each part has its own condition and its own answer", async ({ expect }) => {
    const estate = open();
    const { service, vault } = estate;
    const removals = seen(estate, "a", "b", "c");
    service.script = ({ method }) =>
      method === "POST" ? batchOf([202], [412, "ConditionNotMet"], [404, "BlobNotFound"]) : undefined;
    expect(await vault.remove(removals)).toEqual(["b"]);
    // Only of the one whose condition failed it is asked whether it is there.
    expect(service.asked.slice(1)).toEqual(["HEAD vault/bi-1/b"]);
    const [batch] = service.requestsTo(/^POST/);
    for (const { etag } of removals) expect(String(batch?.body)).toContain(`"${etag}"`);
  });

  test.for([
    [500, "InternalError"],
    [403, "AuthorizationFailure"],
    [404, "ContainerNotFound"],
    [300, "Moved"],
    [199, "Odd"],
  ] as const)("and a part that fails with %s is reported", async (failed, { expect }) => {
    const estate = open();
    const removals = seen(estate, "a", "b");
    estate.service.script = ({ method }) => (method === "POST" ? batchOf([200], failed) : undefined);
    await expect(estate.vault.remove(removals)).rejects.toMatchObject({
      code: "storage/unavailable",
      message: expect.stringContaining(failed[1]),
    });
  });

  test("and so is a part that has no answer", async ({ expect }) => {
    const estate = open();
    const removals = seen(estate, "a", "b");
    estate.service.script = ({ method }) => (method === "POST" ? batchOf([202]) : undefined);
    await expect(estate.vault.remove(removals)).rejects.toMatchObject({ message: expect.stringContaining("(0)") });
  });
});

describe("an object is copied", () => {
  test("into the vault's tier, and reused the next time", async ({ expect }) => {
    const { service, vault } = open({ tier: "Cool" });
    const { etag } = service.blobs.put("prodlake", "raw", "a", { content: Buffer.from("content") });
    const version = { container: "raw", name: "a", etag, size: 7 };
    expect(await vault.copyObject(version, "data/raw/a/1", always)).toMatchObject({ kind: "copied", movedBytes: 7 });
    expect(service.requestsTo(/^PUT/)[0]?.header("x-ms-access-tier")).toBe("Cool");
    expect(await vault.copyObject(version, "data/raw/a/1", always)).toMatchObject({ kind: "copied", movedBytes: 0 });
  });

  test("and without a tier none is requested", async ({ expect }) => {
    const { service, vault } = open();
    const { etag } = service.blobs.put("prodlake", "raw", "a", { content: Buffer.from("content") });
    await vault.copyObject({ container: "raw", name: "a", etag, size: 7 }, "data/raw/a/1", always);
    expect(service.requestsTo(/^PUT/)[0]?.header("x-ms-access-tier")).toBeUndefined();
  });

  test("again when the existing one has another length or is incomplete", async ({ expect }) => {
    const { service, vault } = open();
    const { etag } = service.blobs.put("prodlake", "raw", "a", { content: Buffer.from("content") });
    service.blobs.put("vault", "bi-1", "data/raw/a/1", { content: Buffer.from("cont") });
    const version = { container: "raw", name: "a", etag, size: 7 };
    expect(await vault.copyObject(version, "data/raw/a/1", always)).toMatchObject({ kind: "copied", movedBytes: 7 });
    expect(service.blobs.find("vault", "bi-1", "data/raw/a/1").content.toString()).toBe("content");

    const copy = { id: "1", status: "failed", source: "http://source" } as const;
    service.blobs.put("vault", "bi-1", "data/raw/a/2", { content: Buffer.from("1234567"), copy });
    expect(await vault.copyObject(version, "data/raw/a/2", always)).toMatchObject({ kind: "copied", movedBytes: 7 });
    expect(service.blobs.find("vault", "bi-1", "data/raw/a/2").content.toString()).toBe("content");
  });

  test("and a failure names the account that answered", async ({ expect }) => {
    const { service, vault } = open();
    const version = { container: "raw", name: "a", etag: "0x1", size: 100 };
    service.script = ({ account }) => (account === "prodlake" ? refusal(403, "AuthorizationFailure") : undefined);
    expect(await vault.copyObject(version, "data/raw/a/1", always)).toMatchObject({
      kind: "refused",
      code: "AuthorizationFailure",
      message: expect.stringContaining("prodlake"),
    });
    service.script = ({ account }) => (account === "vault" ? refusal(503, "ServerBusy") : undefined);
    await expect(vault.copyObject({ ...version, size: 1 }, "data/raw/a/1", always)).rejects.toMatchObject({
      code: "storage/throttled",
      message: expect.stringContaining("vault"),
    });
  });
});

describe("a marker is copied", () => {
  const NAME = ".lakevault/job";
  const copyTo = ({ vault }: Estate, etag?: string) => vault.copyMarker("raw", NAME, "markers/job/raw", etag);

  test("overwriting only the version that was checked, and only from the requested version", async ({ expect }) => {
    const estate = open();
    const { service } = estate;
    const { etag } = service.blobs.put("prodlake", "raw", NAME, { content: Buffer.from("new") });
    const { etag: before } = service.blobs.put("vault", "bi-1", "markers/job/raw", { content: Buffer.from("old") });
    expect(await copyTo(estate, etag)).toEqual({ kind: "copied", movedBytes: 0 });
    const [copy] = service.requestsTo(/^PUT/);
    expect(copy?.header("if-match")).toBe(`"${before}"`);
    expect(copy?.header("x-ms-source-if-match")).toBe(`"${etag}"`);
    expect(service.blobs.find("vault", "bi-1", "markers/job/raw").content.toString()).toBe("new");
  });

  test("only where none is, when none was seen", async ({ expect }) => {
    const estate = open();
    const { service } = estate;
    service.blobs.put("prodlake", "raw", NAME, { content: Buffer.from("new") });
    expect(await copyTo(estate)).toEqual({ kind: "copied", movedBytes: 0 });
    const [copy] = service.requestsTo(/^PUT/);
    expect(copy?.header("if-none-match")).toBe("*");
    expect(copy?.header("if-match")).toBeUndefined();
    expect(copy?.header("x-ms-source-if-match")).toBeUndefined();
  });

  test("again when another has written it meanwhile, but not forever", async ({ expect }) => {
    const estate = open();
    const { service } = estate;
    const { etag } = service.blobs.put("prodlake", "raw", NAME, { content: Buffer.from("new") });
    let others = 3;
    service.script = ({ method, account }) => {
      if (method !== "PUT" || account !== "vault" || others === 0) return undefined;
      others -= 1;
      service.blobs.put("vault", "bi-1", "markers/job/raw", { content: Buffer.from("other") });
      return undefined;
    };
    expect(await copyTo(estate, etag)).toEqual({ kind: "copied", movedBytes: 0 });
    expect(service.requestsTo(/^PUT vault/)).toHaveLength(4);

    others = Number.POSITIVE_INFINITY;
    service.requests.length = 0;
    service.asked.length = 0;
    await expect(copyTo(estate, etag)).rejects.toMatchObject({ code: "storage/conflict" });
    expect(service.requestsTo(/^PUT vault/)).toHaveLength(5);
  });

  test("not when it is another, or gone", async ({ expect }) => {
    const estate = open();
    estate.service.blobs.put("prodlake", "raw", NAME, { content: Buffer.from("new") });
    expect(await copyTo(estate, "0xOTHER")).toEqual({ kind: "changed" });
    estate.service.blobs.remove("prodlake", "raw", NAME, undefined, {});
    expect(await copyTo(estate)).toEqual({ kind: "gone" });
  });

  test("and a vault that does not say whether there is one is no vault without one", async ({ expect }) => {
    const estate = open();
    estate.service.blobs.put("prodlake", "raw", NAME, { content: Buffer.from("new") });
    estate.service.script = ({ method, account }) =>
      method === "HEAD" && account === "vault" ? refusal(403, "AuthorizationFailure") : undefined;
    await expect(copyTo(estate)).rejects.toMatchObject({ message: expect.stringContaining("vault") });
    expect(estate.service.requestsTo(/^PUT/)).toEqual([]);
  });
});
