import { describe, test } from "vitest";
import { MemoryAccount, MemoryVault } from "../../test/support/memory-account.ts";
import { entry, writePoint } from "../../test/support/written-points.ts";
import { present } from "../foundation/present.ts";
import { listSeals } from "../vault/list-seals.ts";
import { ManifestCache } from "../vault/manifest-cache.ts";
import type { ManifestIndex } from "../vault/manifest-index.ts";
import { indexPath, sealPath } from "../vault/names.ts";
import { neighboursOf, planContainerPurge, planPurge, resumePlan } from "./plan-purge.ts";
import { journalOf } from "./purge-journal.ts";
import { purgeRecoveryPoint } from "./purge-recovery-point.ts";
import { type PurgePreview, previewPurge } from "./removal-batches.ts";
import { walkPurge } from "./walk-purge.ts";

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

  test("a point with the number of one whose seal is gone is the next one: it may need its objects", ({ expect }) => {
    const { previous, next } = neighboursOf(point("gone", 3), [point("a", 1), point("new", 3), point("c", 5)]);
    expect([previous?.id, next?.id]).toEqual(["a", "new"]);
  });

  test("are unknown while two points have the same number", ({ expect }) => {
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
    ["the previous point does not have", index("a", "b"), index("y"), ["c"], ["y"]],
    ["the next point does not have", index("x"), index("b", "c", "y"), ["a"], ["y"]],
    ["nobody else has: none when both share all", index("a", "b"), index("c", "y"), [], []],
    ["the next point does not have, when there is no previous one", undefined, index("c", "y"), ["a", "b"], ["y"]],
    ["the previous point does not have, when there is no next one", index("c"), undefined, ["a", "b"], []],
  ] as const)(
    "segments are deleted that %s, and only the next point's other segments are read",
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

  const plan = async (vault: MemoryVault, id: string) => planPurge(deps(vault), id, await listSeals(vault));

  /** The paths that the walk of a plan names, and what a dry run counts. */
  async function walked(vault: MemoryVault, id: string): Promise<{ paths: string[]; preview: PurgePreview }> {
    const planned = await plan(vault, id);
    const paths: string[] = [];
    for await (const step of walkPurge(deps(vault), planned)) if (step.step === "file") paths.push(step.path);
    return { paths, preview: await previewPurge(walkPurge(deps(vault), planned), () => true) };
  }

  test("has the neighbours and the containers of the seal, and changes nothing", async ({ expect }) => {
    const vault = await vaultOfThree();
    const before = [...vault.files.keys()];
    expect(await plan(vault, "two")).toMatchObject({
      recoveryPoint: "two",
      sequence: 2,
      job: "job-two",
      isLast: false,
      neighbours: { previous: { id: "one" }, next: { id: "three" } },
      containers: [{ name: "raw" }, { name: "only" }],
    });
    expect((await walked(vault, "two")).preview).toEqual({
      objects: 3,
      objectBytes: 6,
      segments: 2,
      segmentsRead: 3,
      deleteRequests: 7,
      undecided: 0,
      changed: 0,
      isComplete: true,
    });
    expect([...vault.files.keys()]).toEqual(before);
  });

  test.for(["one", "two", "three"])("of '%s' counts exactly what its purge then deletes", async (id, { expect }) => {
    const vault = await vaultOfThree();
    const { paths, preview } = await walked(vault, id);
    const before = new Set(vault.files.keys());
    const rows = { hasDebris: async () => false, isPinned: async () => false, remove: async () => undefined };
    const progress = await purgeRecoveryPoint({ ...deps(vault), rows }, id);
    expect(progress).toEqual({ state: "done", ...present({ ...preview, isComplete: undefined }) });
    const gone = [...before].filter((path) => !vault.files.has(path));
    expect(gone.toSorted()).toEqual([...paths, sealPath(id)].toSorted());
  });

  test("of the last point reads no segment: everything is deleted", async ({ expect }) => {
    const vault = await vaultOfThree();
    for (const id of ["one", "three"]) vault.files.delete(sealPath(id));
    expect(await plan(vault, "two")).toMatchObject({ isLast: true, neighbours: {} });
    const { paths, preview } = await walked(vault, "two");
    expect(preview).toMatchObject({ objects: 7, segmentsRead: 0, isComplete: true });
    expect(paths.toSorted()).toEqual([...vault.files.keys()].filter((path) => path !== sealPath("two")).toSorted());
  });

  test("of the first and of the newest point reads their only neighbour", async ({ expect }) => {
    const vault = await vaultOfThree();
    expect((await plan(vault, "one")).neighbours).toEqual({ previous: undefined, next: { id: "two", sequence: 2 } });
    expect((await walked(vault, "one")).preview).toMatchObject({ objects: 1, segments: 1, segmentsRead: 2 });
    expect((await plan(vault, "three")).neighbours).toEqual({ previous: { id: "two", sequence: 2 }, next: undefined });
    expect((await walked(vault, "three")).preview).toMatchObject({ objects: 1, segments: 1, segmentsRead: 1 });
  });

  test("stops counting when the time is over, and reports it", async ({ expect }) => {
    const vault = await vaultOfThree();
    const preview = await previewPurge(walkPurge(deps(vault), await plan(vault, "two")), () => false);
    expect(preview).toMatchObject({ objects: 2, isComplete: false });
  });

  test("is refused for a point that is not sealed, and for one whose neighbour is damaged", async ({ expect }) => {
    const vault = await vaultOfThree();
    await expect(plan(vault, "four")).rejects.toMatchObject({ code: "recovery-point/not-found" });
    const sealed = await listSeals(vault);
    vault.files.delete(indexPath("three", "raw"));
    await expect(planPurge(deps(vault), "two", sealed)).rejects.toMatchObject({ code: "format/missing" });
    expect(vault.files.has(sealPath("two"))).toBe(true);
  });

  test("compares births with all of their digits, and counts each segment that it reads once", async ({ expect }) => {
    const vault = new MemoryVault(new MemoryAccount());
    const segments = (birth: number) =>
      ["a", "d", "g"].map((name) => [entry(name, `${name}${birth}`, birth), entry(`${name}z`, `z${birth}`, birth)]);
    await writePoint(vault, "nine", 9, { raw: { segments: segments(9) } });
    await writePoint(vault, "twelve", 12, { raw: { segments: segments(12) } });
    await writePoint(vault, "hundred", 100, { raw: { segments: segments(100) } });
    let reads = 0;
    const counting = {
      read: (path: string) => {
        if (path.endsWith(".gz")) reads += 1;
        return vault.read(path);
      },
      list: vault.list.bind(vault),
    };
    const given = { ...deps(vault), vault: counting };
    const planned = await planPurge(given, "twelve", await listSeals(vault));
    const preview = await previewPurge(walkPurge(given, planned), () => true);
    expect(preview).toMatchObject({ objects: 6, segments: 3, segmentsRead: 6 });
    expect(reads).toBe(6);
  });

  test("of a started purge comes from its journal, unless all other points are gone since", async ({ expect }) => {
    const vault = await vaultOfThree();
    const planned = await plan(vault, "two");
    const journal = journalOf(planned, planned.isLast);
    const others = (await listSeals(vault)).filter(({ id }) => id !== "two");
    expect(resumePlan(journal, others)).toEqual(planned);
    expect(() => resumePlan(journal, [])).toThrow(expect.objectContaining({ code: "format/missing" }));
    expect(resumePlan({ ...journal, isLast: true }, others)).toEqual(planned);
  });
});
