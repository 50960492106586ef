import { test } from "vitest";
import type { CopyOutcome, ListedBlob, SourceVersion } from "./contract.ts";
import { copyVersion } from "./copy-version.ts";

const SINCE = "2026-01-01T12:00:00.000Z";
const LOG: ListedBlob = {
  ...{ name: "log", etag: "e1", size: 5, modified: "2026-01-01T00:00:00.000Z", md5: "md5 of e1", type: "append" },
};

/** A vault that copies whatever version it likes. */
function vaultThat(outcome: CopyOutcome) {
  const asked: SourceVersion[] = [];
  const vault = {
    copyObject: async (version: SourceVersion) => {
      asked.push(version);
      return outcome;
    },
  };
  return { asked, deps: { vault, datasource: { look: async () => undefined } } };
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
