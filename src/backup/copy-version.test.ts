import { test } from "vitest";
import type { CopyOutcome, ListedBlob, ListOptions, SourceVersion } from "./contract.ts";
import { copyVersion } from "./copy-version.ts";

const SINCE = "2026-01-01T12:00:00.000Z";
const LOG: ListedBlob = {
  ...{ name: "log", etag: "e1", size: 5, modified: "2026-01-01T00:00:00.000Z", md5: "md5 of e1", type: "append" },
};

/** A datasource that lists some names, and finds none, one or all of them. */
function datasourceOf({
  listed = [],
  found = [],
}: {
  readonly listed?: readonly string[];
  readonly found?: readonly ListedBlob[];
}) {
  return {
    look: async (_: string, name: string) => found.find((blob) => blob.name === name),
    async *listPages(_: string, { from }: ListOptions) {
      yield [];
      yield listed.filter((name) => name >= from.name).map((name) => ({ ...LOG, name }));
    },
  };
}

/** A vault that copies whatever version it likes. */
function vaultThat(outcome: CopyOutcome) {
  const asked: SourceVersion[] = [];
  const vault = {
    copyObject: async (version: SourceVersion) => {
      asked.push(version);
      return outcome;
    },
  };
  return { asked, deps: { vault, datasource: datasourceOf({}) } };
}

test("the entry of a blob of which a later version was copied is that version's", async ({ expect }) => {
  const version = { etag: "e2", size: 9, modified: "2026-01-01T12:00:01.000Z" };
  const { asked, deps } = vaultThat({ kind: "copied", movedBytes: 9, version });
  const taken = await copyVersion(deps, "raw", LOG, 3, () => true, SINCE);
  // No MD5: the one that was listed is of the other version.
  expect(taken).toEqual({
    entry: { name: "log", type: "append", birth: 3, ...version },
    copiedBytes: 9,
    changedDuringCopy: true,
  });
  expect(asked[0]?.orLater?.since).toBe(SINCE);
  expect(asked[0]?.orLater?.pathOf("e2")).toBe("data/raw/log/e2.3");
});

test("only of append and page blobs will a later version do", async ({ expect }) => {
  const types = [undefined, "append", "page"] as const;
  for (const type of types) {
    const { asked, deps } = vaultThat({ kind: "copied", movedBytes: 5 });
    const { type: _, ...blob } = LOG;
    await copyVersion(deps, "raw", type === undefined ? blob : { ...blob, type }, 3, () => true, SINCE);
    expect(asked[0]?.orLater === undefined, String(type)).toBe(type === undefined);
  }
  expect.assertions(types.length);
});

test("a blob that is found neither by its name nor in the listing was removed, and is no warning", async ({
  expect,
}) => {
  for (const kind of ["gone", "changed"] as const) {
    const { deps } = vaultThat({ kind });
    const datasource = datasourceOf({ listed: ["logs", "z"] });
    expect(await copyVersion({ ...deps, datasource }, "raw", LOG, 3, () => true), kind).toEqual({
      copiedBytes: 0,
      changedDuringCopy: true,
    });
  }
  expect.assertions(2);
});

test("a blob that is listed and cannot be found by its name is named, and not taken for removed", async ({
  expect,
}) => {
  for (const kind of ["gone", "changed"] as const) {
    const { asked, deps } = vaultThat({ kind });
    const datasource = datasourceOf({ listed: ["log", "z"] });
    const taken = await copyVersion({ ...deps, datasource }, "raw", LOG, 3, () => true);
    expect(taken.warning?.code, kind).toBe("listed-not-found");
    expect(taken.entry, kind).toBeUndefined();
    expect(asked.length, kind).toBe(3);
  }
  expect.assertions(6);
});

test("a blob that is there again when it is looked for is taken as it is now", async ({ expect }) => {
  const asked: string[] = [];
  const vault = {
    copyObject: async ({ etag }: SourceVersion): Promise<CopyOutcome> => {
      asked.push(etag);
      return etag === "e1" ? { kind: "gone" } : { kind: "copied", movedBytes: 5 };
    },
  };
  const datasource = datasourceOf({ listed: ["log"], found: [{ ...LOG, etag: "e2" }] });
  const taken = await copyVersion({ vault, datasource }, "raw", LOG, 3, () => true);
  expect(taken).toMatchObject({ entry: { etag: "e2" }, changedDuringCopy: true });
  expect(asked).toEqual(["e1", "e2"]);
});

test("a blob that is replaced all the time is left to the next piece when the time is over", async ({ expect }) => {
  const { asked, deps } = vaultThat({ kind: "changed" });
  let looks = 0;
  const datasource = { ...datasourceOf({ listed: ["log"] }), look: async () => ({ ...LOG, etag: `e${++looks + 1}` }) };
  const taken = await copyVersion({ ...deps, datasource }, "raw", LOG, 3, () => looks < 2, SINCE);
  expect(taken).toMatchObject({ unfinished: true, copiedBytes: 0 });
  expect(asked.map(({ etag }) => etag)).toEqual(["e1", "e2"]);
});
