import { describe, test } from "vitest";
import { MemoryAccount, MemoryVault } from "../../test/support/memory-account.ts";
import { entry, writePoint } from "../../test/support/written-points.ts";
import { ManifestCache } from "../vault/manifest-cache.ts";
import type { ManifestIndex } from "../vault/manifest-index.ts";
import { sealPath } from "../vault/names.ts";
import { neighboursOf, planContainerPurge, planPurge } from "./plan-purge.ts";

const point = (id: string, sequence: number) => ({ id, sequence });

describe("the neighbours of a point", () => {
  const sealed = [point("d", 7), point("a", 1), point("c", 5), point("b", 3)];

  test.for([
    ["c", 5, "b", "d"],
    ["b", 3, "a", "c"],
    ["a", 1, undefined, "b"],
    ["d", 7, "c", undefined],
  ] as const)(
    "of '%s' are the nearest before and after it, in whatever order they are listed",
    ([id, sequence, previous, next], { expect }) => {
      const found = neighboursOf(point(id, sequence), sealed);
      expect([found.previous?.id, found.next?.id]).toEqual([previous, next]);
    },
  );

  test("are the same when its own seal is gone", ({ expect }) => {
    const { previous, next } = neighboursOf(point("gone", 4), sealed);
    expect([previous?.id, next?.id]).toEqual(["b", "c"]);
  });

  test("are none where no other point is sealed", ({ expect }) => {
    expect(neighboursOf(point("a", 1), [point("a", 1)])).toEqual({ previous: undefined, next: undefined });
    expect(neighboursOf(point("a", 1), [])).toEqual({ previous: undefined, next: undefined });
  });

  test("a point that got the number of one whose seal is gone comes after it: it may need its objects", ({
    expect,
  }) => {
    const { previous, next } = neighboursOf(point("gone", 3), [point("a", 1), point("new", 3), point("c", 5)]);
    expect([previous?.id, next?.id]).toEqual(["a", "new"]);
  });

  test("cannot be told while two points have one number", ({ expect }) => {
    for (const id of ["a", "c", "x"]) {
      expect(() => neighboursOf(point(id, 2), [point("a", 3), point("b", 3), point("c", 9)]), id).toThrow(
        expect.objectContaining({
          code: "format/corrupt",
          message: expect.stringContaining("number 3"),
          hint: expect.any(String),
        }),
      );
    }
    expect.assertions(3);
  });
});

describe("of one container", () => {
  const segment = (path: string): ManifestIndex["segments"][number] => ({
    path,
    sha256: "0".repeat(64),
    first: path,
    last: path,
    entries: 1,
    bytes: 1,
  });
  const index = (...paths: string[]): ManifestIndex => ({
    formatVersion: 1,
    recoveryPoint: "p",
    container: "raw",
    order: "utf-16",
    entries: paths.length,
    bytes: paths.length,
    segments: paths.map(segment),
  });
  const pathsOf = (segments: readonly { readonly path: string }[]): string[] => segments.map(({ path }) => path);

  test.for([
    ["neither neighbour has", index("x"), index("y"), ["a", "b", "c"], ["y"]],
    ["the previous has not", index("a", "b"), index("y"), ["c"], ["y"]],
    ["the next has not", index("x"), index("b", "c", "y"), ["a"], ["y"]],
    ["nobody has, when both share all", index("a", "b"), index("c", "y"), [], []],
    ["there are, when there is no previous", undefined, index("c", "y"), ["a", "b"], ["y"]],
    ["there are, when there is no next", index("c"), undefined, ["a", "b"], []],
  ] as const)(
    "those segments go that %s, and only the next one's others are read",
    ([, previous, next, own, compared], { expect }) => {
      const planned = planContainerPurge(index("a", "b", "c"), previous, next);
      expect([pathsOf(planned.own), pathsOf(planned.compared)]).toEqual([own, compared]);
    },
  );
});

describe("the plan", () => {
  const KEPT = [entry("m", "m1", 1), entry("n", "n1", 1)];

  async function vaultOfThree(): Promise<MemoryVault> {
    const vault = new MemoryVault(new MemoryAccount());
    const one = await writePoint(vault, "one", 1, { raw: { segments: [[entry("a", "a1", 1)], KEPT] } });
    const [, kept] = one["raw"] ?? [];
    if (kept === undefined) throw new Error("no segment");
    await writePoint(vault, "two", 2, {
      raw: { segments: [[entry("a", "a2", 2), entry("b", "b2", 2)], kept] },
      only: { segments: [[entry("x", "x2", 2)]] },
    });
    await writePoint(vault, "three", 3, { raw: { segments: [[entry("a", "a3", 3)], kept] } });
    return vault;
  }

  const deps = (vault: MemoryVault) => ({ instance: "lake", vault, manifests: new ManifestCache() });

  test("counts what is read and what goes, and touches nothing", async ({ expect }) => {
    const vault = await vaultOfThree();
    const before = [...vault.files.keys()];
    expect(await planPurge(deps(vault), "two")).toEqual({
      recoveryPoint: "two",
      previous: "one",
      next: "three",
      segments: 3,
      segmentsRemoved: 2,
      segmentsRead: 3,
      maxObjects: 3,
    });
    expect([...vault.files.keys()]).toEqual(before);
  });

  test("of the last point reads no segment: all goes", async ({ expect }) => {
    const vault = await vaultOfThree();
    for (const id of ["one", "three"]) vault.files.delete(sealPath(id));
    expect(await planPurge(deps(vault), "two")).toEqual({
      recoveryPoint: "two",
      previous: undefined,
      next: undefined,
      segments: 0,
      segmentsRemoved: 0,
      segmentsRead: 0,
      maxObjects: 5,
    });
  });

  test("of the first and of the newest point looks at the one neighbour that there is", async ({ expect }) => {
    const vault = await vaultOfThree();
    const counts = { segments: 2, segmentsRemoved: 1, segmentsRead: 2, maxObjects: 1 };
    expect(await planPurge(deps(vault), "one")).toMatchObject({ previous: undefined, next: "two", ...counts });
    const newest = { previous: "two", next: undefined, ...counts, segmentsRead: 1 };
    expect(await planPurge(deps(vault), "three")).toMatchObject(newest);
  });

  test("of a point that is not sealed is none", async ({ expect }) => {
    await expect(planPurge(deps(await vaultOfThree()), "four")).rejects.toMatchObject({
      code: "recovery-point/not-found",
    });
  });
});
