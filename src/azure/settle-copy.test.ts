import { describe, test } from "vitest";
import { refusal } from "../../test/support/blob-service/blob-wire.ts";
import { broken, ScriptedService } from "../../test/support/blob-service/scripted-service.ts";
import type { CopyState, StoredBlob } from "../../test/support/blob-service/stored-blobs.ts";
import { COPY_LIMITS, type CopyRequest, type CopyResult } from "./copy-request.ts";
import { type CopyEnd, copyUntilWhole, settle, snapshotOf, waitForCopy } from "./settle-copy.ts";

const SNAPSHOT = "2026-01-01T00:00:00.0000000Z";
const SOURCE = "http://127.0.0.1:1/prodlake/raw/a";

function open(more: Partial<CopyRequest> = {}) {
  const service = new ScriptedService();
  const { etag } = service.blobs.put("prodlake", "raw", "a", { content: Buffer.from("content") });
  const request: CopyRequest = {
    from: service.source("a"),
    to: service.object("copy"),
    size: 7,
    etag,
    ...more,
  };
  let pauses = 0;
  const limits = {
    ...COPY_LIMITS,
    pollMs: 5,
    pause: async (ms: number) => {
      if (ms !== 5) throw new Error(`a pause of ${ms} ms`);
      pauses += 1;
      if (pauses === 3 && service.blobs.pendingCopies > 0) service.blobs.endCopy(0, "success");
    },
  };
  const put = (fields: Partial<StoredBlob> = {}): StoredBlob =>
    service.blobs.put("vault", "bi-1", "copy", { content: Buffer.from("content"), ...fields });
  const copied = (status: CopyState["status"], source = SOURCE): CopyState => ({ id: "1", status, source });
  const there = (): StoredBlob | undefined => service.blobs.container("vault", "bi-1").blobs.get("copy");
  return { service, request, limits, put, copied, there, pauses: () => pauses };
}

/** The answer to a look that says another ETag than the blob has, or another status. */
const looks = ({ service }: ReturnType<typeof open>): number => service.requestsTo(/^HEAD vault/).length;

describe("a copy is waited for", () => {
  test("until it has ended, with a pause between two looks", async ({ expect }) => {
    const estate = open();
    const { service, request, limits } = estate;
    service.blobs.beginCopy("vault", "bi-1", "copy", new URL(SOURCE), {}, {});
    const end = await waitForCopy(request, limits);
    expect(end).toEqual({ status: "success", size: 7, etag: expect.stringMatching(/^".+"$/), snapshot: "" });
    expect([estate.pauses(), looks(estate)]).toEqual([3, 4]);
  });

  test("while there is time", async ({ expect }) => {
    const { service, request, limits, pauses } = open({ shouldContinue: () => false });
    service.blobs.beginCopy("vault", "bi-1", "copy", new URL(SOURCE), {}, {});
    expect(await waitForCopy(request, limits)).toBe("pending");
    expect(pauses()).toBe(0);
  });

  test("and a blob that nobody copies into has ended, with its MD5", async ({ expect }) => {
    const { request, limits, put } = open();
    const md5 = Buffer.alloc(16, 1).toString("base64");
    const { etag } = put({ md5 });
    expect(await waitForCopy(request, limits)).toEqual({ status: "success", size: 7, etag: `"${etag}"`, md5 });
  });

  test("and where there is none it is gone", async ({ expect }) => {
    const { request, limits } = open();
    expect(await waitForCopy(request, limits)).toBe("gone");
  });

  test("and a look that fails is no sign that it is gone", async ({ expect }) => {
    const { service, request, limits, put } = open();
    put();
    for (const said of [refusal(403, "AuthorizationFailure"), broken()]) {
      service.script = () => said;
      await expect(waitForCopy(request, limits)).rejects.toBeDefined();
    }
    service.script = () => ({ status: 200, headers: { "content-length": "7" } });
    await expect(waitForCopy(request, limits)).rejects.toThrow("no ETag");
  });
});

describe("after a copy", () => {
  test("its snapshot is removed from a source that may change", async ({ expect }) => {
    const { service, request, limits, put, copied } = open();
    put({ copy: copied("success", `${SOURCE}?snapshot=${encodeURIComponent(SNAPSHOT)}`) });
    expect(await waitForCopy(request, limits)).toMatchObject({ snapshot: SNAPSHOT });
    const [removal] = service.requestsTo(/^DELETE/);
    expect(removal?.url.searchParams.get("snapshot")).toBe(SNAPSHOT);
    expect(removal?.account).toBe("prodlake");
  });

  test("nothing is removed where the source was no snapshot, or never changes", async ({ expect }) => {
    const plain = open();
    plain.put({ copy: plain.copied("success") });
    await waitForCopy(plain.request, plain.limits);
    const { etag: _, ...fixed } = plain.request;
    plain.put({ copy: plain.copied("success", `${SOURCE}?snapshot=${encodeURIComponent(SNAPSHOT)}`) });
    await waitForCopy(fixed, plain.limits);
    expect(plain.service.requestsTo(/^DELETE/)).toEqual([]);
  });

  test("our own marks are taken from it, as it was looked at, when there are no others", async ({ expect }) => {
    const { service, request, limits, put, there } = open();
    const { etag } = put({ metadata: { lakevaultcopy: "bi-1", lakevaultetag: "0x1" } });
    const end = await waitForCopy(request, limits);
    expect(there()?.metadata).toEqual({});
    expect(service.requestsTo(/metadata$/)[0]?.header("if-match")).toBe(`"${etag}"`);
    expect(end).toMatchObject({ etag: `"${there()?.etag}"` });
  });

  test.for([
    { lakevaultcopy: "bi-2" },
    { lakevaultcopy: "bi-1", Owner: "finance" },
    { lakevaultetag: "0x1" },
    { Owner: "finance" },
  ])("metadata stay that are not ours alone: %o", async (metadata, { expect }) => {
    const { service, request, limits, put, there } = open();
    put({ metadata: metadata as unknown as Record<string, string> });
    await waitForCopy(request, limits);
    expect(there()?.metadata).toEqual(metadata);
    expect(service.requestsTo(/metadata$/)).toEqual([]);
  });

  test("a restored blob's marks are those of the vault that it came from", async ({ expect }) => {
    const { request, limits, put, there } = open();
    const { etag: _, ...fromVault } = request;
    put({ metadata: { lakevaultcopy: "raw" } });
    await waitForCopy(fromVault, limits);
    expect(there()?.metadata).toEqual({});
  });

  test("one that is another when its marks are to go is looked at again", async ({ expect }) => {
    const estate = open();
    const { service, request, limits, put } = estate;
    put({ metadata: { lakevaultcopy: "bi-1" } });
    let attempts = 0;
    service.script = (_, asked) => {
      if (!asked.endsWith("?metadata")) return undefined;
      attempts += 1;
      if (attempts === 1) return refusal(412, "ConditionNotMet");
      if (attempts === 2) return refusal(404, "BlobNotFound");
      return undefined;
    };
    expect(await waitForCopy(request, limits)).toMatchObject({ status: "success" });
    expect([attempts, looks(estate)]).toEqual([3, 3]);
  });

  test("one that is immutable keeps its marks", async ({ expect }) => {
    const { service, request, limits, put } = open();
    const { etag } = put({ metadata: { lakevaultcopy: "bi-1" } });
    service.script = (_, asked) => (asked.endsWith("?metadata") ? refusal(409, "BlobImmutableDueToPolicy") : undefined);
    expect(await waitForCopy(request, limits)).toMatchObject({ etag: `"${etag}"` });
    service.script = (_, asked) => (asked.endsWith("?metadata") ? refusal(403, "AuthorizationFailure") : undefined);
    await expect(waitForCopy(request, limits)).rejects.toBeDefined();
  });
});

test.for([
  [`${SOURCE}?snapshot=${encodeURIComponent(SNAPSHOT)}`, SNAPSHOT],
  [SOURCE, ""],
  ["no URL", ""],
] as const)("the snapshot of the copy source '%s' is '%s'", ([source, snapshot], { expect }) => {
  expect(snapshotOf(source)).toBe(snapshot);
});

describe("a blob of the wanted name", () => {
  const isSeven = ({ size }: CopyEnd): boolean => size === 7;

  test("stays when it is whole", async ({ expect }) => {
    const { request, limits, put, there } = open();
    put();
    expect(await settle(request, limits, isSeven)).toMatchObject({ kind: "whole", end: { size: 7 } });
    expect(there()).toBeDefined();
  });

  test("is deleted in the checked version when it is broken, and its name is free", async ({ expect }) => {
    const { service, request, limits, put, there } = open();
    const { etag } = put({ content: Buffer.from("cont") });
    expect(await settle(request, limits, isSeven)).toEqual({ kind: "free" });
    expect(there()).toBeUndefined();
    expect(service.requestsTo(/^DELETE/)[0]?.header("if-match")).toBe(`"${etag}"`);
    // Where there is none, none is removed.
    expect(await settle(request, limits, isSeven)).toEqual({ kind: "free" });
    expect(service.requestsTo(/^DELETE/)).toHaveLength(1);
  });

  test("is left when the time is over before the copy into it has ended", async ({ expect }) => {
    const { service, request, limits } = open({ shouldContinue: () => false });
    service.blobs.beginCopy("vault", "bi-1", "copy", new URL(SOURCE), {}, {});
    expect(await settle(request, limits, isSeven)).toEqual({ kind: "pending" });
  });

  test.for([
    { said: refusal(412, "ConditionNotMet"), looked: 2 },
    { said: refusal(409, "PendingCopyOperation"), looked: 2 },
    { said: refusal(404, "BlobNotFound"), looked: 1 },
  ])("that has changed before the delete is checked again", async ({ said, looked }, { expect }) => {
    const estate = open();
    const { service, request, limits, put } = estate;
    put({ content: Buffer.from("cont") });
    let removals = 0;
    service.script = ({ method }) => (method === "DELETE" && removals++ === 0 ? said : undefined);
    expect(await settle(request, limits, isSeven)).toEqual({ kind: "free" });
    expect(looks(estate)).toBe(looked);
  });

  test("that changes at each check fails, and is not checked forever", async ({ expect }) => {
    const estate = open();
    const { service, request, limits, put } = estate;
    put({ content: Buffer.from("cont") });
    service.script = ({ method }) => (method === "DELETE" ? refusal(412, "ConditionNotMet") : undefined);
    await expect(settle(request, limits, isSeven)).rejects.toMatchObject({ code: "storage/unavailable" });
    expect(looks(estate)).toBe(10);
  });

  test("that cannot be deleted is reported", async ({ expect }) => {
    const { service, request, limits, put, there } = open();
    put({ content: Buffer.from("cont") });
    service.script = ({ method }) => (method === "DELETE" ? refusal(409, "BlobImmutableDueToPolicy") : undefined);
    await expect(settle(request, limits, isSeven)).rejects.toMatchObject({ serviceCode: "BlobImmutableDueToPolicy" });
    expect(there()).toBeDefined();
  });
});

describe("a blob is copied until it is whole", () => {
  const isWhole = ({ status, size }: CopyEnd): boolean => status === "success" && size === 7;
  const until = (
    estate: ReturnType<typeof open>,
    copy: () => CopyResult,
    request = estate.request,
  ): ReturnType<typeof copyUntilWhole> => copyUntilWhole(request, estate.limits, async () => copy(), isWhole);

  test("once, when that is enough", async ({ expect }) => {
    const estate = open();
    expect(await until(estate, () => ({ kind: "copied", md5: "x" }))).toEqual({ kind: "copied", md5: "x" });
    expect(await until(estate, () => ({ kind: "changed" }))).toEqual({ kind: "changed" });
    expect(looks(estate)).toBe(0);
  });

  test("and one that is there was there, unless this call has begun the copy into it", async ({ expect }) => {
    const estate = open();
    const md5 = Buffer.alloc(16, 1).toString("base64");
    estate.put({ md5 });
    expect(await until(estate, () => ({ kind: "exists" }))).toEqual({ kind: "copied", md5, wasThere: true });
    expect(await until(estate, () => ({ kind: "begun" }))).toEqual({ kind: "copied", md5 });
    estate.put();
    expect(await until(estate, () => ({ kind: "begun" }))).toEqual({ kind: "copied" });
  });

  test("and begun once it counts as begun, also when the next call finds it", async ({ expect }) => {
    const estate = open();
    estate.put({ content: Buffer.from("cont") });
    const results: CopyResult[] = [{ kind: "begun" }, { kind: "exists" }];
    const copy = (): CopyResult => {
      const result = results.shift() ?? expect.fail();
      if (result.kind === "exists") estate.put();
      return result;
    };
    expect(await until(estate, copy)).toEqual({ kind: "copied" });
  });

  test("anew while there is time", async ({ expect }) => {
    const estate = open({ shouldContinue: () => false });
    let copies = 0;
    const copy = (): CopyResult => {
      copies += 1;
      estate.put({ content: Buffer.from("cont") });
      return { kind: "exists" };
    };
    expect(await until(estate, copy)).toEqual({ kind: "unfinished" });
    expect(copies).toBe(1);
  });

  test("and left to the next attempt when a copy into it takes longer", async ({ expect }) => {
    const estate = open({ shouldContinue: () => false });
    estate.service.blobs.beginCopy("vault", "bi-1", "copy", new URL(SOURCE), {}, {});
    expect(await until(estate, () => ({ kind: "begun" }))).toEqual({ kind: "unfinished" });
  });

  test("but not forever", async ({ expect }) => {
    const estate = open();
    let copies = 0;
    const copy = (): CopyResult => {
      copies += 1;
      estate.put({ content: Buffer.from("cont") });
      return { kind: "exists" };
    };
    await expect(until(estate, copy)).rejects.toMatchObject({ code: "storage/unavailable" });
    expect(copies).toBe(5);
  });
});
