import fc from "fast-check";
import { test } from "vitest";
import type { CopyOutcome, SourceVersion } from "./backup-vault.ts";
import { copyVersion } from "./copy-version.ts";
import type { ListBlobsOptions, ListedBlob } from "./datasource.ts";

const SINCE = "2026-01-01T12:00:00.000Z";
const LOG: ListedBlob = {
  ...{ name: "log", etag: "e1", size: 5, modified: "2026-01-01T00:00:00.000Z", md5: "md5 of e1", type: "append" },
};

/** A datasource that lists some blobs. */
function datasourceOf(listed: readonly ListedBlob[]) {
  return {
    async *listPages(_: string, { from }: ListBlobsOptions) {
      yield [];
      yield listed.filter(({ name }) => name >= from.name);
    },
  };
}

const named = (...names: string[]): ListedBlob[] => names.map((name) => ({ ...LOG, name }));

/** A vault that copies any version. */
function vaultThat(outcome: CopyOutcome) {
  const asked: SourceVersion[] = [];
  const vault = {
    copyObject: async (version: SourceVersion) => {
      asked.push(version);
      return outcome;
    },
  };
  return { asked, deps: { vault, datasource: datasourceOf([]) } };
}

test("the entry of a blob has the later version if that was copied", async ({ expect }) => {
  const version = { etag: "e2", size: 9, modified: "2026-01-01T12:00:01.000Z" };
  const { asked, deps } = vaultThat({ kind: "copied", movedBytes: 9, version });
  const taken = await copyVersion(deps, "raw", LOG, 3, () => true, SINCE);
  // No MD5: the listed one belongs to the other version.
  expect(taken).toEqual({
    entry: { name: "log", type: "append", birth: 3, ...version },
    copiedBytes: 9,
    changedDuringCopy: true,
  });
  expect(asked[0]?.orLater?.since).toBe(SINCE);
  expect(asked[0]?.orLater?.pathOf("e2")).toBe("data/raw/log/e2.3");
});

test("a later version is accepted only of append and page blobs", async ({ expect }) => {
  const types = [undefined, "append", "page"] as const;
  for (const type of types) {
    const { asked, deps } = vaultThat({ kind: "copied", movedBytes: 5 });
    const { type: _, ...blob } = LOG;
    await copyVersion(deps, "raw", type === undefined ? blob : { ...blob, type }, 3, () => true, SINCE);
    expect(asked[0]?.orLater === undefined, String(type)).toBe(type === undefined);
  }
  expect.assertions(types.length);
});

test("a blob that is not listed any more was deleted, and is not a warning", async ({ expect }) => {
  for (const kind of ["gone", "changed"] as const) {
    const { deps } = vaultThat({ kind });
    const datasource = datasourceOf(named("logs", "z"));
    expect(await copyVersion({ ...deps, datasource }, "raw", LOG, 3, () => true), kind).toEqual({
      copiedBytes: 0,
      changedDuringCopy: true,
    });
  }
  expect.assertions(2);
});

test("a listed blob that is not found by its name is a warning, and does not count as deleted", async ({ expect }) => {
  for (const kind of ["gone", "changed"] as const) {
    const { asked, deps } = vaultThat({ kind });
    const datasource = datasourceOf(named("log", "z"));
    const taken = await copyVersion({ ...deps, datasource }, "raw", LOG, 3, () => true);
    expect(taken.warning?.code, kind).toBe("listed-not-found");
    expect(taken.entry, kind).toBeUndefined();
    expect(asked.length, kind).toBe(3);
  }
  expect.assertions(6);
});

test("a blob that exists again at the next listing is copied as it is now", async ({ expect }) => {
  const asked: string[] = [];
  const vault = {
    copyObject: async ({ etag }: SourceVersion): Promise<CopyOutcome> => {
      asked.push(etag);
      return etag === "e1" ? { kind: "gone" } : { kind: "copied", movedBytes: 5 };
    },
  };
  const datasource = datasourceOf([{ ...LOG, etag: "e2" }]);
  const taken = await copyVersion({ vault, datasource }, "raw", LOG, 3, () => true);
  expect(taken).toMatchObject({ entry: { etag: "e2" }, changedDuringCopy: true });
  expect(asked).toEqual(["e1", "e2"]);
});

test("a blob that is replaced all the time is left to the next piece when the time is over", async ({ expect }) => {
  const { asked, deps } = vaultThat({ kind: "changed" });
  let looks = 0;
  const datasource = {
    async *listPages() {
      yield [{ ...LOG, etag: `e${++looks + 1}` }];
    },
  };
  const taken = await copyVersion({ ...deps, datasource }, "raw", LOG, 3, () => looks < 2, SINCE);
  expect(taken).toMatchObject({ unfinished: true, copiedBytes: 0 });
  expect(asked.map(({ etag }) => etag)).toEqual(["e1", "e2"]);
});

/** What a request for a name finds: the blob, another one, or nothing. */
const REACHED: readonly ((name: string) => string | undefined)[] = [
  (name) => name,
  (name) => name.replace(/[./]+$/, ""),
  (name) => name.replaceAll("\r", ""),
  () => undefined,
];

test("whatever is listed is copied correctly, or is a warning, or was really deleted", async ({ expect }) => {
  const name = fc.constantFrom<string>("a", "a.", "a/", "a\r", "\r", "b", "b/./c", "\ud800");
  const change = fc.record({ at: fc.nat({ max: 12 }), name, does: fc.constantFrom("write", "remove") });
  const seen = { taken: 0, named: 0, removed: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(name, { minLength: 1 }),
      fc.array(change, { maxLength: 6 }),
      fc.constantFrom(...REACHED),
      async (names, changes, reached) => {
        let writes = 0;
        const write = (): string => `e${++writes}`;
        const etags = new Map<string, string>(names.map((of) => [of, write()]));
        const before = [...etags].map(([of, etag]) => ({ ...LOG, name: of, etag }));
        const wasThere = new Map(names.map((of) => [of, new Set([etags.get(of)])]));
        const wasRemoved = new Set<string>();
        let calls = 0;
        const pass = (): void => {
          for (const { name: of, does } of changes.filter(({ at }) => at === calls)) {
            if (does === "remove" && etags.delete(of)) wasRemoved.add(of);
            else if (does === "write") wasThere.get(of)?.add(etags.set(of, write()).get(of));
          }
          calls += 1;
        };
        const vault = {
          copyObject: async (version: SourceVersion): Promise<CopyOutcome> => {
            pass();
            const etag = etags.get(reached(version.name) ?? "");
            if (etag === undefined) return { kind: "gone" };
            return etag === version.etag ? { kind: "copied", movedBytes: 5 } : { kind: "changed" };
          },
        };
        const datasource = {
          async *listPages(_: string, { from }: ListBlobsOptions) {
            pass();
            const found = [...etags].filter(([of]) => of >= from.name).sort(([a], [b]) => (a < b ? -1 : 1));
            yield found.slice(0, 1).map(([of, etag]) => ({ ...LOG, name: of, etag }));
          },
        };
        for (const listed of before) {
          const { entry, warning } = await copyVersion({ vault, datasource }, "raw", listed, 1, () => true);
          if (entry !== undefined) {
            expect(entry.name).toBe(listed.name);
            // Never the content of another blob of the container.
            expect(wasThere.get(listed.name)).toContain(entry.etag);
            seen.taken += 1;
          } else if (warning !== undefined) seen.named += 1;
          else {
            expect(wasRemoved).toContain(listed.name);
            seen.removed += 1;
          }
        }
      },
    ),
    { numRuns: 500 },
  );
  expect(Math.min(seen.taken, seen.named, seen.removed)).toBeGreaterThan(20);
});
