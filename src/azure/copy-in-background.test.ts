import { describe, test } from "vitest";
import { refusal, serve } from "../../test/support/blob-service/blob-wire.ts";
import { broken, type Script, ScriptedService } from "../../test/support/blob-service/scripted-service.ts";
import type { StoredBlob } from "../../test/support/blob-service/stored-blobs.ts";
import { copyInBackground } from "./copy-in-background.ts";
import { COPY_LIMITS, type CopyRequest, type CopyResult } from "./copy-request.ts";

const nameOf = (etag: string): string => `data/raw/log/${etag}.1`;

/** An append blob that is to be copied; copies end at the second look at them. */
function open(fields: Partial<StoredBlob> = {}, more: Partial<CopyRequest> = {}) {
  const service = new ScriptedService();
  const { blobs } = service;
  const write = (content: string, also: Partial<StoredBlob> = {}): StoredBlob =>
    blobs.put("prodlake", "raw", "log", { type: "AppendBlob", content: Buffer.from(content), ...fields, ...also });
  const { etag } = write("line");
  const request: CopyRequest = {
    from: service.source("log"),
    to: service.object(nameOf(etag)),
    size: 4,
    type: "append",
    etag,
    ...more,
  };
  const limits = {
    ...COPY_LIMITS,
    pollMs: 0,
    pause: async () => {
      if (blobs.pendingCopies > 0) blobs.endCopy(0, "success");
    },
  };
  const copy = (also: Partial<CopyRequest> = {}): Promise<CopyResult> =>
    copyInBackground({ ...request, ...also }, limits);
  const objects = (): Record<string, string> =>
    Object.fromEntries(
      [...blobs.container("vault", "bi-1").blobs].map(([name, { content }]) => [name, content.toString()]),
    );
  const snapshots = (): number => blobs.find("prodlake", "raw", "log").snapshots.size;
  return { service, blobs, write, request, copy, objects, snapshots, etag };
}

type Estate = ReturnType<typeof open>;
const later = ({ blobs }: Estate) => ({ orLater: { since: blobs.now, nameOf } });
const snapshotRequests = ({ service }: Estate) => service.requestsTo(/^PUT .*\?snapshot$/);
const copyRequests = ({ service }: Estate) => service.requestsTo(/^PUT vault\/[^?]*$/);

/** Something that happens at the first request that matches. */
function once(pattern: RegExp, act: () => ReturnType<Script>): Script {
  let isOver = false;
  return (_, asked) => {
    if (isOver || !pattern.test(asked)) return undefined;
    isOver = true;
    return act();
  };
}

describe("an append blob is copied", () => {
  test("from a snapshot of the very version, with its metadata and tags, and leaves no snapshot", async ({
    expect,
  }) => {
    const estate = open({ metadata: { Owner: "finance" } });
    expect(await estate.copy({ tier: "Cool", tags: { project: "lake" } })).toEqual({ kind: "copied" });
    expect(estate.objects()).toEqual({ [nameOf(estate.etag)]: "line" });
    expect(estate.blobs.find("vault", "bi-1", nameOf(estate.etag)).metadata).toEqual({ Owner: "finance" });
    expect(estate.snapshots()).toBe(0);
    const [snapshot] = snapshotRequests(estate);
    expect(snapshot?.header("if-match")).toBe(`"${estate.etag}"`);
    expect(snapshot?.metadata).toEqual({ lakevaultcopy: "bi-1", lakevaultetag: estate.etag });
    const [copy] = copyRequests(estate);
    expect(copy?.header("if-none-match")).toBe("*");
    expect(copy?.header("x-ms-source-if-match")).toBeUndefined();
    expect(copy?.header("x-ms-tags")).toBe("project=lake");
    // Append and page blobs have no tier of their own.
    expect(copy?.header("x-ms-access-tier")).toBeUndefined();
  });

  test("without metadata of its own, and without the marks of the snapshot", async ({ expect }) => {
    const estate = open();
    expect(await estate.copy()).toEqual({ kind: "copied" });
    expect(estate.blobs.find("vault", "bi-1", nameOf(estate.etag)).metadata).toEqual({});
  });

  test("and one of a longer name is another's", async ({ expect }) => {
    const estate = open();
    estate.blobs.put("vault", "bi-1", `${nameOf(estate.etag)}0`, { content: Buffer.from("line") });
    expect(await estate.copy()).toEqual({ kind: "copied" });
    expect(Object.keys(estate.objects())).toHaveLength(2);
  });

  test("and the MD5 of an existing one is returned", async ({ expect }) => {
    const estate = open();
    const md5 = Buffer.alloc(16, 1).toString("base64");
    estate.blobs.put("vault", "bi-1", nameOf(estate.etag), { content: Buffer.from("line"), md5 });
    expect(await estate.copy()).toEqual({ kind: "copied", md5, wasThere: true });
  });

  test("once: an existing one counts as existing", async ({ expect }) => {
    const estate = open();
    await estate.copy();
    expect(await estate.copy()).toEqual({ kind: "copied", wasThere: true });
    expect(copyRequests(estate)).toHaveLength(1);
  });

  test("again when the existing one has another length, or is an aborted copy", async ({ expect }) => {
    const estate = open();
    const name = nameOf(estate.etag);
    estate.blobs.put("vault", "bi-1", name, { content: Buffer.from("l") });
    expect(await estate.copy()).toEqual({ kind: "copied" });
    expect(estate.objects()).toEqual({ [name]: "line" });
    const copy = { id: "1", status: "aborted", source: "http://x/a" } as const;
    estate.blobs.remove("vault", "bi-1", name, undefined, {});
    estate.blobs.put("vault", "bi-1", name, { content: Buffer.from("line"), copy });
    expect(await estate.copy()).toEqual({ kind: "copied" });
    expect(estate.blobs.find("vault", "bi-1", name).copy?.status).toBe("success");
  });

  test("while there is time; the next attempt continues to wait", async ({ expect }) => {
    const estate = open();
    expect(await estate.copy({ shouldContinue: () => false })).toEqual({ kind: "unfinished" });
    expect(estate.snapshots()).toBe(1);
    expect(await estate.copy()).toEqual({ kind: "copied", wasThere: true });
    expect([copyRequests(estate).length, estate.snapshots()]).toEqual([1, 0]);
  });

  test("and not when the source is gone, or another, or of another type", async ({ expect }) => {
    const gone = open();
    gone.blobs.remove("prodlake", "raw", "log", undefined, {});
    expect(await gone.copy()).toEqual({ kind: "gone" });
    const changed = open();
    changed.write("another");
    expect(await changed.copy()).toEqual({ kind: "changed" });
    const block = open({ type: "BlockBlob" });
    expect(await block.copy()).toEqual({ kind: "changed" });
    for (const estate of [gone, changed, block]) expect(snapshotRequests(estate)).toEqual([]);
  });

  test("and a block blob is one where no type is asked for", async ({ expect }) => {
    const estate = open({ type: "BlockBlob" });
    const { type: _, ...request } = estate.request;
    const limits = { ...COPY_LIMITS, pollMs: 0, pause: async () => estate.blobs.endCopy(0, "success") };
    expect(await copyInBackground({ ...request, tier: "Cool" }, limits)).toEqual({ kind: "copied" });
    expect(copyRequests(estate)[0]?.header("x-ms-access-tier")).toBe("Cool");
  });

  test("from a source that never changes the copy is only started, without a snapshot", async ({ expect }) => {
    const estate = open();
    const { etag: _, ...request } = estate.request;
    const tagged = { ...request, tags: { project: "lake" } };
    expect(await copyInBackground(tagged, COPY_LIMITS)).toEqual({ kind: "begun" });
    expect(snapshotRequests(estate)).toEqual([]);
    const [copy] = copyRequests(estate);
    expect(copy?.header("if-none-match")).toBe("*");
    expect(copy?.header("x-ms-tags")).toBe("project=lake");
    await expect(copyInBackground(request, COPY_LIMITS)).rejects.toBeDefined();
  });
});

describe("beside other executions", () => {
  test("a snapshot that a dead one took of the version is used", async ({ expect }) => {
    const estate = open();
    estate.service.script = once(/^PUT vault/, () => broken());
    await expect(estate.copy()).rejects.toBeDefined();
    // Nobody knows whether that request arrived, so the snapshot has to stay.
    expect(estate.snapshots()).toBe(1);
    expect(await estate.copy()).toEqual({ kind: "copied" });
    expect([snapshotRequests(estate).length, estate.snapshots()]).toEqual([1, 0]);
  });

  test("a refused copy leaves no snapshot behind", async ({ expect }) => {
    for (const status of [400, 403, 499]) {
      const estate = open();
      estate.service.script = once(/^PUT vault/, () => refusal(status, "Refused"));
      await expect(estate.copy()).rejects.toBeDefined();
      expect(estate.snapshots(), String(status)).toBe(0);
    }
    const unsure = open();
    unsure.service.script = once(/^PUT vault/, () => refusal(500, "InternalError"));
    await expect(unsure.copy()).rejects.toBeDefined();
    expect(unsure.snapshots()).toBe(1);
  });

  test("a snapshot of a running execution is kept when its copy is refused to us", async ({ expect }) => {
    const estate = open();
    const metadata = { lakevaultcopy: "bi-1", lakevaultetag: estate.etag };
    estate.blobs.snapshot("prodlake", "raw", "log", metadata, {});
    estate.service.script = once(/^PUT vault/, () => refusal(403, "AuthorizationFailure"));
    await expect(estate.copy()).rejects.toBeDefined();
    expect(estate.snapshots()).toBe(1);
  });

  test.for(["BlobAlreadyExists", "PendingCopyOperation"])(
    "when another was faster (%s), its copy is awaited, and our own snapshot is deleted",
    async (code, { expect }) => {
      const estate = open();
      estate.service.script = once(/^PUT vault/, () => {
        estate.blobs.put("vault", "bi-1", nameOf(estate.etag), { content: Buffer.from("line") });
        return refusal(409, code);
      });
      expect(await estate.copy()).toMatchObject({ kind: "copied", wasThere: true });
      expect(estate.snapshots()).toBe(0);
    },
  );

  test("when the snapshot is gone before its copy, the source is read again", async ({ expect }) => {
    const estate = open();
    estate.service.script = once(/^PUT vault/, () => refusal(404, "CannotVerifyCopySource"));
    expect(await estate.copy()).toEqual({ kind: "copied" });
    expect(snapshotRequests(estate)).toHaveLength(2);
  });

  test.for([refusal(404, "BlobNotFound"), refusal(412, "ConditionNotMet")])(
    "when the source has changed before the snapshot, it is read again",
    async (said, { expect }) => {
      const estate = open();
      estate.service.script = once(/\?snapshot$/, () => said);
      expect(await estate.copy()).toEqual({ kind: "copied" });
      expect(snapshotRequests(estate)).toHaveLength(2);
    },
  );

  test("a refused snapshot is reported, and one without an id is an error", async ({ expect }) => {
    const refused = open();
    refused.service.script = once(/\?snapshot$/, () => refusal(403, "AuthorizationFailure"));
    await expect(refused.copy()).rejects.toMatchObject({ statusCode: 403 });
    const unnamed = open();
    unnamed.service.script = once(/\?snapshot$/, () => ({ status: 201, headers: { etag: '"0x1"' } }));
    await expect(unnamed.copy()).rejects.toThrow("returned no id for the snapshot");
  });

  test("a copy that never completes fails, and is not retried forever", async ({ expect }) => {
    const estate = open();
    estate.service.script = (_, asked) => (asked.endsWith("?snapshot") ? refusal(412, "ConditionNotMet") : undefined);
    await expect(estate.copy()).rejects.toMatchObject({ code: "storage/unavailable" });
    // Where no later version will do, none is taken without a condition.
    expect(snapshotRequests(estate).map(({ header }) => header("if-match"))).toEqual(
      Array.from({ length: 10 }, () => `"${estate.etag}"`),
    );
  });

  test("a snapshot with a running copy is kept, however old it is", async ({ expect }) => {
    const estate = open();
    const soon = { shouldContinue: () => false };
    expect(await estate.copy(soon)).toEqual({ kind: "unfinished" });
    for (let seconds = 0; seconds < 3 * 3_600; seconds++) estate.blobs.tick();
    expect(await estate.copy(soon)).toEqual({ kind: "unfinished" });
    expect([estate.snapshots(), copyRequests(estate).length]).toEqual([1, 1]);
  });

  test("snapshots of dead executions are deleted once none can be alive; those of others are kept", async ({
    expect,
  }) => {
    const estate = open();
    for (const owner of ["bi-1", "bi-2"]) {
      estate.blobs.snapshot("prodlake", "raw", "log", { lakevaultcopy: owner, lakevaultetag: "0xOLD" }, {});
    }
    // Somebody else's, who says nothing about it.
    estate.blobs.snapshot("prodlake", "raw", "log", {}, {});
    for (let seconds = 0; seconds < 3 * 3_600; seconds++) estate.blobs.tick();
    await estate.copy();
    const left = [...estate.blobs.find("prodlake", "raw", "log").snapshots.values()];
    expect(left.map(({ metadata }) => metadata["lakevaultcopy"])).toEqual(["bi-2", undefined]);
  });
});

describe("a blob that is written to all the time", () => {
  /**
   * Somebody writes before each snapshot on a condition.
   *
   * @param afterFrozen - happens when one was taken without; it is given that one's ETag
   */
  const writtenAlways = (estate: Estate, afterFrozen?: (etag: string) => void): void => {
    estate.service.script = (request, asked) => {
      if (!asked.endsWith("?snapshot")) return undefined;
      if (request.header("if-match") !== undefined) {
        estate.write("longer line");
        return undefined;
      }
      const answer = serve(estate.blobs, request);
      afterFrozen?.((answer.headers["etag"] ?? "").replaceAll('"', ""));
      return answer;
    };
  };

  test("is finally copied in its state of some moment, with this version in name and entry", async ({ expect }) => {
    const estate = open({ metadata: { Owner: "finance" } });
    writtenAlways(estate);
    const result = await estate.copy(later(estate));
    if (result.kind !== "copied" || result.version === undefined) return expect.fail(JSON.stringify(result));
    const { etag, size, modified } = result.version;
    expect(size).toBe(11);
    expect(etag).not.toBe(estate.etag);
    expect(Date.parse(modified)).toBeGreaterThan(0);
    expect(estate.objects()).toEqual({ [nameOf(etag)]: "longer line" });
    expect(estate.blobs.find("vault", "bi-1", nameOf(etag)).metadata).toEqual({ Owner: "finance" });
    const conditions = snapshotRequests(estate).map(({ header }) => header("if-match") !== undefined);
    expect(conditions).toEqual([true, true, false]);
    // Nobody knows which version that one holds.
    expect(snapshotRequests(estate)[2]?.metadata).toEqual({ lakevaultcopy: "bi-1" });
    expect(estate.snapshots()).toBe(0);
    // What is there of it will do the next time, too, and its time is that of its snapshot.
    const again = await estate.copy(later({ ...estate, blobs: { now: new Date(0) } } as unknown as Estate));
    expect(again).toMatchObject({ kind: "copied", wasThere: true, version: { etag, size: 11 } });
  });

  test("is not, if only the listed version is acceptable", async ({ expect }) => {
    const estate = open();
    writtenAlways(estate);
    expect(await estate.copy()).toEqual({ kind: "changed" });
    expect(estate.snapshots()).toBe(0);
  });

  test("whose metadata changed around the snapshot is read again, so that versions are not mixed", async ({
    expect,
  }) => {
    const estate = open({ metadata: { Owner: "finance" } });
    let unconditional = 0;
    estate.service.script = (request, asked) => {
      if (!asked.endsWith("?snapshot")) return undefined;
      if (request.header("if-match") !== undefined) estate.write("longer line");
      else if (unconditional++ === 0) estate.write("relabelled", { metadata: { Owner: "sales" } });
      return undefined;
    };
    const result = await estate.copy(later(estate));
    if (result.kind !== "copied" || result.version === undefined) return expect.fail(JSON.stringify(result));
    expect(estate.blobs.find("vault", "bi-1", nameOf(result.version.etag)).metadata).toEqual({ Owner: "sales" });
    expect([unconditional, estate.snapshots()]).toEqual([2, 0]);
  });

  test("is not mistaken for one that lies in a folder of its name", async ({ expect }) => {
    const estate = open();
    const { since } = later(estate).orLater;
    const source = `http://127.0.0.1:1/prodlake/raw/log?snapshot=${encodeURIComponent(new Date(since.getTime() + 9_000).toISOString())}`;
    const copy = { id: "1", status: "success", source } as const;
    for (const name of ["data/raw/log/0x8D/other/0x1.1", `${nameOf(estate.etag)}0`]) {
      estate.blobs.put("vault", "bi-1", name, { content: Buffer.from("other"), copy });
    }
    expect(await estate.copy({ orLater: { since, nameOf } })).toEqual({ kind: "copied" });
    expect(Object.keys(estate.objects())).toHaveLength(3);
  });

  test("is what our own snapshot holds, and not another's that was taken after it", async ({ expect }) => {
    const estate = open();
    let frozen = "";
    writtenAlways(estate, (etag) => {
      frozen = etag;
      estate.write("a line that is longer still");
      estate.blobs.snapshot("prodlake", "raw", "log", { lakevaultcopy: "bi-2" }, {});
    });
    expect(await estate.copy(later(estate))).toMatchObject({ kind: "copied", version: { size: 11 } });
    expect(estate.objects()).toEqual({ [nameOf(frozen)]: "longer line" });
  });

  test("whose snapshot is deleted before it is read is read again", async ({ expect }) => {
    const estate = open();
    let taken = 0;
    writtenAlways(estate, () => {
      taken += 1;
      if (taken > 1) return;
      const [id] = [...estate.blobs.find("prodlake", "raw", "log").snapshots.keys()];
      estate.blobs.remove("prodlake", "raw", "log", id, {});
    });
    expect(await estate.copy(later(estate))).toMatchObject({ kind: "copied", version: { size: 11 } });
    expect(taken).toBe(2);
  });
});

describe("where there are no snapshots", () => {
  test("the copy requires the version at its start, and counts if nobody has written since", async ({ expect }) => {
    const estate = open();
    estate.blobs.hasSnapshots = false;
    expect(await estate.copy()).toEqual({ kind: "copied" });
    expect(copyRequests(estate)[0]?.header("x-ms-source-if-match")).toBe(`"${estate.etag}"`);
  });

  test.for([
    { what: "written", act: (estate: Estate) => void estate.write("newer"), kind: "changed" },
    {
      what: "removed",
      act: (estate: Estate) => estate.blobs.remove("prodlake", "raw", "log", undefined, {}),
      kind: "gone",
    },
  ] as const)("it does not count when the source was $what meanwhile", async ({ act, kind }, { expect }) => {
    const estate = open();
    estate.blobs.hasSnapshots = false;
    let isDone = false;
    estate.service.script = (request) => {
      // Once the copy has ended, as its last look tells.
      if (!isDone && request.method === "HEAD" && request.account === "prodlake") {
        isDone = true;
        act(estate);
      }
      return undefined;
    };
    expect(await estate.copy()).toEqual({ kind });
    expect(estate.objects()).toEqual({});
  });

  test("a copy without a source is reported, because nothing is read again", async ({ expect }) => {
    const estate = open();
    estate.blobs.hasSnapshots = false;
    estate.service.script = once(/^PUT vault/, () => refusal(404, "CannotVerifyCopySource"));
    await expect(estate.copy()).rejects.toMatchObject({ statusCode: 404 });
  });

  test("a source that does not answer leaves the copy undecided", async ({ expect }) => {
    const estate = open();
    estate.blobs.hasSnapshots = false;
    estate.service.script = ({ method, account }) =>
      method === "HEAD" && account === "prodlake" ? refusal(403, "AuthorizationFailure") : undefined;
    await expect(estate.copy()).rejects.toBeDefined();
    expect(Object.keys(estate.objects())).toHaveLength(1);
  });
});

test("a blob with metadata that no listing can contain becomes a warning, and is not copied without them", async ({
  expect,
}) => {
  const estate = open();
  estate.service.script = (_, asked) => {
    if (!asked.startsWith("GET prodlake/raw/?list")) return undefined;
    const { etag, modified } = estate.blobs.find("prodlake", "raw", "log");
    const properties = `<Last-Modified>${modified.toUTCString()}</Last-Modified><Etag>${etag}</Etag><Content-Length>4</Content-Length><BlobType>AppendBlob</BlobType>`;
    const metadata = "<Metadata><x-ms-invalid-name>b c</x-ms-invalid-name></Metadata>";
    const body = `<EnumerationResults><Blobs><Blob><Name>log</Name><Properties>${properties}</Properties>${metadata}</Blob></Blobs><NextMarker /></EnumerationResults>`;
    return { status: 200, headers: { "content-type": "application/xml" }, body };
  };
  expect(await estate.copy()).toMatchObject({ kind: "unreadable", code: "metadata-not-listed" });
  expect(snapshotRequests(estate)).toEqual([]);
});
