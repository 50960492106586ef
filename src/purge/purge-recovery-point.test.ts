import { describe, test } from "vitest";
import { crashPoints } from "../../test/support/crash-points.ts";
import { CrashSwitch } from "../../test/support/crash-switch.ts";
import { MemoryAccount, MemoryVault, stampOf } from "../../test/support/memory-account.ts";
import { strideOf } from "../../test/support/soak-factor.ts";
import { entry, writePoint } from "../../test/support/written-points.ts";
import { VaultError } from "../foundation/errors.ts";
import type { Entry } from "../vault/entry.ts";
import { listJournals } from "../vault/list-journals.ts";
import { listSeals } from "../vault/list-seals.ts";
import { ManifestCache } from "../vault/manifest-cache.ts";
import { objectPath, purgePath, SEALS_PREFIX, sealPath } from "../vault/names.ts";
import { readSeal } from "../vault/read-manifest.ts";
import type { Removal } from "../vault/vault-files.ts";
import { planPurge } from "./plan-purge.ts";
import { encodeJournal, journalOf } from "./purge-journal.ts";
import { type PurgeDeps, type PurgeProgress, purgeRecoveryPoint, resumePurges } from "./purge-recovery-point.ts";

const LONG = "long".repeat(300);

interface World {
  readonly vault: MemoryVault;
  readonly crash: CrashSwitch;
  readonly rows: Set<string>;
  readonly pins: Set<string>;
}

function deps({ vault, crash, rows, pins }: World, changes: Partial<PurgeDeps> = {}): PurgeDeps {
  const port = {
    hasDebris: async () => false,
    isPinned: async (id: string) => pins.has(id),
    remove: async (id: string) => {
      rows.delete(id);
    },
  };
  return {
    instance: "lake",
    vault: crash.wrap(vault),
    manifests: new ManifestCache(),
    rows: crash.wrap(port),
    ...changes,
  };
}

async function purgesOf(vault: MemoryVault): Promise<string[]> {
  return (await listJournals(vault)).flatMap(({ recoveryPoint }) => recoveryPoint ?? []);
}

function emptyWorld(...points: string[]): World {
  return {
    vault: new MemoryVault(new MemoryAccount()),
    crash: new CrashSwitch(),
    rows: new Set(points),
    pins: new Set(),
  };
}

/** Three points: each replaces and keeps something, and has segments of its own and of the previous one. */
async function threePoints(): Promise<World> {
  const world = emptyWorld("one", "two", "three");
  const { vault } = world;
  const kept = [entry("m", "m1", 1), entry("n", "n1", 1)];
  const one = await writePoint(vault, "one", 1, {
    raw: { segments: [[entry("a", "a1", 1), entry("b", "b1", 1)], kept] },
    old: { segments: [[entry("x", "x1", 1)]] },
  });
  const [, shared] = one["raw"] ?? [];
  const [gone] = one["old"] ?? [];
  if (shared === undefined || gone === undefined) throw new Error("no segments");
  const two = await writePoint(vault, "two", 2, {
    raw: {
      segments: [[entry("a", "a1", 1), entry("b", "b2", 2), entry(LONG, "l2", 2)], shared, [entry("z", "z2", 2)]],
    },
    old: { segments: [gone] },
    new: { segments: [[entry("y", "y2", 2), entry("y2", "y2", 2)]] },
  });
  const [, , last] = two["raw"] ?? [];
  if (last === undefined) throw new Error("no segments");
  await writePoint(vault, "three", 3, {
    // `b` is back with the content and ETag of the first point: a new object.
    raw: { segments: [[entry("a", "a3", 3), entry("b", "b1", 3), entry(LONG, "l2", 2)], shared, last] },
    new: { segments: [[entry("y", "y2", 2)]] },
  });
  return world;
}

const OBJECTS_OF_TWO_ALONE = [objectPath("raw", "b", "b2", 2), objectPath("new", "y2", "y2", 2)].sort();

async function wholePurge(given: PurgeDeps, id: string): Promise<PurgeProgress> {
  let progress = await purgeRecoveryPoint(given, id);
  for (let i = 0; progress.state === "stopped" && i < 1_000; i++) {
    progress = await purgeRecoveryPoint(given, id, progress.from);
  }
  return progress;
}

const paths = ({ vault }: World): string[] => [...vault.files.keys()].sort();

const objects = (world: World): string[] => paths(world).filter((path) => path.startsWith("data"));

test("a purge deletes what no neighbour has, and nothing else", async ({ expect }) => {
  const world = await threePoints();
  const before = paths(world);
  const progress = await purgeRecoveryPoint(deps(world), "two");
  expect(progress).toMatchObject({ state: "done", objects: 2, objectBytes: 4, segments: 2, undecided: 0 });
  const gone = before.filter((path) => !world.vault.files.has(path));
  expect(gone.filter((path) => path.startsWith("data"))).toEqual(OBJECTS_OF_TWO_ALONE);
  expect(gone.filter((path) => path.startsWith("manifests")).map((path) => path.replace(/[^/]+gz$/, "gz"))).toEqual([
    "manifests/two/new/gz",
    "manifests/two/new/index.json",
    "manifests/two/old/index.json",
    "manifests/two/raw/gz",
    "manifests/two/raw/index.json",
  ]);
  expect(gone.filter((path) => path.startsWith("markers"))).toHaveLength(3);
  expect(gone).toContain(sealPath("two"));
  expect(gone).toHaveLength(11);
  expect([...world.rows]).toEqual(["one", "three"]);
});

test("a purge lists the seals once", async ({ expect }) => {
  const world = await threePoints();
  const listed: string[] = [];
  const given = deps(world);
  const vault: PurgeDeps["vault"] = {
    read: given.vault.read,
    create: given.vault.create,
    remove: given.vault.remove,
    list: (prefix, from) => {
      listed.push(prefix);
      return given.vault.list(prefix, from);
    },
  };
  await purgeRecoveryPoint({ ...given, vault }, "two");
  expect(listed.filter((prefix) => prefix === SEALS_PREFIX)).toHaveLength(1);
});

test("segments that a neighbour has are not read", async ({ expect }) => {
  const world = await threePoints();
  const read: string[] = [];
  const given = deps(world);
  const vault = {
    read: (path: string) => {
      read.push(path);
      return given.vault.read(path);
    },
    create: given.vault.create,
    list: given.vault.list,
    remove: given.vault.remove,
  };
  await planPurge({ ...given, vault }, "two", await listSeals(world.vault));
  expect(read.filter((path) => path.endsWith(".gz"))).toEqual([]);
  const { segmentsRead } = await purgeRecoveryPoint({ ...given, vault }, "two");
  expect(read.filter((path) => path.endsWith(".gz"))).toHaveLength(segmentsRead);
  expect(segmentsRead).toBe(4);
});

test.for([
  ["one", 3],
  ["two", 3],
  ["three", 3],
  ["only", 1],
] as const)("wherever the purge of point '%s' dies, another ends it", async ([id, points], { expect }) => {
  const makeWorld = async (): Promise<World> => {
    if (points === 3) return threePoints();
    const world = emptyWorld("only");
    await writePoint(world.vault, "only", 7, { raw: { segments: [[entry("a", "a1", 5), entry(LONG, "b1", 7)]] } });
    await world.vault.create("data/raw/debris/0x1.8", new Uint8Array(), { contentType: "x" });
    return world;
  };
  const calm = await makeWorld();
  await purgeRecoveryPoint(deps(calm), id);
  const died = await crashPoints(
    makeWorld,
    (world) => wholePurge(deps(world, { hasTime: () => false }), id),
    async (world, where) => {
      const hasBegun = world.vault.files.has(purgePath(id));
      if (!hasBegun && world.vault.files.has(sealPath(id)))
        expect(paths(world), where).toEqual(paths(await makeWorld()));
      const rest = [await resumePurges(deps(world)), await purgeRecoveryPoint(deps(world), id)];
      expect(
        rest.map(({ undecided }) => undecided),
        where,
      ).toEqual([0, 0]);
      expect(paths(world), where).toEqual(paths(calm));
      expect([...world.rows], where).toEqual([...calm.rows]);
    },
  );
  expect(died.length).toBeGreaterThan(20);
  expect(died).toContain("after remove");
});

test("with the last point everything is deleted that points and attempts left", async ({ expect }) => {
  const world = await threePoints();
  await world.vault.create("data/raw/debris/0x1.9", new Uint8Array(), { contentType: "x" });
  await world.vault.create("instance.json", new Uint8Array(), { contentType: "x" });
  for (const id of ["two", "three", "one"]) {
    const progress = await wholePurge(deps(world, { hasTime: () => false }), id);
    expect(progress.state).toBe("done");
  }
  expect(paths(world)).toEqual(["instance.json"]);
});

test("objects are deleted in batches of 256, and a purge without time continues where it stopped", async ({
  expect,
}) => {
  const world = emptyWorld("one", "two");
  const many = Array.from({ length: 700 }, (_, i) => entry(`n${String(i).padStart(4, "0")}`, "e", 1));
  const segments = [many.slice(0, 300), many.slice(300, 600), many.slice(600)];
  await writePoint(world.vault, "one", 1, { raw: { segments } });
  await writePoint(world.vault, "two", 2, { raw: { segments: [[entry("n0000", "e", 1)]] } });
  const batches: number[] = [];
  const given = deps(world, { hasTime: () => false });
  const vault = { ...given.vault, read: given.vault.read, create: given.vault.create, list: given.vault.list };
  const remove = (some: readonly Removal[]) => {
    batches.push(some.length);
    return given.vault.remove(some);
  };
  const limited = { ...given, vault: { ...vault, remove } };
  const first = await purgeRecoveryPoint(limited, "one");
  expect(first).toMatchObject({
    state: "stopped",
    objects: 299,
    from: { recoveryPoint: "one", container: "raw", segment: 1 },
  });
  const second = await resumePurges(limited, first.from);
  expect(second.from?.segment).toBe(2);
  // After the last segment nothing is left for another execution.
  expect(await resumePurges(limited, second.from)).toMatchObject({ state: "done" });
  expect(objects(world)).toEqual([objectPath("raw", "n0000", "e", 1)]);
  expect(Math.max(...batches)).toBe(256);
});

describe("a file that was rewritten", () => {
  /** Overwrites a file of the vault. */
  const renew = async (vault: MemoryVault, path: string): Promise<void> => {
    vault.files.delete(path);
    await vault.create(path, new TextEncoder().encode("new"), { contentType: "text/plain" });
  };

  /** Runs something just before a delete request for the path takes effect. */
  const whenRemoved = (given: PurgeDeps, wanted: string, happen: () => Promise<void>): PurgeDeps => {
    const { read, create, list, remove } = given.vault;
    const removeLate = async (files: readonly Removal[]): Promise<readonly string[]> => {
      if (files.some(({ path }) => path === wanted)) await happen();
      return remove(files);
    };
    return { ...given, vault: { read, create, list, remove: removeLate } };
  };

  test("is not deleted by an earlier request, whatever its kind", async ({ expect }) => {
    const calm = await threePoints();
    const all = paths(calm);
    const late: Removal[] = [];
    const { read, create, list, remove } = deps(calm).vault;
    const noted = async (files: readonly Removal[]): Promise<readonly string[]> => {
      late.push(...files);
      return remove(files);
    };
    await purgeRecoveryPoint({ ...deps(calm), vault: { read, create, list, remove: noted } }, "three");
    const gone = all.filter((path) => !calm.vault.files.has(path));
    expect(late.map(({ path }) => path).sort()).toEqual([...gone, purgePath("three")].sort());

    // The newest point is gone, so the next one gets its number, and unchanged objects have the same names.
    for (const path of gone) await renew(calm.vault, path);
    expect((await calm.vault.remove(late)).toSorted()).toEqual(gone);
    for (const path of gone) expect(calm.vault.files.has(path), path).toBe(true);
    expect(gone.filter((path) => path.startsWith("data"))).toHaveLength(2);
  });

  test("is kept and counted, and the purge ends", async ({ expect }) => {
    const calm = await threePoints();
    await purgeRecoveryPoint(deps(calm), "two");
    const tried: string[] = [];
    for (const path of [...OBJECTS_OF_TWO_ALONE, "manifests/two/old/index.json", "markers/job-two/raw"]) {
      const world = await threePoints();
      const given = whenRemoved(deps(world), path, () => renew(world.vault, path));
      const progress = await purgeRecoveryPoint(given, "two");
      const isObject = path.startsWith("data");
      expect(progress, path).toMatchObject({ state: "done", changed: 1, objects: isObject ? 1 : 2 });
      expect(paths(world), path).toEqual([...paths(calm), path].sort());
      tried.push(path);
    }
    expect(tried).toHaveLength(4);
  });

  test("of the last point is kept too", async ({ expect }) => {
    const world = emptyWorld("one");
    await writePoint(world.vault, "one", 1, { raw: { segments: [[entry("a", "a1", 1), entry("b", "b1", 1)]] } });
    const path = objectPath("raw", "a", "a1", 1);
    const given = whenRemoved(deps(world), path, () => renew(world.vault, path));
    expect(await purgeRecoveryPoint(given, "one")).toMatchObject({ state: "done", changed: 1, objects: 1 });
    expect(paths(world)).toEqual([path]);
  });

  test("is the seal or the journal: the purge stops, and the next execution continues", async ({ expect }) => {
    const tried: string[] = [];
    for (const path of [sealPath("two"), purgePath("two")]) {
      const world = await threePoints();
      const copy = async (): Promise<void> => {
        const file = world.vault.files.get(path);
        world.vault.files.delete(path);
        await world.vault.create(path, Buffer.from(file?.content ?? "", "latin1"), {
          contentType: "application/json",
          metadata: file?.metadata ?? {},
        });
      };
      await expect(purgeRecoveryPoint(whenRemoved(deps(world), path, copy), "two"), path).rejects.toMatchObject({
        code: "storage/conflict",
      });
      expect(world.vault.files.has(path), path).toBe(true);
      expect(await purgeRecoveryPoint(deps(world), "two")).toMatchObject({ state: "done", changed: 0 });
      expect(world.vault.files.has(path), path).toBe(false);
      tried.push(path);
    }
    expect(tried).toHaveLength(2);
  });
});

test("an object of the same version that was copied again for the next point does not keep the old one", async ({
  expect,
}) => {
  const world = emptyWorld("one", "two");
  await writePoint(world.vault, "one", 1, { raw: { segments: [[entry("a", "e1", 1), entry("b", "e1", 1)]] } });
  // `a` was deleted and undeleted meanwhile: the same ETag, a new object.
  await writePoint(world.vault, "two", 2, { raw: { segments: [[entry("a", "e1", 2), entry("b", "e1", 1)]] } });
  expect(await purgeRecoveryPoint(deps(world), "one")).toMatchObject({ objects: 1 });
  expect(objects(world)).toEqual([objectPath("raw", "a", "e1", 2), objectPath("raw", "b", "e1", 1)].sort());
});

test("an index that does not match the seal is not used: nothing of the container is deleted", async ({ expect }) => {
  const world = await threePoints();
  const index = "manifests/two/raw/index.json";
  const other = world.vault.files.get("manifests/one/raw/index.json");
  if (other === undefined) throw new Error("there is no index");
  const given = deps(world);
  // It matches when the purge is planned, and is overwritten before it is read for the deletion.
  const remove: typeof given.vault.remove = async (files) => {
    if (files.some(({ path }) => path === sealPath("two"))) world.vault.files.set(index, { ...other });
    return given.vault.remove(files);
  };
  const { read, create, list } = given.vault;
  const before = objects(world);
  await expect(purgeRecoveryPoint({ ...given, vault: { read, create, list, remove } }, "two")).rejects.toMatchObject({
    code: "format/corrupt",
  });
  expect(objects(world)).toEqual(before);
});

describe("neighbours of another kind", () => {
  const names = ["a", "a b", "a/b", "a0", "b"];
  const byPath = ["a", "a/b", "a b", "a0", "b"];
  const point = (order: readonly string[], etag: string, birth: number): Entry[][] => [
    order.slice(0, 2).map((name) => entry(name, etag, birth)),
    order.slice(2).map((name) => entry(name, etag, birth)),
  ];

  test("a next point in another listing order keeps what it has, and only that", async ({ expect }) => {
    const world = emptyWorld("one", "two");
    await writePoint(world.vault, "one", 1, { raw: { segments: point(names, "e1", 1) } });
    // As if it had kept two objects; a backup would have copied all of them again.
    const entries = point(byPath, "e2", 2).map((segment) =>
      segment.map((one) => (["a b", "a/b"].includes(one.name) ? entry(one.name, "e1", 1) : one)),
    );
    await writePoint(world.vault, "two", 2, { raw: { order: "path", segments: entries } });
    expect(await purgeRecoveryPoint(deps(world), "one")).toMatchObject({ objects: 3, undecided: 0 });
    expect(objects(world).filter((path) => path.endsWith(".1"))).toEqual(["data/raw/a b/e1.1", "data/raw/a/b/e1.1"]);
  });

  test("directories have no object", async ({ expect }) => {
    const world = emptyWorld("one", "two");
    const held = [entry("d", "e1", 1, { type: "directory", size: 0 }), entry("d/a", "e1", 1)];
    await writePoint(world.vault, "one", 1, { raw: { order: "path", segments: [held] } });
    await writePoint(world.vault, "two", 2, { raw: { order: "path", segments: [] } });
    expect(await purgeRecoveryPoint(deps(world), "one")).toMatchObject({ objects: 1 });
    expect(objects(world)).toEqual([]);
  });
});

describe("what cannot be decided is kept", () => {
  const damage = ({ vault }: World, path: string): void => {
    const file = vault.files.get(path);
    if (file === undefined) throw new Error(`no '${path}'`);
    vault.files.set(path, { ...file, content: `${file.content}?` });
  };
  const ownSegment = (world: World, prefix: string): string =>
    paths(world).find((path) => path.startsWith(prefix) && path.endsWith(".gz")) ?? "";

  test("a damaged index of the point or of a neighbour: nothing is changed", async ({ expect }) => {
    for (const id of ["one", "two", "three"]) {
      const world = await threePoints();
      damage(world, `manifests/${id}/raw/index.json`);
      const before = paths(world);
      await expect(purgeRecoveryPoint(deps(world), "two")).rejects.toMatchObject({ code: "format/corrupt" });
      expect(paths(world)).toEqual(before);
    }
    expect.assertions(6);
  });

  test("a damaged segment of the point or of the next one: the objects that it hides", async ({ expect }) => {
    // In the index of the next point the segment ends before `y2`, so `y2` can be decided.
    for (const [prefix, hidden] of [
      ["manifests/two/new", ["y", "y2"]],
      ["manifests/three/new", ["y"]],
    ] as const) {
      const world = await threePoints();
      damage(world, ownSegment(world, prefix));
      const progress = await purgeRecoveryPoint(deps(world), "two");
      expect(progress.state).toBe("done");
      expect(progress.undecided).toBeGreaterThan(0);
      expect(objects(world).filter((path) => path.startsWith("data/new/"))).toHaveLength(hidden.length);
      expect(objects(world)).not.toContain(objectPath("raw", "b", "b2", 2));
    }
    expect.assertions(8);
  });

  test("two points with the same number: nothing is changed", async ({ expect }) => {
    const world = await threePoints();
    await writePoint(world.vault, "late", 2, {});
    const before = paths(world);
    await expect(purgeRecoveryPoint(deps(world), "three")).rejects.toMatchObject({ code: "format/corrupt" });
    expect(paths(world)).toEqual(before);
  });

  test("attempts at its number that are not swept: nothing is changed", async ({ expect }) => {
    const world = await threePoints();
    const before = paths(world);
    const rows = { ...deps(world).rows, hasDebris: async (sequence: number) => sequence === 2 };
    expect((await purgeRecoveryPoint(deps(world, { rows }), "two")).state).toBe("put-off");
    expect(paths(world)).toEqual(before);
    expect((await purgeRecoveryPoint(deps(world, { rows }), "three")).state).toBe("done");
  });

  test("attempts at the number of the oldest or of the newest point: nothing is changed", async ({ expect }) => {
    for (const id of ["one", "three"]) {
      const world = await threePoints();
      const before = paths(world);
      const rows = { ...deps(world).rows, hasDebris: async () => true };
      expect((await purgeRecoveryPoint(deps(world, { rows }), id)).state).toBe("put-off");
      expect(paths(world)).toEqual(before);
    }
    expect.assertions(4);
  });

  test("an unavailable storage account is not damage: the purge stops", async ({ expect }) => {
    const world = await threePoints();
    const given = deps(world);
    const read: typeof given.vault.read = async (path) => {
      if (path.startsWith("manifests/three/raw/") && path.endsWith(".gz")) {
        throw new VaultError("storage/unavailable", "the vault account is away");
      }
      return given.vault.read(path);
    };
    const { create, list, remove } = given.vault;
    const away = { ...given, vault: { read, create, list, remove } };
    await expect(purgeRecoveryPoint(away, "two")).rejects.toMatchObject({ code: "storage/unavailable" });
    expect(objects(world)).toContain(objectPath("raw", "b", "b2", 2));
    expect(await resumePurges(deps(world))).toMatchObject({ state: "done", undecided: 0 });
    expect(objects(world)).not.toContain(objectPath("raw", "b", "b2", 2));
  });

  test("another unfinished purge: nothing is changed", async ({ expect }) => {
    const world = await threePoints();
    const dying = deps(world);
    world.crash.arm(40);
    await expect(purgeRecoveryPoint(dying, "two")).rejects.toThrow("crashed");
    const before = paths(world);
    expect(before).toContain(purgePath("two"));
    expect((await purgeRecoveryPoint(deps(world), "three")).state).toBe("put-off");
    expect(paths(world)).toEqual(before);
    await resumePurges(deps(world));
    expect((await purgeRecoveryPoint(deps(world), "three")).state).toBe("done");
  });

  test("neighbours that disappeared during the purge: nothing more is deleted", async ({ expect }) => {
    const world = await threePoints();
    world.crash.arm(40);
    await expect(purgeRecoveryPoint(deps(world), "two")).rejects.toThrow("crashed");
    for (const path of [sealPath("one"), sealPath("three"), sealPath("two")]) world.vault.files.delete(path);
    const before = paths(world);
    await expect(resumePurges(deps(world))).rejects.toMatchObject({
      code: "format/missing",
      hint: expect.stringContaining("nothing more is deleted"),
    });
    expect(paths(world)).toEqual(before);
  });

  test("the same for a purge of the oldest or of the newest point", async ({ expect }) => {
    for (const id of ["one", "three"]) {
      const world = await threePoints();
      world.crash.arm(40);
      await expect(purgeRecoveryPoint(deps(world), id)).rejects.toThrow("crashed");
      for (const point of ["one", "two", "three"]) world.vault.files.delete(sealPath(point));
      const before = paths(world);
      await expect(resumePurges(deps(world)), id).rejects.toMatchObject({ code: "format/missing" });
      expect(paths(world), id).toEqual(before);
    }
    expect.assertions(6);
  });

  test("a journal that cannot be read: nothing is changed", async ({ expect }) => {
    const world = await threePoints();
    await world.vault.create(purgePath("two"), new TextEncoder().encode("{"), { contentType: "x" });
    world.vault.files.delete(sealPath("two"));
    const before = paths(world);
    await expect(resumePurges(deps(world))).rejects.toMatchObject({ code: "format/corrupt" });
    expect(paths(world)).toEqual(before);
  });
});

test("a purge that crashed before it deleted the seal is withdrawn: the point may be kept for longer now", async ({
  expect,
}) => {
  const untouched = paths(await threePoints());
  let back = 0;
  await crashPoints(
    threePoints,
    (world) => purgeRecoveryPoint(deps(world), "two"),
    async (world, where) => {
      if (!world.vault.files.has(sealPath("two"))) return;
      back += 1;
      await resumePurges(deps(world));
      expect(paths(world), where).toEqual(untouched);
    },
  );
  expect(back).toBeGreaterThan(10);
});

describe("pins", () => {
  test("a point that a restore reads is kept, and purged when the restore has ended", async ({ expect }) => {
    const world = await threePoints();
    const before = paths(world);
    world.pins.add("two");
    const progress = await purgeRecoveryPoint(deps(world), "two");
    expect(progress).toEqual({
      state: "pinned",
      deleteRequests: 0,
      objects: 0,
      objectBytes: 0,
      segments: 0,
      segmentsRead: 0,
      undecided: 0,
      changed: 0,
    });
    expect(paths(world)).toEqual(before);
    expect([...world.rows]).toEqual(["one", "two", "three"]);
    world.pins.clear();
    expect((await purgeRecoveryPoint(deps(world), "two")).state).toBe("done");
    expect(objects(world)).not.toContain(OBJECTS_OF_TWO_ALONE[0]);
  });

  test.for(["one", "two", "three"])(
    "wherever the purge of the pinned point '%s' dies, nothing is touched",
    async (id, { expect }) => {
      const calm = paths(await threePoints());
      const died = await crashPoints(
        async () => {
          const world = await threePoints();
          world.pins.add(id);
          return world;
        },
        (world) => wholePurge(deps(world), id),
        async (world, where) => {
          expect((await resumePurges(deps(world))).state, where).toBe("done");
          expect(paths(world), where).toEqual(calm);
          expect((await purgeRecoveryPoint(deps(world), id)).state, where).toBe("pinned");
          expect(paths(world), where).toEqual(calm);
          expect(world.rows.size, where).toBe(3);
        },
      );
      expect(died).toContain("before isPinned");
      expect(died).toContain("after remove");
    },
  );

  test("a pin that is set after a crash withdraws the purge while the seal exists, and is too late after that", async ({
    expect,
  }) => {
    const untouched = paths(await threePoints());
    const calm = await threePoints();
    await purgeRecoveryPoint(deps(calm), "two");
    const ends = { back: 0, done: 0 };
    await crashPoints(
      threePoints,
      (world) => wholePurge(deps(world), "two"),
      async (world, where) => {
        world.pins.add("two");
        const isSealed = world.vault.files.has(sealPath("two"));
        ends[isSealed ? "back" : "done"] += 1;
        await resumePurges(deps(world));
        expect(paths(world), where).toEqual(isSealed ? untouched : paths(calm));
      },
    );
    expect(ends.back).toBeGreaterThan(10);
    expect(ends.done).toBeGreaterThan(10);
  });

  test("other purges are finished beside one that is withdrawn", async ({ expect }) => {
    const world = await threePoints();
    // Two journals at once: only if the first was written by hand, or was listed late.
    for (const id of ["one", "two"]) {
      const journal = journalOf(await readSeal(world.vault, id), false);
      await world.vault.create(purgePath(id), encodeJournal(journal), { contentType: "x" });
    }
    world.vault.files.delete(sealPath("two"));
    expect(await resumePurges(deps(world))).toMatchObject({ state: "done", objects: 2 });
    expect(await purgesOf(world.vault)).toEqual([]);
    expect((await listSeals(world.vault)).map(({ id }) => id)).toEqual(["one", "three"]);
  });

  test("in whatever order the steps of a restore and of a purge run, what may be read stays complete", async ({
    expect,
  }) => {
    const whole = paths(await threePoints());
    const seen = { read: 0, refused: 0, back: 0, late: 0 };
    // Up to a few calls after the one that deletes the seal.
    const moments = 30;
    for (let pinAt = 0; pinAt < moments; pinAt += strideOf(2)) {
      for (let lookAt = pinAt; lookAt < moments; lookAt++) {
        const world = await threePoints();
        let mayRead: boolean | undefined;
        let call = 0;
        const restore = async (moment: number): Promise<void> => {
          if (moment === pinAt) world.pins.add("two");
          if (moment !== lookAt) return;
          const isSealed = world.vault.files.has(sealPath("two"));
          if (!isSealed) seen.late += 1;
          mayRead = isSealed && !world.vault.files.has(purgePath("two"));
          if (!mayRead) world.pins.delete("two");
        };
        const { vault, rows } = deps(world);
        const meet = <T extends object>(port: T) => beforeEachCall(port, () => restore(call++));
        const { state } = await purgeRecoveryPoint(deps(world, { vault: meet(vault), rows: meet(rows) }), "two");
        // A purge that is withdrawn makes fewer calls, and the restore runs after it.
        while (call < moments) await restore(call++);
        if (mayRead === true) expect(paths(world), `${pinAt} ${lookAt}`).toEqual(whole);
        expect(await purgesOf(world.vault)).toEqual([]);
        seen[mayRead === true ? "read" : "refused"] += 1;
        if (state === "pinned") seen.back += 1;
      }
    }
    expect(seen.read).toBeGreaterThan(50);
    expect(seen.refused).toBeGreaterThan(50);
    expect(seen.back).toBeGreaterThan(seen.read);
    expect(seen.late).toBeGreaterThan(10);
  });
});

/** Awaits something before each call of a port. Listings are read at once, with what exists then. */
function beforeEachCall<T extends object>(port: T, before: () => Promise<void>): T {
  return new Proxy(port, {
    get: (target, property) => {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== "function") return member;
      if (property === "list") {
        return async function* (...args: unknown[]) {
          await before();
          yield* member.apply(target, args);
        };
      }
      return async (...args: unknown[]): Promise<unknown> => {
        await before();
        return member.apply(target, args);
      };
    },
  });
}

test("a point that does not exist counts as purged", async ({ expect }) => {
  const world = await threePoints();
  world.rows.add("ghost");
  expect(await purgeRecoveryPoint(deps(world), "ghost")).toMatchObject({ state: "done", objects: 0 });
  expect(world.rows.has("ghost")).toBe(false);
  await expect(planPurge(deps(world), "ghost", [])).rejects.toMatchObject({ code: "recovery-point/not-found" });
});

test("thousands of segment files are deleted in several executions, each once", async ({ expect }) => {
  const world = emptyWorld("one", "two");
  const name = (i: number): string => `n${String(i).padStart(4, "0")}`;
  const segments = Array.from({ length: 2_500 }, (_, i) => [entry(name(i), "e", 1)]);
  await writePoint(world.vault, "one", 1, { raw: { segments } });
  await writePoint(world.vault, "two", 2, { raw: { segments: [[entry(name(0), "f", 2)]] } });
  const removed: string[] = [];
  let hasTime = true;
  const given = deps(world, { hasTime: () => hasTime });
  const vault: PurgeDeps["vault"] = {
    read: (path) => given.vault.read(path),
    create: (path, content, options) => given.vault.create(path, content, options),
    list: (prefix, from) => given.vault.list(prefix, from),
    remove: (some) => {
      const files = some.map(({ path }) => path).filter((path) => path.endsWith(".gz"));
      removed.push(...files);
      // The time is over as soon as all objects are deleted.
      if (files.length > 0) hasTime = false;
      return given.vault.remove(some);
    },
  };
  const first = await purgeRecoveryPoint({ ...given, vault }, "one");
  expect(first).toMatchObject({ state: "stopped", objects: 2_500, segments: 2_048 });
  expect(first.from).toEqual({ recoveryPoint: "one", container: "raw", segment: 2_500 + 2_048 });
  const second = await resumePurges({ ...given, vault }, first.from);
  expect(second).toMatchObject({ state: "done", objects: 0, segments: 452 });
  expect(removed.length).toBe(2_500);
  expect(new Set(removed).size).toBe(2_500);
  expect(paths(world).filter((path) => path.includes("one"))).toEqual([]);
});

describe("unfinished purges", () => {
  /** As if the purges had crashed after the seals were deleted. */
  async function begun(world: World, ...ids: string[]): Promise<void> {
    for (const id of ids) {
      const journal = encodeJournal(journalOf(await readSeal(world.vault, id), false));
      await world.vault.create(purgePath(id), journal, { contentType: "application/json" });
    }
    for (const id of ids) world.vault.files.delete(sealPath(id));
  }

  test("are all finished by one execution", async ({ expect }) => {
    const world = await threePoints();
    await begun(world, "one", "two");
    expect(await purgesOf(world.vault)).toEqual(["one", "two"]);
    expect(await resumePurges(deps(world))).toMatchObject({ state: "done" });
    expect(await purgesOf(world.vault)).toEqual([]);
    expect((await listSeals(world.vault)).map(({ id }) => id)).toEqual(["three"]);
    expect([...world.rows]).toEqual(["three"]);
  });

  test("continue where they stopped, and not where another did", async ({ expect }) => {
    const world = await threePoints();
    await begun(world, "two");
    const elsewhere = { recoveryPoint: "one", container: "raw", segment: 9 };
    expect(await resumePurges(deps(world), elsewhere)).toMatchObject({ state: "done", objects: 2, segments: 2 });
  });

  test("stop between two containers when the time is over, and continue at the next", async ({ expect }) => {
    const world = await threePoints();
    const given = deps(world, { hasTime: () => false });
    const stops: unknown[] = [];
    let progress = await purgeRecoveryPoint(given, "two");
    for (; progress.state === "stopped"; progress = await purgeRecoveryPoint(given, "two", progress.from)) {
      stops.push([progress.from?.container, progress.from?.segment]);
    }
    expect(stops).toEqual([
      ["old", 0],
      ["new", 0],
    ]);
    expect(progress.state).toBe("done");
  });

  test("are those with the name of a journal", async ({ expect }) => {
    const world = await threePoints();
    await world.vault.create("purges/read me.txt", new Uint8Array(), { contentType: "text/plain" });
    expect(await purgesOf(world.vault)).toEqual([]);
    expect(await resumePurges(deps(world))).toMatchObject({ state: "done" });
    expect(paths(world)).toContain("purges/read me.txt");
  });

  test("take no other file with the same prefix for the seal", async ({ expect }) => {
    const world = await threePoints();
    await begun(world, "two");
    const copy = `${sealPath("two")}.old`;
    await world.vault.create(copy, new Uint8Array(), { contentType: "application/json" });
    expect(await resumePurges(deps(world))).toMatchObject({ state: "done" });
    expect(paths(world)).toContain(copy);
  });
});

test.for([
  { laterMs: 900, isRemoved: true },
  { laterMs: 1_100, isRemoved: false },
])(
  "an object written $laterMs ms after the journal is deleted: $isRemoved, because times are in whole seconds",
  async ({ laterMs, isRemoved }, { expect }) => {
    const world = await threePoints();
    const path = objectPath("raw", "b", "b2", 2);
    const given = deps(world);
    const create: typeof given.vault.create = async (created, content, options) => {
      const isNew = await given.vault.create(created, content, options);
      const journal = world.vault.files.get(purgePath("two"));
      const object = { ...(world.vault.files.get(path) ?? expect.fail()) };
      if (journal === undefined) return isNew;
      stampOf(object, new Date(stampOf(journal).writtenAt.getTime() + laterMs));
      world.vault.files.set(path, object);
      return isNew;
    };
    const { read, list, remove } = given.vault;
    const progress = await purgeRecoveryPoint({ ...given, vault: { read, create, list, remove } }, "two");
    expect(progress).toMatchObject({ state: "done", changed: isRemoved ? 0 : 1 });
    expect(world.vault.files.has(path)).toBe(!isRemoved);
  },
);

test("with the last point thousands of files are deleted, in several executions, each counted once", async ({
  expect,
}) => {
  const world = emptyWorld("only");
  await writePoint(world.vault, "only", 1, { raw: { segments: [[entry("a", "a1", 1)]] } });
  for (let n = 0; n < 5_000; n++) {
    await world.vault.create(`data/raw/debris ${n}/0x1.9`, new Uint8Array(), { contentType: "x" });
  }
  const given = deps(world, { hasTime: () => false });
  const states: string[] = [];
  let objectsGone = 0;
  for (let execution = 0; execution < 10; execution++) {
    const { state, objects: gone } = await purgeRecoveryPoint(given, "only");
    states.push(state);
    objectsGone += gone;
    if (state === "done") break;
  }
  expect(states).toEqual(["stopped", "stopped", "done"]);
  expect(objectsGone).toBe(5_001);
  expect(paths(world)).toEqual([]);
});
