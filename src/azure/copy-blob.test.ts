import { describe, test } from "vitest";
import { refusal } from "../../test/support/blob-service/blob-wire.ts";
import { broken, type Script, ScriptedService } from "../../test/support/blob-service/scripted-service.ts";
import type { StoredBlob } from "../../test/support/blob-service/stored-blobs.ts";
import { copyBlob } from "./copy-blob.ts";
import { COPY_LIMITS, type CopyRequest, type CopyResult } from "./copy-request.ts";

const WHOLE = "0123456789";
const LARGE = "0123456789abcdefghijklmno";
const LIMITS = {
  ...COPY_LIMITS,
  wholeBytes: 10,
  blockBytes: 10,
  blockWidth: 1,
  pollMs: 0,
  pause: async () => undefined,
};

/** A source blob, and the request to copy it; `into` is the new blob. */
function open(content: string, fields: Partial<StoredBlob> = {}) {
  const service = new ScriptedService();
  const { etag } = service.blobs.put("prodlake", "raw", "a", { content: Buffer.from(content), ...fields });
  const request: CopyRequest = {
    from: service.source("a"),
    to: service.object("copy"),
    size: content.length,
    etag,
  };
  const copy = (more: Partial<CopyRequest> = {}): Promise<CopyResult> => copyBlob({ ...request, ...more }, LIMITS);
  const into = (): StoredBlob => service.blobs.find("vault", "bi-1", "copy");
  const staged = (): string[] =>
    [...(service.blobs.container("vault", "bi-1").staged.get("copy") ?? [])].map(([id]) => id);
  return { service, copy, into, staged };
}

/** The source's listing tells of it with these metadata and further properties. */
function listedAs(service: ScriptedService, metadata: string, more = ""): Script {
  const { etag, modified } = service.blobs.find("prodlake", "raw", "a");
  const properties = `<Last-Modified>${modified.toUTCString()}</Last-Modified><Etag>${etag}</Etag><Content-Length>25</Content-Length><Content-Type>text/csv</Content-Type><BlobType>BlockBlob</BlobType>${more}`;
  const body = `<EnumerationResults><Blobs><Blob><Name>a</Name><Properties>${properties}</Properties>${metadata}</Blob></Blobs><NextMarker /></EnumerationResults>`;
  return (_, asked) =>
    asked === "GET prodlake/raw/?list"
      ? { status: 200, headers: { "content-type": "application/xml" }, body }
      : undefined;
}

test.for([WHOLE, LARGE])(
  "with the app's identity, the source is read with a token of it",
  async (content, { expect }) => {
    const estate = open(content);
    const { service } = estate;
    const result = await estate.copy({
      from: service.source("a", service.accountWithIdentity("prodlake")),
      to: service.object("copy", service.accountWithIdentity("vault")),
    });
    expect(result).toMatchObject({ kind: "copied" });
    const copies = service.requests.filter(({ header }) => header("x-ms-copy-source") !== undefined);
    expect(copies).toHaveLength(content === WHOLE ? 1 : 3);
    for (const { header } of copies) expect(header("x-ms-copy-source-authorization")).toBe("Bearer token");
  },
);

describe("a blob that one request copies", () => {
  test("is copied by one, up to the length that is the limit, and only where the name is free", async ({ expect }) => {
    const { service, copy, into } = open(WHOLE, { metadata: { Owner: "finance" } });
    expect(await copy({ tier: "Cool", tags: { project: "lake" } })).toMatchObject({
      kind: "copied",
      md5: expect.any(String),
    });
    expect(service.asked).toEqual(["PUT vault/bi-1/copy"]);
    const { header } = service.requests[0] ?? expect.fail();
    expect(header("if-none-match")).toBe("*");
    expect(header("x-ms-access-tier")).toBe("Cool");
    expect(header("x-ms-tags")).toBe("project=lake");
    expect(into()).toMatchObject({ metadata: { Owner: "finance" }, content: Buffer.from(WHOLE) });
    expect(await copy()).toEqual({ kind: "exists" });
  });

  test("is copied only in the requested version", async ({ expect }) => {
    const { service, copy } = open(WHOLE);
    service.blobs.put("prodlake", "raw", "a", { content: Buffer.from("another") });
    expect(await copy()).toEqual({ kind: "changed" });
    expect(service.blobs.container("vault", "bi-1").blobs.size).toBe(0);
    service.blobs.remove("prodlake", "raw", "a", undefined, {});
    expect(await copy()).toEqual({ kind: "gone" });
  });
});

describe("a larger blob", () => {
  test("is copied in blocks, each on the condition that the source is still the same", async ({ expect }) => {
    const metadata = { Owner: "finance" };
    const { service, copy, into } = open(LARGE, { metadata, contentType: "text/csv" });
    expect(await copy({ tier: "Cool", tags: { project: "lake" } })).toEqual({ kind: "copied" });
    const blocks = service.requestsTo(/^PUT .*\?block$/);
    expect(blocks).toHaveLength(3);
    for (const { header } of blocks) {
      expect(header("x-ms-source-if-match")).toMatch(/^".+"$/);
      // Left out where the source is signed for.
      expect(header("x-ms-copy-source-authorization")).toBeUndefined();
    }
    expect(blocks.map(({ header }) => header("x-ms-source-range")).sort()).toEqual([
      "bytes=0-9",
      "bytes=10-19",
      "bytes=20-24",
    ]);
    expect(into()).toMatchObject({ content: Buffer.from(LARGE), metadata, contentType: "text/csv" });
    const [commit] = service.requestsTo(/\?blocklist$/).filter(({ method }) => method === "PUT");
    expect(commit?.header("if-none-match")).toBe("*");
    expect(commit?.header("x-ms-access-tier")).toBe("Cool");
    expect(commit?.header("x-ms-tags")).toBe("project=lake");
    // Empty headers would be set as such.
    for (const name of [
      "content-encoding",
      "content-language",
      "content-disposition",
      "cache-control",
      "content-md5",
    ]) {
      expect(commit?.header(`x-ms-blob-${name}`), name).toBeUndefined();
    }
  });

  test("keeps the MD5 of the source, because the service computes none", async ({ expect }) => {
    const md5 = Buffer.alloc(16, 3).toString("base64");
    const { service, copy } = open(LARGE, { md5 });
    await copy();
    const [commit] = service.requestsTo(/^PUT .*\?blocklist$/);
    expect(commit?.header("x-ms-blob-content-md5")).toBe(md5);
  });

  test("is not copied if it exists, is gone, or has changed", async ({ expect }) => {
    const { service, copy } = open(LARGE);
    service.blobs.put("vault", "bi-1", "copy", { content: Buffer.from("whatever") });
    expect(await copy()).toEqual({ kind: "exists" });
    expect(await copy({ etag: "0xOTHER" })).toEqual({ kind: "changed" });
    service.blobs.remove("prodlake", "raw", "a", undefined, {});
    expect(await copy()).toEqual({ kind: "gone" });
    expect(service.requestsTo(/^PUT/)).toEqual([]);
  });

  test("continues where an earlier attempt was cut off, and copies no block twice", async ({ expect }) => {
    const { service, copy, into, staged } = open(LARGE);
    let asked = 0;
    const once = (): boolean => asked++ > 1_000;
    // One block at least, so that any number of short attempts comes to an end.
    for (const blocks of [1, 2]) {
      expect(await copy({ shouldContinue: once })).toEqual({ kind: "unfinished" });
      expect(staged()).toHaveLength(blocks);
    }
    expect(await copy()).toEqual({ kind: "copied" });
    expect(service.requestsTo(/^PUT .*\?block$/)).toHaveLength(3);
    expect(into().content.toString()).toBe(LARGE);
  });

  test("reuses no block of another version, or of another length", async ({ expect }) => {
    const { service, copy, into } = open(LARGE);
    expect(await copy({ shouldContinue: () => false })).toEqual({ kind: "unfinished" });
    const other = "ABCDEFGHIJKLMNOPQRSTUVWXY";
    const { etag } = service.blobs.put("prodlake", "raw", "a", { content: Buffer.from(other) });
    expect(await copy({ etag })).toEqual({ kind: "copied" });
    expect(into().content.toString()).toBe(other);
  });

  test("copies an existing block again if it has another length", async ({ expect }) => {
    const { service, copy, into, staged } = open(LARGE);
    await copy({ shouldContinue: () => false });
    const [id = ""] = staged();
    service.blobs.container("vault", "bi-1").staged.get("copy")?.set(id, Buffer.from("short"));
    expect(await copy()).toEqual({ kind: "copied" });
    expect(into().content.toString()).toBe(LARGE);
  });

  test("whose time is over while blocks wait for a throttling service is left to the next attempt", async ({
    expect,
  }) => {
    const { service, copy } = open(LARGE);
    let shouldContinue = true;
    service.script = (_, asked) => {
      if (!asked.endsWith("?block")) return undefined;
      shouldContinue = false;
      return refusal(503, "ServerBusy");
    };
    const result = copy({ shouldContinue: () => shouldContinue });
    await expect(result).rejects.toMatchObject({ code: "storage/throttled" });
    expect(service.requestsTo(/blocklist$/).some(({ method }) => method === "PUT")).toBe(false);
  });

  test("of which a block is refused is looked at: the source may be another by now", async ({ expect }) => {
    const { service, copy } = open(LARGE);
    service.script = (_, asked) => {
      if (!asked.endsWith("?block")) return undefined;
      service.blobs.put("prodlake", "raw", "a", { content: Buffer.from(LARGE) });
      return undefined;
    };
    expect(await copy()).toEqual({ kind: "changed" });
  });

  test("without a block list in the answer does not count as one without blocks", async ({ expect }) => {
    const { service, copy } = open(LARGE);
    for (const said of [refusal(503, "ServerBusy"), broken()]) {
      service.script = (_, asked) => (asked.startsWith("GET vault") && asked.endsWith("?blocklist") ? said : undefined);
      await expect(copy()).rejects.toMatchObject({ code: expect.stringMatching(/^storage\/(throttled|unavailable)$/) });
    }
    expect(service.requestsTo(/^PUT/)).toEqual([]);
  });

  test("an error of our own does not count as an answer of the service", async ({ expect }) => {
    const { service, copy } = open(LARGE);
    service.script = (_, asked) => (asked.endsWith("?blocklist") ? new TypeError("a defect") : undefined);
    expect(await copy()).toMatchObject({ kind: "refused", message: expect.stringContaining("a defect") });
  });

  test.for([
    { metadata: { Owner: "Zoë" } },
    { metadata: { Owner: "a\u007fb" } },
    { metadata: { fine: "a", Owner: "ü" } },
  ])(
    "whose metadata do not fit into headers becomes a warning, and is not copied without them",
    async (fields, { expect }) => {
      const { service, copy } = open(LARGE, fields);
      expect(await copy()).toMatchObject({ kind: "unreadable", code: "metadata-not-sendable" });
      expect(service.requestsTo(/^PUT/)).toEqual([]);
    },
  );

  test("with metadata that no listing can contain becomes a warning, and is not copied without them", async ({
    expect,
  }) => {
    const { service, copy } = open(LARGE);
    service.script = listedAs(service, "<Metadata><x-ms-invalid-name>b c</x-ms-invalid-name></Metadata>");
    expect(await copy()).toMatchObject({ kind: "unreadable", code: "metadata-not-listed" });
    expect(service.requestsTo(/^PUT/)).toEqual([]);
  });

  test("is given none of the headers that its source has empty", async ({ expect }) => {
    const { service, copy } = open(LARGE);
    service.script = listedAs(service, "", "<Content-Encoding /><Content-Language></Content-Language>");
    expect(await copy()).toEqual({ kind: "copied" });
    const [commit] = service.requestsTo(/^PUT .*\?blocklist$/);
    for (const name of ["content-encoding", "content-language"]) {
      expect(commit?.header(`x-ms-blob-${name}`), name).toBeUndefined();
    }
    expect(commit?.header("x-ms-blob-content-type")).toBe("text/csv");
  });

  test("of which the service lists no blocks at all is copied whole", async ({ expect }) => {
    const { service, copy, into } = open(LARGE);
    service.script = (_, asked) =>
      asked.startsWith("GET vault") && asked.endsWith("?blocklist")
        ? { status: 200, headers: { "content-type": "application/xml" }, body: "<BlockList></BlockList>" }
        : undefined;
    expect(await copy()).toEqual({ kind: "copied" });
    expect(into().content.toString()).toBe(LARGE);
  });

  test("whose content type no header can carry is copied by the service itself, from a snapshot", async ({
    expect,
  }) => {
    const { service, copy, into } = open(LARGE, { contentType: "text/ü" });
    service.script = () => {
      if (service.blobs.pendingCopies > 0) service.blobs.endCopy(0, "success");
      return undefined;
    };
    expect(await copy({ tier: "Cool" })).toMatchObject({ kind: "copied" });
    expect(into()).toMatchObject({ content: Buffer.from(LARGE), contentType: "text/ü" });
    expect(service.requestsTo(/^PUT .*\?snapshot$/)).toHaveLength(1);
    // A block blob keeps its tier, whoever copies it.
    expect(service.requestsTo(/^PUT vault\/bi-1\/copy$/)[0]?.header("x-ms-access-tier")).toBe("Cool");
  });
});
